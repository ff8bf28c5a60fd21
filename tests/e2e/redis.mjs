#!/usr/bin/env node
// Two edge hosts on one Redis: what one has stored the other serves; and what becomes of it all when Redis is gone.
import fs from 'node:fs';
import path from 'node:path';
import { assert, equal, port, request, sleep, startNginx, startOrigin, test, until } from './lib/e2e.mjs';
import { processTree } from './lib/processes.mjs';
import { startRedis } from './lib/redis.mjs';

const socket = path.join(process.env.EDGE_DIR, 'redis.sock');
const redis = await startRedis('redis', { port: port(0), socket, conf: { unixsocketperm: 777, maxmemory: '64mb', 'maxmemory-policy': 'allkeys-lru' } });

// The origin: counts what it is asked, answers what the path says.
const asked = new Map();
const big = (n) => Buffer.alloc(n, 'abcdefghijklmnopqrstuvwxyz0123456789\n');
const answers = {
    '/plain': () => ({ body: 'plain', headers: { 'Cache-Control': 'max-age=60', ETag: '"p1"' } }),
    '/vary': (incoming) => ({ body: `for ${incoming.headers['x-kind'] ?? 'nobody'}`, headers: { 'Cache-Control': 'max-age=60', Vary: 'X-Kind' } }),
    '/missing': () => ({ status: 404, body: 'there is none', headers: { 'Cache-Control': 'max-age=60' } }),
    '/short': (incoming) => (incoming.headers['if-none-match'] === '"s"' ? { status: 304, headers: { 'Cache-Control': 'max-age=60', ETag: '"s"' } }
        : { body: 'short', headers: { 'Cache-Control': 'max-age=1', ETag: '"s"' } }),
    '/stale': () => ({ body: 'old', headers: { 'Cache-Control': 'max-age=1, stale-if-error=60' } }),
    '/large': () => ({ body: big(900_000), headers: { 'Cache-Control': 'max-age=60' } }),
    '/huge': () => ({ body: big(3_000_000), headers: { 'Cache-Control': 'max-age=60' } }),
    '/slow': () => ({ wait: 300, body: 'slow', headers: { 'Cache-Control': 'max-age=60' } }),
    '/secret': (incoming) => ({ body: `of ${incoming.headers.cookie}`, headers: { 'Cache-Control': 'private, max-age=30' } }),
    '/nostore': () => ({ body: 'never', headers: { 'Cache-Control': 'no-store' } }),
};
const times = (target) => asked.get(target) ?? 0;
await startOrigin(port(1), async (incoming, outgoing) => {
    const target = incoming.url.replace(/[?].*$/, '');
    asked.set(incoming.url, times(incoming.url) + 1);
    const make = answers[target] ?? (() => ({ body: `body of ${incoming.url}`, headers: { 'Cache-Control': 'max-age=60' } }));
    const { status = 200, body = '', headers = {}, wait = 0 } = make(incoming);
    if (wait) await sleep(wait);
    outgoing.writeHead(status, status === 304 ? headers : { ...headers, 'Content-Length': Buffer.byteLength(body) });
    outgoing.end(status === 304 ? undefined : body);
});

const conf = (number, { url = `redis://127.0.0.1:${port(0)}`, redisConf = '', workers = 2, more = '', size = '32m' } = {}) => ({ workers, http: `
    edge_zone main size=${size};
    edge_redis shared ${url} timeout=300ms ${redisConf};
    proxy_http_version 1.1;
    server {
        listen 127.0.0.1:${number};
        server_name edge;
        add_header X-Cache "$edge_cache_status $edge_cache_level" always;
        location / { edge_cache main redis=shared redis_part=64k; proxy_pass http://127.0.0.1:${port(1)}; }
        location /huge { edge_cache main redis=shared redis_max=4m redis_part=256k; proxy_pass http://127.0.0.1:${port(1)}; }
        location /twice { edge_cache main redis=shared redis_min_uses=2; proxy_pass http://127.0.0.1:${port(1)}; }
        location /secret { edge_cache main redis=shared; edge_cache_private secret=$cookie_session; proxy_pass http://127.0.0.1:${port(1)}; }
        location /alone { edge_cache main; proxy_pass http://127.0.0.1:${port(1)}; }
        location = /status { edge_status; }
        location = /metrics { edge_status prometheus; }
        location = /purge { edge_purge; }
        ${more}
    }` });
const [a, b] = [port(2), port(3)];
const hostA = await startNginx('a', conf(a));
const hostB = await startNginx('b', conf(b, { url: `unix:${socket}` }));
const at = (host, target, headers = {}) => request(host, target, { headers: { Host: 'edge', ...headers } });
const how = (answer) => answer.headers['x-cache'].trim();
const status = async (host) => JSON.parse((await request(host, '/status')).body);
const stored = async (host, n) => until(async () => (await status(host)).cache.redis.stored >= n, `${n} values are stored`);
const keys = () => redis.command('DBSIZE');
async function seen(host, target, headers = {}) {
    const before = await keys();
    const answer = await at(host, target, headers);
    await until(async () => (await keys()) > before, `${target} comes to Redis`);
    return answer;
}

await test('what one host has stored another serves, from then on out of its own zone', async () => {
    equal(how(await seen(a, '/plain')), 'MISS', 'first');
    const first = await at(b, '/plain');
    equal([how(first), first.body.toString(), first.headers.etag, times('/plain')], ['HIT redis', 'plain', '"p1"', 1]);
    assert(/^edge; hit; ttl=\d+; detail=redis$/.test(first.headers['cache-status']), first.headers['cache-status']);
    const second = await at(b, '/plain');
    equal([how(second), second.headers['cache-status'].includes('redis')], ['HIT zone', false]);
    equal(await redis.calls('get'), 2, 'one GET for each host\'s miss');
    equal((await at(b, '/plain', { 'If-None-Match': '"p1"' })).status, 304, 'conditional');
});
await test('a location without redis= has nothing to do with it', async () => {
    const before = await redis.calls('get');
    await at(a, '/alone');
    await at(b, '/alone');
    equal([times('/alone'), await redis.calls('get')], [2, before]);
});
await test('variants are found by their fields, the second by one GET', async () => {
    await seen(a, '/vary', { 'X-Kind': 'one' });
    await seen(a, '/vary', { 'X-Kind': 'two' });
    const gets = await redis.calls('get');
    const one = await at(b, '/vary', { 'X-Kind': 'one' });
    equal([how(one), one.body.toString(), await redis.calls('get') - gets], ['HIT redis', 'for one', 2]);
    const two = await at(b, '/vary', { 'X-Kind': 'two' });
    equal([how(two), two.body.toString(), await redis.calls('get') - gets], ['HIT redis', 'for two', 3]);
    equal((await at(b, '/vary', { 'X-Kind': 'three' })).body.toString(), 'for three');
    equal(times('/vary'), 3);
    const all = await redis.command('KEYS', 'edge:{*');
    const record = all.filter((key) => all.some((other) => other !== key && other.startsWith(key)));
    assert(record.length === 1 && all.filter((key) => key.startsWith(record[0])).length >= 4, `one hash tag for all: ${all}`);
});
await test('errors that may be stored are', async () => {
    await seen(a, '/missing');
    const answer = await at(b, '/missing');
    equal([answer.status, how(answer), answer.body.toString(), times('/missing')], [404, 'HIT redis', 'there is none', 1]);
});
await test('what must not be stored is not there either', async () => {
    const before = await keys();
    await at(a, '/nostore');
    await at(b, '/nostore');
    await sleep(50);
    equal([times('/nostore'), await keys()], [2, before]);
});
await test('a large body comes in parts, a range of it too', async () => {
    await seen(a, '/large');
    const names = await until(async () => { const all = await redis.command('KEYS', 'edge:*.*.*'); return all.length >= 14 && all; }, 'all parts are there');
    equal(names.length, 14, 'parts');
    for (const name of names) assert((await redis.command('STRLEN', name)) <= 65536 + 64, `${name} is no larger than a part`);
    const answer = await at(b, '/large', { Range: 'bytes=100000-100009' });
    equal([answer.status, how(answer), answer.body.toString()], [206, 'HIT redis', big(900_000).subarray(100_000, 100_010).toString()]);
    const whole = await at(b, '/large');
    assert(how(whole) === 'HIT zone' && whole.body.equals(big(900_000)), how(whole));
    equal(times('/large'), 1);
});
await test('a body that lacks a part is asked of the origin', async () => {
    await seen(a, '/huge');
    const part = await until(async () => {
        for (const key of await redis.command('KEYS', 'edge:*.*.7')) if (await redis.command('STRLEN', key) > 200_000) return key;
        return undefined;
    }, 'the parts are there');
    const ofHuge = async () => (await redis.command('KEYS', `${part.slice(0, part.indexOf('}') + 1)}*`)).length;
    await until(async () => (await ofHuge()) === 13, 'the value and its 12 parts');
    await redis.command('DEL', part);
    const answer = await at(b, '/huge');
    assert(how(answer) === 'MISS' && answer.body.equals(big(3_000_000)), how(answer));
    equal(times('/huge'), 2);
    await until(async () => (await ofHuge()) === 24, 'what the origin answered comes to Redis, beside the parts of before');
    assert((await status(b)).cache.redis.unusable >= 1, 'it is counted');
});
await test('a body over redis_max stays in the zone', async () => {
    const before = await keys();
    answers['/over'] = () => ({ body: big(1_100_000), headers: { 'Cache-Control': 'max-age=60' } });
    await at(a, '/over');
    equal([how(await at(a, '/over')), how(await at(b, '/over')), await keys()], ['HIT zone', 'MISS', before]);
});
await test('what a full zone was not asked for lately is sent on without a place in it', async () => {
    const small = await startNginx('small', conf(port(4), { size: '2m', more: `location /slowly { limit_rate 8k; edge_cache main redis=shared; proxy_pass http://127.0.0.1:${port(1)}; }` }));
    const c = port(4);
    const body = (n) => Buffer.alloc(40_000, `${n} of those that are passed on\n`);
    const target = (n) => `/passed?${n}`;
    answers['/passed'] = (incoming) => ({ body: body(Number(incoming.url.split('?')[1])), headers: { 'Cache-Control': 'max-age=60', ETag: `"${incoming.url.split('?')[1]}"` } });
    const count = 80;
    const before = (await status(a)).cache.redis.stored;
    for (let n = 0; n < count; n += 1) await at(a, target(n));
    await stored(a, before + count);
    const zone = async () => (await status(c)).zones[0];
    const right = (n, answer) => equal([how(answer), answer.status, answer.headers.etag, answer.body.equals(body(n))], ['HIT redis', 200, `"${n}"`, true], `${n}`);
    // While there is room it gets its place when it has been sent, and not when its client has read it.
    answers['/slowly'] = answers['/passed'];
    await seen(a, '/slowly?80');
    const early = at(c, '/slowly?80');
    await until(async () => (await zone()).objects === 1, 'it is in the zone', 2);
    equal(how(await at(c, '/slowly?80', { 'If-None-Match': '"80"' })), 'HIT zone');
    assert(!(await Promise.race([early, undefined])), 'while the first reads');
    right(80, await early);
    for (let n = 0; n < 70; n += 1) right(n, await at(c, target(n)));
    const full = await zone();
    assert(full.objects > 20 && full.objects < 60, `${full.objects} of 70 objects have a place in the zone`);
    equal(full.evictions, 0, 'none had to go for one that is asked for once');
    equal(how(await at(c, target(0))), 'HIT zone', 'the first is still there');

    const range = await at(c, target(71), { Range: 'bytes=100-199' });
    equal([range.status, how(range), range.body.equals(body(71).subarray(100, 200))], [206, 'HIT redis', true]);
    const ranges = await at(c, target(72), { Range: 'bytes=39999-,0-0' });
    assert([200, 206].includes(ranges.status), `${ranges.status} for two ranges`);
    equal((await at(c, target(73), { Range: 'bytes=40000-' })).status, 416);
    equal((await at(c, target(74), { 'If-None-Match': '"74"' })).status, 304);
    const head = await request(c, target(75), { method: 'HEAD', headers: { Host: 'edge' } });
    equal([head.status, head.headers['content-length'], how(head), head.body.length], [200, '40000', 'HIT redis', 0]);
    equal((await zone()).objects, full.objects, 'none of these has a place either');

    // Asked for again, it is given one.
    right(76, await at(c, target(76)));
    right(76, await at(c, target(76)));
    equal(how(await at(c, target(76))), 'HIT zone', 'the third time');
    assert((await zone()).evictions > 0, 'others had to go for it');
    // What others wait for is theirs too.
    const together = await Promise.all(Array.from({ length: 20 }, () => at(c, target(77))));
    assert(together.every((answer) => answer.status === 200 && answer.body.equals(body(77))), 'all get it');
    // Nor do they wait until its client has read it.
    await seen(a, '/slowly?79');
    const slow = at(c, '/slowly?79');
    await sleep(300);
    const start = Date.now();
    equal((await at(c, '/slowly?79', { 'If-None-Match': '"79"' })).status, 304);
    assert(Date.now() - start < 1000, `it took ${Date.now() - start} ms`);
    assert((await slow).body.equals(body(79)) && Date.now() - start > 1000, 'the first was still being sent');
    // Purged, it is not sent on.
    const purge = await request(c, '/purge', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: `{"urls": ["http://edge${target(78)}"]}` });
    equal([purge.status, how(await at(c, target(78)))], [200, 'MISS']);
    equal([times(target(76)), times(target(77)), times(target(78))], [1, 1, 2], 'the origin was asked by the first host alone, and for what was purged');
    await small.stop();
    equal(small.log().split('\n').filter((line) => /\[(alert|emerg|crit|error)\]/.test(line)), [], small.name);
});
await test('a worker asks to be told of room in a unix socket to Redis only while it waits for some', async () => {
    // Such a socket tells of room each time its peer has read: that would wake the worker twice for a hit.
    const { pid: worker } = processTree(hostB.pid).find(({ parent }) => parent === hostB.pid);
    const unix = new Set(fs.readFileSync('/proc/net/unix', 'utf8').split('\n').map((line) => line.split(/\s+/)[6]));
    const told = () => fs.readdirSync(`/proc/${worker}/fdinfo`).flatMap((fd) => {
        const info = fs.readFileSync(`/proc/${worker}/fdinfo/${fd}`, 'utf8');
        return [...info.matchAll(/^tfd:\s+(\d+) events:\s+([0-9a-f]+)/gm)].map(([, target, events]) => {
            const [, inode] = /socket:\[(\d+)\]/.exec(fs.readlinkSync(`/proc/${worker}/fd/${target}`)) ?? [];
            return { local: unix.has(inode), in: (parseInt(events, 16) & 1) !== 0, out: (parseInt(events, 16) & 4) !== 0 };
        });
    });
    for (let n = 0; n < 20; n += 1) await at(b, `/room?${n}`);
    const sockets = told().filter(({ local }) => local);
    assert(sockets.length > 1 && sockets.every((one) => one.in), `it watches ${sockets.length} unix sockets: its master's, and Redis'`);
    equal(sockets.filter(({ out }) => out).length, 0, 'and waits for room in so many');
});

await test('redis_min_uses: only what is asked for again goes there', async () => {
    const before = await keys();
    equal(how(await at(a, '/twice')), 'MISS');
    await sleep(50);
    equal(await keys(), before);
    await request(a, '/purge', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"urls": ["http://edge/twice"]}' });
    await seen(a, '/twice');
});
await test('a 304 renews what others find', async () => {
    await seen(a, '/short');
    await sleep(1200);
    const sets = await redis.calls('set');
    const renewed = await at(a, '/short');
    equal(how(renewed), 'REVALIDATED zone');
    await until(async () => (await redis.calls('set')) > sets, 'it comes to Redis');
    const answer = await at(b, '/short');
    equal([how(answer), times('/short')], ['HIT redis', 2]);
});
await test('a stale one in the zone is replaced by what another host has renewed', async () => {
    // Both have it from before; its 60 s of the 304 apply to both.
    answers['/both'] = (incoming) => (incoming.headers['if-none-match'] ? { status: 304, headers: { 'Cache-Control': 'max-age=60', ETag: '"b"' } }
        : { body: 'both', headers: { 'Cache-Control': 'max-age=1', ETag: '"b"' } });
    await seen(a, '/both');
    equal(how(await at(b, '/both')), 'HIT redis');
    await sleep(2100);
    const sets = await redis.calls('set');
    equal(how(await at(a, '/both')), 'REVALIDATED zone');
    await until(async () => (await redis.calls('set')) > sets, 'it comes to Redis');
    const answer = await at(b, '/both');
    equal([how(answer), times('/both')], ['HIT redis', 2]);
});
await test('many that want the same at once ask Redis once, and the origin once', async () => {
    const before = await redis.calls('get');
    const answers1 = await Promise.all(Array.from({ length: 50 }, () => at(a, '/slow')));
    assert(answers1.every((answer) => answer.body.toString() === 'slow'), 'all have it');
    equal(times('/slow'), 1);
    const first = await redis.calls('get') - before;
    assert(first <= 4, `${first} GETs for 50 requests`);  // workers may look before they know of each other
    await sleep(50);
    const answers2 = await Promise.all(Array.from({ length: 50 }, () => at(b, '/slow')));
    assert(answers2.every((answer) => how(answer).startsWith('HIT')), answers2.map(how).join());
    assert(await redis.calls('get') - before - first <= 4, 'GETs of the other host');
});
await test('one user\'s answers are that user\'s on every host', async () => {
    const user = (name) => ({ Cookie: `session=${name}-0123456789abcdef0123456789abcdef` });
    await seen(a, '/secret', user('ann'));
    const ann = await at(b, '/secret', user('ann'));
    equal([how(ann), ann.body.toString()], ['HIT redis', `of ${user('ann').Cookie}`]);
    const ben = await at(b, '/secret', user('ben'));
    equal([how(ben), ben.body.toString()], ['MISS', `of ${user('ben').Cookie}`]);
    for (const key of await redis.command('KEYS', '*')) assert(!key.includes('ann'), key);
});
await test('what was purged here is not taken from Redis either', async () => {
    await seen(a, '/purged?1');
    const purge = await request(a, '/purge', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"urls": ["http://edge/purged?1"]}' });
    equal(purge.status, 200, purge.body.toString());
    equal([how(await at(a, '/purged?1')), times('/purged?1')], ['MISS', 2]);
});
await test('a write to it makes the answers of before unusable', async () => {
    await seen(a, '/written?1');
    await request(a, '/written?1', { method: 'POST', headers: { Host: 'edge' } });
    equal([how(await at(a, '/written?1')), times('/written?1')], ['MISS', 3]);
});
await test('a restarted host finds all it had, one that reloads too', async () => {
    await seen(a, '/again?1');
    await hostB.stop();
    await hostB.start(conf(b));
    await until(async () => (await status(b)).redis.purge_logs[0].in_touch, 'it knows the purges');
    const answer = await at(b, '/again?1');
    equal([how(answer), times('/again?1')], ['HIT redis', 1]);
    await seen(a, '/again?2');
    await hostB.reload();
    equal([how(await at(b, '/again?1')), how(await at(b, '/again?2'))], ['HIT zone', 'HIT redis']);
});
await test('garbage in Redis is a miss that is counted', async () => {
    await seen(a, '/bent?1');
    const before = (await status(a)).cache.redis.unusable;
    for (const key of await redis.command('KEYS', 'edge:*')) if (!key.includes('{purges}')) await redis.command('SETRANGE', key, '70', 'garbage');
    await hostA.stop();
    await hostA.start(conf(a));
    const answer = await at(a, '/bent?1');
    equal([how(answer), answer.body.toString()], ['MISS', 'body of /bent?1']);
    assert((await status(a)).cache.redis.unusable >= 1, `${before}`);
});

// --- when Redis is gone ---
/** GETs of many keys at a time until told to stop; {requests, errors, wrong, longest (ms)}. */
function load(host, name, width = 8) {
    const result = { requests: 0, errors: 0, wrong: 0, longest: 0 };
    let running = true;
    const one = async (lane) => {
        for (let i = 0; running; i += 1) {
            const target = `/${name}?${lane}.${i}`;
            const start = performance.now();
            try {
                const answer = await at(host, target);
                if (answer.status !== 200) result.errors += 1;
                else if (answer.body.toString() !== `body of ${target}`) result.wrong += 1;
            } catch { result.errors += 1; }
            result.requests += 1;
            result.longest = Math.max(result.longest, performance.now() - start);
        }
    };
    const lanes = Array.from({ length: width }, (_, lane) => one(lane));
    return async () => { running = false; await Promise.all(lanes); return result; };
}
await test('kill -9 of Redis under load: no error, no wrong body, and it is used again when it is back', async () => {
    const stop = load(a, 'killed');
    await sleep(300);
    await redis.kill();
    await sleep(1000);
    await redis.start();
    await until(async () => hostA.log().includes('answers again'), 'it is used again', 15);
    await until(async () => (await keys()) > 0, 'values come there again');
    const result = await stop();
    equal([result.errors, result.wrong], [0, 0]);
    assert(result.requests > 100, `${result.requests} requests`);
    assert(/edge: redis 127\.0\.0\.1:\d+: .*not asked any more/.test(hostA.log()), 'the log says so');
});
await test('a stopped Redis delays a miss by its time-out at most, and soon not at all', async () => {
    await at(a, '/memory');
    redis.pause();
    const stop = load(a, 'stopped');
    await sleep(1500);
    const start = performance.now();
    for (let i = 0; i < 20; i += 1) equal(how(await at(a, '/memory')), 'HIT zone');
    const open = await status(a);
    const result = await stop();
    redis.resume();
    equal([result.errors, result.wrong], [0, 0]);
    assert(result.longest < 300 + 700, `a request took ${result.longest} ms`);
    assert(performance.now() - start < 3000, 'hits in memory go on');
    assert(open.cache.redis.failed > 0, 'counted');
    await until(async () => (await status(a)).redis.nodes.every((node) => node.breakers_open === 0), 'closed again', 20);
});
await test('the status page and the metrics tell of the nodes', async () => {
    const { redis: { nodes } } = await status(a);
    const node = nodes.find(({ name }) => name === `127.0.0.1:${port(0)}`);
    assert(node, JSON.stringify(nodes));
    assert(node.connections >= 1 && node.errors.timed_out > 0 && node.errors.lost > 0, JSON.stringify(node));
    assert(node.round_trip.count > 0 && node.round_trip.p99_us > 0 && node.openings > 0, JSON.stringify(node));
    const text = (await request(a, '/metrics')).body.toString();
    assert(text.includes(`edge_redis_connections{node="127.0.0.1:${port(0)}"}`), text.slice(0, 500));
});
await test('no alert, and no connection is left open', async () => {
    await hostA.stop();
    await hostB.stop();
    for (const host of [hostA, hostB]) {
        const bad = host.log().split('\n').filter((line) => /\[(alert|emerg|crit)\]/.test(line));
        equal(bad, [], host.name);
    }
    assert(fs.existsSync(socket), 'Redis runs');
});
