#!/usr/bin/env node
// Requests for the same thing at the same time, over two workers: one asks the origin, the others follow it. The origin
// counts what reaches it and says how it answers by the URL.
// log-expects: worker process [0-9]+ exited on signal 9
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { gunzipSync } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHash } from 'node:crypto';
import { assert, port, request, startNginx, startOrigin, test, until } from './lib/e2e.mjs';

const asked = {};
const leaders = {};       // the worker that asked last
const at = (target) => asked[target] ?? 0;
const open = new Map();   // answers that wait for the test to go on
const body = (target, length) => Buffer.alloc(length, createHash('md5').update(target).digest('hex'));
const sizeOf = (query) => Number(query.get('size') ?? 16384);

function origin(incoming, outgoing) {
    const target = incoming.url;
    asked[target] = at(target) + 1;
    leaders[target] = Number(incoming.headers['x-worker']);
    const { pathname, searchParams: query } = new URL(target, 'http://o');
    const bytes = body(target, sizeOf(query));
    const headers = { 'Cache-Control': query.get('cc') ?? 'max-age=60', 'Content-Length': bytes.length, 'X-Serial': asked[target] };
    if (query.has('chunked')) delete headers['Content-Length'];
    if (query.has('vary')) { headers.Vary = 'X-Kind'; headers['X-Kind-Was'] = incoming.headers['x-kind'] ?? '-'; }
    if (query.has('old') && asked[target] <= 5) {
        headers['Cache-Control'] = 'max-age=1';
        headers.Date = new Date(Date.now() - 3000).toUTCString();
    }
    const delay = Number(query.get('delay') ?? 0);
    if (pathname.startsWith('/fail')) {
        setTimeout(() => outgoing.writeHead(503, { 'Cache-Control': 'no-store' }).end('busy'), delay);
        return;
    }
    if (query.has('etag')) {
        headers.ETag = '"one"';
        if (incoming.headers['if-none-match'] === '"one"') {
            setTimeout(() => outgoing.writeHead(304, { ETag: '"one"', 'Cache-Control': headers['Cache-Control'] }).end(), delay);
            return;
        }
    }
    setTimeout(() => {
        outgoing.writeHead(200, headers);
        if (/^\/(zipped\/)?held/.test(pathname)) {
            const half = bytes.length >> 1;
            outgoing.write(bytes.subarray(0, half));
            open.set(target, { end: () => outgoing.end(bytes.subarray(half)), break: () => outgoing.destroy() });
        } else {
            outgoing.end(bytes);
        }
    }, delay);
    incoming.on('close', () => { outgoing.gone = true; });
}

const location = (name, extra = '') => `location ${name} { ${extra} proxy_pass http://127.0.0.1:${port(0)}; }`;
const conf = { workers: 2, http: `
    edge_zone main size=64m;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Worker $pid;
    server {
        listen 127.0.0.1:${port(1)} reuseport; listen 127.0.0.1:${port(2)} http2 reuseport;
        keepalive_requests 100000;
        add_header X-Cache $edge_cache_status always;
        add_header X-Worker $pid always;
        edge_cache main;
        ${location('/')}
        ${location('/short', 'edge_cache_collapse on wait=300ms;')}
        ${location('/patient', 'edge_cache_collapse on wait=10s across=zone;')}
        ${location('/off', 'edge_cache_collapse off;')}
        ${location('/zipped', 'gzip on; gzip_min_length 1; gzip_types *;')}
        ${location('/limited', 'limit_rate 4k;')}
        ${location('/seldom', 'edge_cache_min_uses 2;')}
        ${location('/impatient', 'send_timeout 1s;')}
        location = /status { edge_status json; }
    }` };

const get = (target, options) => request(port(1), target, options);
const many = (n, target, options) => Promise.all(Array.from({ length: n }, () => get(target, options)));
const whole = (answer, target) => answer.status === 200 && answer.complete
    && answer.body.equals(body(target, sizeOf(new URL(target, 'http://o').searchParams)));

const isStored = async (target) => (await get(target, { method: 'HEAD', headers: { 'Cache-Control': 'only-if-cached' } })).status === 200;

/** A client that reads nothing but the header, and stays. */
async function stalled(target, { destroy = false } = {}) {
    const socket = net.connect(port(1), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port(1)}\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    if (destroy) socket.destroy();
    return socket;
}

await startOrigin(port(0), origin);
const nginx = await startNginx('edge', conf);
const workersOf = (answers) => new Set(answers.map((answer) => answer.headers['x-worker']));

await test('500 clients of two workers and one cold key are one request to the origin', async () => {
    const target = '/cold?delay=300';
    const answers = await many(500, target);
    assert(answers.every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 1, `${at(target)} requests reached the origin`);
    assert(workersOf(answers).size === 2, 'only one worker answered');
    const followers = answers.filter((a) => /collapsed/.test(a.headers['cache-status']));
    assert(followers.length >= 400, `only ${followers.length} followed: ${JSON.stringify(answers.slice(0, 3).map((a) => a.headers['cache-status']))}`);
    assert(answers.filter((a) => a.headers['x-cache'] === 'MISS').length === 1, 'more than one MISS');
    const status = JSON.parse((await get('/status')).body);
    assert(status.cache.collapsed === followers.length, `collapsed: ${status.cache.collapsed}`);
});

await test('a key that was asked for too seldom is soon waited for again', async () => {
    const target = '/seldom?delay=500';
    assert(/detail=uses/.test((await get(target)).headers['cache-status']), 'the first use is stored');
    await sleep(2000);
    const answers = await many(20, target);
    assert(answers.every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 2, `${at(target)} requests reached the origin`);
    assert(await isStored(target), 'the second use is not stored');
});

await test('followers get the body while the leader does', async () => {
    const target = '/held/stream';
    const first = get(target);
    await until(() => open.has(target), 'the origin has sent half');
    let got = 0;
    const followers = Array.from({ length: 6 }, () => new Promise((resolve, reject) => {
        http.get({ host: '127.0.0.1', port: port(1), path: target, agent: false }, (incoming) => {
            const chunks = [];
            incoming.on('data', (chunk) => { got += chunk.length; chunks.push(chunk); });
            incoming.on('end', () => resolve({ status: incoming.statusCode, complete: incoming.complete, headers: incoming.headers, body: Buffer.concat(chunks) }));
        }).on('error', reject);
    }));
    await until(() => got === 6 * 8192, `each follower has the first half (${got})`);
    open.get(target).end();
    const answers = await Promise.all([first, ...followers]);
    assert(answers.every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 1, `${at(target)} requests reached the origin`);
    assert(workersOf(answers).size === 2, 'only one worker answered');
});

await test('followers whose answers nginx compresses get the same', async () => {
    const target = '/zipped/held?size=300000';
    const answers = many(8, target, { headers: { 'Accept-Encoding': 'gzip' } });
    await until(() => open.has(target), 'the origin has sent half');
    await sleep(100);
    open.get(target).end();
    for (const a of await answers) {
        assert(a.headers['content-encoding'] === 'gzip', 'not compressed');
        assert(whole({ ...a, body: gunzipSync(a.body) }, target), 'an answer is not whole');
    }
    assert(at(target) === 1, `${at(target)} requests reached the origin`);
});

await test('a follower that reads slowly gets all of it', async () => {
    const target = '/held/slowly?size=3000000';
    const leader = get(target);
    await until(() => open.has(target), 'the origin has sent half');
    const slow = await stalled(target);
    open.get(target).end();
    assert(whole(await leader, target), 'the leader is not whole');
    await sleep(300);
    let received = 0;
    slow.on('data', (chunk) => { received += chunk.length; });
    slow.resume();
    await until(() => received > 2900000, `the rest (${received})`);
    slow.destroy();
});

await test('followers over HTTP/2 get the same', async () => {
    const target = '/held/h2?size=300000';
    const session = http2.connect(`http://127.0.0.1:${port(2)}`);
    const one = () => new Promise((resolve, reject) => {
        const stream = session.request({ ':path': target });
        const chunks = [];
        let headers;
        stream.on('response', (h) => { headers = h; });
        stream.on('data', (chunk) => chunks.push(chunk));
        stream.on('end', () => resolve({ status: headers[':status'], headers, complete: true, body: Buffer.concat(chunks) }));
        stream.on('error', reject);
    });
    const answers = Array.from({ length: 10 }, one);
    await until(() => open.has(target), 'the origin has sent half');
    open.get(target).end();
    assert((await Promise.all(answers)).every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 1, `${at(target)} requests reached the origin`);
    session.close();
});

await test('a leader that reads nothing delays nobody', async () => {
    const target = '/slow?size=8000000&delay=50';
    const reading = stalled(target);
    await until(() => at(target) === 1, 'it leads');
    const answers = await many(4, target);
    assert(answers.every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 1, `${at(target)} requests reached the origin`);
    (await reading).destroy();
});

await test('a leader under limit_rate delays nobody, and keeps to its rate', async () => {
    const target = '/limited?size=16384&delay=50';
    const leader = get(target).then((a) => ({ ...a, when: Date.now() }));
    await until(() => at(target) === 1, 'it leads');
    const start = Date.now();
    await until(() => isStored(target), 'the whole is stored');
    const stored = Date.now();
    const answer = await leader;
    assert(whole(answer, target), 'the leader has not got all');
    assert(answer.when - start >= 2500, `16 KB at 4 KB a second took ${answer.when - start} ms`);
    assert(stored < answer.when, 'the body was stored no sooner than the leader had it');
    assert(at(target) === 1, `${at(target)} requests reached the origin`);
});

await test('a leader that leaves in the middle leaves its followers whole', async () => {
    const target = '/held/left?size=400000';
    const leader = await stalled(target);
    await until(() => open.has(target), 'the origin has sent half');
    const followers = many(6, target);
    await sleep(100);
    leader.destroy();
    await sleep(100);
    open.get(target).end();
    assert((await followers).every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 1, `${at(target)} requests reached the origin`);
});

await test('an answer whose only client left is stored to the end', async () => {
    const target = '/held/orphan?size=400000';
    (await stalled(target)).destroy();
    await until(() => open.has(target), 'the origin has sent half');
    await sleep(50);
    open.get(target).end();
    await until(() => isStored(target), 'it is stored');
    assert(whole(await get(target), target), 'not whole');
    assert(at(target) === 1, `${at(target)} requests reached the origin`);
});

await test('a leader past its send_timeout does not end the answer of the others', async () => {
    const target = '/impatient/held?size=15000000&delay=20';
    const leader = await stalled(target);
    const answers = await many(3, target);
    assert(answers.every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 1, `${at(target)} requests reached the origin`);
    leader.destroy();
});

await test('an origin that breaks off cuts the followers too, and nothing is stored', async () => {
    const target = '/held/broken?size=40000';
    const answers = Array.from({ length: 5 }, () => get(target).catch((error) => ({ error })));
    await until(() => open.has(target), 'the origin has sent half');
    await sleep(100);
    open.get(target).break();
    for (const a of await Promise.all(answers)) assert(a.error || !a.complete, `somebody took half for the whole: ${a.status}`);
    const next = get(target);
    await until(() => at(target) === 2, 'the origin is asked again');
    await sleep(50);
    open.get(target).end();
    assert(whole(await next, target), 'the next answer is not whole');
});

await test('an uncacheable answer lets all followers ask at once, and the next do not wait', async () => {
    const target = '/private?cc=private&delay=200';
    let start = Date.now();
    const answers = await many(20, target);
    assert(answers.every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 20, `${at(target)} requests reached the origin`);
    assert(new Set(answers.map((a) => a.headers['x-serial'])).size === 20, 'two clients share a private answer');
    start = Date.now();
    await many(10, target);
    assert(Date.now() - start < 1200, `one after the other: ${Date.now() - start} ms`);
});

await test('an answer that has to be validated each time is not shared', async () => {
    const target = '/nocache?cc=no-cache&etag&delay=200';
    const answers = await many(10, target);
    assert(answers.every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 10, `${at(target)} requests reached the origin`);
});

await test('an answer that has ended on its way keeps the next from being shared for a moment only', async () => {
    const target = '/ended?old&delay=200';
    await many(5, target);
    assert(at(target) === 5, `${at(target)} requests reached the origin`);
    await sleep(1500);
    await many(10, target);
    assert(at(target) === 6, `${at(target) - 5} of 10 requests reached the origin a moment later`);
});

await test('an error lets all followers ask at once', async () => {
    const target = '/fail?delay=200';
    const answers = await many(10, target);
    assert(answers.every((a) => a.status === 503), 'another status');
    assert(at(target) === 10, `${at(target)} requests reached the origin`);
});

await test('nobody waits longer than wait=', async () => {
    const target = '/short?delay=3000';
    const start = Date.now();
    const answers = await many(3, target);
    assert(answers.every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 3, `${at(target)} requests reached the origin`);
    assert(Date.now() - start < 5500, 'the followers waited for the leader and then for the origin');
});

await test('edge_cache_collapse off: each asks', async () => {
    const target = '/off?delay=200';
    await many(5, target);
    assert(at(target) === 5, `${at(target)} requests reached the origin`);
});

await test('clients of two variants are two requests', async () => {
    const target = '/vary?vary&delay=300';
    const [a, b] = await Promise.all([many(20, target, { headers: { 'X-Kind': 'a' } }), many(20, target, { headers: { 'X-Kind': 'b' } })]);
    assert(a.every((x) => whole(x, target) && x.headers['x-kind-was'] === 'a'), 'an answer of another variant');
    assert(b.every((x) => whole(x, target) && x.headers['x-kind-was'] === 'b'), 'an answer of another variant');
    assert(at(target) === 2, `${at(target)} requests reached the origin`);
});

await test('an answer of unknown length is shared once it is whole', async () => {
    const target = '/chunked?chunked&delay=200';
    const answers = await many(20, target);
    assert(answers.every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 1, `${at(target)} requests reached the origin`);
});

await test('a stale answer is validated once for all who wait', async () => {
    const target = '/stale?cc=max-age%3D3&etag&delay=150';
    await get(target);
    await sleep(4100);
    const answers = await many(20, target);
    assert(answers.every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 2, `${at(target)} requests reached the origin`);
});

await test('a range, a reload and a write by one client do not join', async () => {
    const target = '/mixed?delay=300';
    const plain = many(3, target);
    await until(() => at(target) === 1, 'one leads');
    const reload = get(target, { headers: { 'Cache-Control': 'no-cache' } });
    const range = get(target, { headers: { Range: 'bytes=0-9' } });
    await Promise.all([plain, reload, range]);
    assert(at(target) === 3, `${at(target)} requests reached the origin`);
});

await test('a client with its own If-None-Match gets its 304 from the flight', async () => {
    const target = '/held/tag?etag';
    const leader = get(target);
    await until(() => open.has(target), 'the origin has sent half');
    const mine = await get(target, { headers: { 'If-None-Match': '"one"' } });
    assert(mine.status === 304, `status ${mine.status}`);
    open.get(target).end();
    assert(whole(await leader, target), 'the leader is not whole');
});

await test('when a leader leaves before the header another one asks', async () => {
    const target = '/handover?delay=400';
    const socket = net.connect(port(1), '127.0.0.1');
    socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port(1)}\r\n\r\n`);
    await until(() => at(target) === 1, 'it leads');
    const answers = many(8, target);
    await sleep(100);
    socket.destroy();
    assert((await answers).every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 2, `${at(target)} requests reached the origin`);
});

await test('followers in other workers are woken, time and again', async () => {
    // Were they not, they would look for themselves half a second after they came; a busy machine is late now and then.
    let late = 0;
    for (let round = 0; round < 25; round += 1) {
        const target = `/held/woken${round}?size=40000`;
        const begun = [];
        const answers = Array.from({ length: 6 }, () => new Promise((resolve, reject) => {
            http.get({ host: '127.0.0.1', port: port(1), path: target, agent: false }, (incoming) => {
                begun.push(Date.now());
                incoming.resume().on('end', () => resolve(incoming.complete));
            }).on('error', reject);
        }));
        await until(() => open.has(target), 'the origin has sent half');
        const start = Date.now();
        await until(() => begun.length === 6, 'all have a header');
        if (Math.max(...begun) - start > 350) late += 1;
        open.get(target).end();
        assert((await Promise.all(answers)).every(Boolean), 'an answer is not whole');
    }
    assert(late <= 8, `in ${late} of 25 rounds a follower's header came long after the leader's`);
});

await test('followers that leave disturb nobody', async () => {
    const target = '/held/impatient';
    const leader = get(target);
    await until(() => open.has(target), 'the origin has sent half');
    const leaving = await Promise.all(Array.from({ length: 10 }, () => stalled(target, { destroy: true })));
    assert(leaving.length === 10, 'not all came');
    const staying = many(3, target);
    await sleep(100);
    open.get(target).end();
    assert([await leader, ...(await staying)].every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 1, `${at(target)} requests reached the origin`);
});

await test('when the worker of a leader is killed before the header its followers ask', async () => {
    const target = '/patient/killed?delay=900';
    const first = get(target).catch((error) => ({ error }));
    await until(() => at(target) === 1, 'it leads');
    const others = Array.from({ length: 12 }, () => get(target).catch((error) => ({ error })));
    await sleep(100);
    process.kill(leaders[target], 'SIGKILL');
    const answers = await Promise.all([first, ...others]);
    const good = answers.filter((a) => !a.error);
    assert(good.length >= 1, 'all were in one worker: run it again');
    assert(good.every((a) => whole(a, target)), 'an answer is not whole');
    assert(at(target) === 2, `${at(target)} requests reached the origin`);
});

await test('the edge is well after all that', async () => {
    const target = '/after';
    assert(whole(await get(target), target), 'not whole');
    // A connection that was cut is noticed in its own time.
    await until(async () => JSON.parse((await get('/status')).body).cache.fills.active === 0, 'no fill is under way');
    assert(nginx.pid > 0, 'it is gone');
});
await nginx.stop();
