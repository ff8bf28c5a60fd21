#!/usr/bin/env node
// Whatever is wrong with Redis or on the way to it: no client sees an error or a wrong body, what is in memory is sent as
// ever, and Redis is used again when it is well. Each fault comes while clients ask for more keys than the zone holds.
// timeout: 280
import fs from 'node:fs';
import { assert, equal, port, request, sleep, startNginx, test, until } from './lib/e2e.mjs';
import { Clock } from './lib/clock.mjs';
import { startDns } from './lib/dns.mjs';
import { startFaultProxy } from './lib/fault_proxy.mjs';
import { KeyLoad, keyEdge, purgeLog, purgeReaches, startKeyOrigin } from './lib/key_load.mjs';
import { faultOf } from './lib/load.mjs';
import { certificates, startRedis } from './lib/redis.mjs';

const [edge, origin, redisPort, proxyPort, otherPort, second, dnsPort] = [0, 1, 2, 3, 4, 5, 6].map(port);
const timeout = 250;
const clock = new Clock('redis');
const redis = await startRedis('redis', { port: redisPort, env: clock.env });
const proxy = await startFaultProxy({ host: '127.0.0.1', port: redisPort }, proxyPort);
await startKeyOrigin(origin);
const nginx = await startNginx('edge', keyEdge(edge, origin, `redis://127.0.0.1:${proxyPort} timeout=${timeout}ms`));
const load = new KeyLoad(edge);

/** From now on answers come out of Redis. */
async function used(what, by = load, least = 30) {
    const since = Date.now();
    await until(() => by.figures(since).redis.count >= least, `${what}: answers from Redis (${JSON.stringify(by.figures(since))})`, 20);
}

/** The log of purges is being read: otherwise what is in memory would soon be kept back, whatever comes next. */
async function followed() {
    const before = (await purgeLog(edge)).applied;
    equal((await request(edge, '/edge_purge', { method: 'POST', body: JSON.stringify({ tags: ['of nothing'] }) })).status, 200, 'a purge');
    await until(async () => (await purgeLog(edge)).applied > before, 'the log of purges is followed', 20);
}

/** Redis is used; then something is wrong for a while; then it is used again. No answer is wrong, late or missing. */
async function fault(name, { begin, end, during = () => {}, lasts = 1500 }) {
    await test(name, async () => {
        await used('before');
        await followed();
        const since = Date.now();
        await begin();
        await sleep(lasts);
        const figures = load.figures(since);
        await during(figures, since);
        await end?.();
        await used('afterwards');
        load.check(100);
        assert(figures.zone.count > 20, `answers from memory meanwhile: ${JSON.stringify(figures)}`);
        // The time-out of a question to Redis, and of another: a write takes turns with them; the rest is the machine's.
        assert(figures.zone.worst < 1000 && figures.miss.worst < timeout * 2 + 1000, `the slowest answers: ${JSON.stringify(figures)}`);
        console.log(`# ${name}: ${JSON.stringify(figures)}`);
    });
}
const broken = (name, sort, options) => fault(name, {
    begin: () => proxy.set(sort, options),
    during: () => assert(proxy.done > 0, 'it never happened'),
    end: () => { proxy.set('pass'); proxy.cutAll(); },
});
const errors = async (server, code) => Number(/count=(\d+)/.exec((await server.info('errorstats'))[`errorstat_${code}`] ?? '')?.[1] ?? 0);

await fault('Redis is killed and comes back empty', {
    begin: () => redis.kill(),
    end: async () => {
        await redis.start();
        assert(await redis.command('DBSIZE') < 500, 'it has kept what it had');
    },
});

await fault('Redis is stopped (SIGSTOP): no miss waits any more once the breaker is open', {
    begin: () => redis.pause(),
    lasts: 3500,
    during: (figures, since) => {
        const open = load.figures(since + 1500);
        assert(open.miss.count > 50, `misses: ${JSON.stringify(open)}`);
        assert(open.miss.worst < timeout, `with the breaker open a miss took ${open.miss.worst} ms: ${JSON.stringify(open)}`);
        equal(open.redis.count, 0, 'answers from a stopped Redis');
    },
    end: () => redis.resume(),
});

let before;
await fault('Redis is out of memory', {
    begin: async () => {
        before = await errors(redis, 'OOM');
        await redis.command('CONFIG', 'SET', 'maxmemory', '1mb');
    },
    during: async (figures) => {
        assert(await errors(redis, 'OOM') > before + 10, 'no write was refused');
        assert(figures.redis.count > 10, `what is there is read on: ${JSON.stringify(figures)}`);
    },
    end: () => redis.command('CONFIG', 'SET', 'maxmemory', '0'),
});

await fault('Redis becomes a read-only replica', {
    begin: () => redis.command('REPLICAOF', '127.0.0.1', port(39)),
    during: async (figures) => {
        assert(await errors(redis, 'READONLY') > 10, 'no write was refused');
        assert(figures.redis.count > 10, `what is there is read on: ${JSON.stringify(figures)}`);
    },
    end: () => redis.command('REPLICAOF', 'NO', 'ONE'),
});

await fault('Redis is a replica that lost its master and refuses reads too', {
    begin: async () => {
        await redis.command('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
        await redis.command('REPLICAOF', '127.0.0.1', port(39));
    },
    during: async () => assert(await errors(redis, 'MASTERDOWN') > 3, 'nothing was refused'),
    end: () => redis.command('REPLICAOF', 'NO', 'ONE'),
});

await fault('the password has changed', {
    begin: async () => {
        await redis.command('CONFIG', 'SET', 'requirepass', 'another');
        proxy.cutAll();
    },
    end: async () => {
        redis.login = { password: 'another' };
        await redis.command('CONFIG', 'SET', 'requirepass', '');
        redis.login = undefined;
    },
});

await fault('the user may not write any more', {
    begin: async () => {
        before = await errors(redis, 'NOPERM');
        await redis.command('ACL', 'SETUSER', 'default', '-set', '-setex', '-psetex');
    },
    during: async () => assert(await errors(redis, 'NOPERM') > before + 10, 'no write was refused'),
    end: () => redis.command('ACL', 'SETUSER', 'default', '+@all'),
});

await fault('Redis answers late, but in time', { begin: () => proxy.set('delay', { ms: 60 }), end: () => proxy.set('pass'),
    during: (figures) => assert(figures.redis.count > 20 && figures.redis.p50 >= 50, `answers from Redis: ${JSON.stringify(figures)}`) });
await test('Redis answers each question in time, but a large body takes many: they have one time-out together', async () => {
    // More of them than the zone holds.
    const large = Array.from({ length: 7 }, (_, n) => `/large/${n}`);
    for (const target of large) equal((await request(edge, target)).headers['x-cache'], 'MISS', target);
    const levels = async () => {
        const all = [];
        for (const target of large) {
            const begun = performance.now();
            const { status, headers, body } = await request(edge, target);
            equal([status, faultOf(body, target, '-')], [200, undefined], target);
            all.push({ kind: headers['x-cache'] === 'HIT' ? headers['x-level'] : 'miss', ms: performance.now() - begun });
        }
        return all;
    };
    await until(async () => (await levels()).filter(({ kind }) => kind === 'redis').length >= 3, 'they come from Redis');
    proxy.set('delay', { ms: 200 });
    const slow = (await levels()).filter(({ kind }) => kind !== 'zone');
    proxy.set('pass');
    assert(slow.length >= 3 && slow.every(({ kind, ms }) => kind === 'miss' && ms < 2 * timeout + 150), JSON.stringify(slow));
});
await fault('Redis answers too late', { begin: () => proxy.set('delay', { ms: 1200 }), end: () => proxy.set('pass'), lasts: 2500 });
await fault('Redis never answers', { begin: () => proxy.set('silence'), end: () => { proxy.set('pass'); proxy.cutAll(); } });
await broken('connections end as soon as they are made', 'refuse');
await broken('replies are cut in the middle', 'cut', { every: 3 });
const memory = () => Math.max(...fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).map((pid) => {
    try {
        const text = fs.readFileSync(`/proc/${pid}/status`, 'latin1');
        return Number(/^PPid:\s+(\d+)/m.exec(text)[1]) === nginx.pid ? Number(/^RssAnon:\s+(\d+) kB/m.exec(text)[1]) : 0;
    } catch { return 0; }
}));
await test('(what workers hold)', async () => { before = memory(); assert(before > 0, 'no worker found'); });
await broken('a bulk string of 500 MB is announced', 'announce');
await test('and no memory is spent on it', async () => assert(memory() < before + 32 * 1024, `a worker holds ${memory()} kB, before ${before}`));
await broken('what comes is no protocol', 'garbage');
await broken('bytes are missing', 'swallow', { every: 4 });
await broken('a bit is another', 'flip', { every: 3 });
await broken('replies are lost, others come in their place', 'lose', { every: 7 });
await broken('replies come twice', 'repeat', { every: 7 });

await fault("Redis' clock jumps a day ahead", { begin: () => clock.jump(86400) });
await fault("Redis' clock jumps two days back", { begin: () => clock.jump(-86400) });
await fault("Redis' clock is right again", { begin: () => clock.jump(0) });

await test('not one answer was wrong or missing', async () => {
    await load.stop();
    load.check(3000);
    console.log(`# ${load.sent} requests, ${JSON.stringify(load.figures())}`);
    const log = nginx.log().split('\n').filter((line) => line.includes('edge: redis'));
    assert(log.length < 400, `${log.length} lines about Redis in the log`);
});
await nginx.stop();
proxy.cutAll();
await redis.kill();

/** An edge of its own for `body`, under load. */
async function other(name, settings, options, body) {
    await test(name, async () => {
        const server = await startNginx(`edge-${name.replace(/\W+/g, '-').slice(0, 30)}`, { ...keyEdge(second, origin, settings, options), env: options.env });
        const clients = new KeyLoad(second);
        try {
            await body(clients, server);
        } finally {
            await clients.stop();
            await server.stop();
        }
        clients.check(50);
    });
}

const tls = certificates('named', 'DNS:cache.test');
const secure = await startRedis('secure', { port: otherPort, tls });
await other("TLS: the certificate is another name's", `rediss://127.0.0.1:${otherPort} tls_ca=${tls.ca}`, {}, async (clients, server) => {
    await until(() => clients.good > 100, 'answers');
    equal(clients.figures().redis.count, 0, 'answers from Redis');
    assert(/edge: redis .*(certificate|TLS)/.test(server.log()), 'the log does not say it');
});
await other('TLS: with the right name it is used', `rediss://127.0.0.1:${otherPort} tls_ca=${tls.ca} tls_name=cache.test`, {}, (clients) => used('with TLS', clients));
await other('TLS: the authority is unknown', `rediss://127.0.0.1:${otherPort} tls_name=cache.test`, {}, async (clients, server) => {
    await until(() => clients.good > 100, 'answers');
    equal(clients.figures().redis.count, 0, 'answers from Redis');
    assert(/edge: redis .*(certificate|TLS)/.test(server.log()), 'the log does not say it');
});
await secure.kill();

const cutOff = 1000;
const log = 'edge:{purges}:log';
const shared = await startRedis('shared', { port: redisPort });
await other('purges between hosts', `redis://127.0.0.1:${redisPort} cut_off=${cutOff}ms`, {}, async (clients) => {
    const host = await startNginx('another', keyEdge(edge, origin, `redis://127.0.0.1:${redisPort} cut_off=${cutOff}ms`));
    const theirs = new KeyLoad(edge);
    const inTouch = (wanted) => until(async () => (await Promise.all([edge, second].map(purgeLog))).every((one) => Boolean(one.in_touch) === wanted),
        `the hosts are ${wanted ? '' : 'not '}in touch`, 15);
    const faults = {
        'the user may not use the stream': {
            begin: () => shared.command('ACL', 'SETUSER', 'default', '-eval', '-xread', '-xadd'),
            end: () => shared.command('ACL', 'SETUSER', 'default', '+@all'),
        },
        'the stream is no stream': {
            begin: () => shared.command('SET', log, 'something else'),
            end: () => shared.command('DEL', log),
        },
    };
    try {
        await inTouch(true);
        await purgeReaches(edge, second, 'at first');
        for (const [name, { begin, end }] of Object.entries(faults)) {
            // Nobody can tell the other host; so it stops serving what it has.
            await purgeReaches(edge, second, name, { between: async () => {
                await begin();
                await until(() => purgeLog(edge).then((one) => !one.in_touch), 'the fault is noticed');
            }, seconds: cutOff / 1000 + 2 });
            await inTouch(false);
            await end();
            await inTouch(true);
            await used(name, clients);
            await used(name, theirs);
            await purgeReaches(second, edge, `after: ${name}`);
        }
        for (let n = 0; n < 3; n += 1) {
            await shared.command('DEL', log);
            await purgeReaches(edge, second, 'the stream is deleted');
            await purgeReaches(second, edge, 'the stream is deleted');
        }
        await shared.command('FLUSHALL');
        await purgeReaches(edge, second, 'all is deleted');
        await used('all is deleted', theirs);
    } finally {
        await theirs.stop();
        await host.stop();
    }
    theirs.check(100);
});
await shared.kill();

const own = new Clock('edge');
const plain = await startRedis('plain', { port: redisPort });
await other("the edge's own clock jumps", `redis://127.0.0.1:${redisPort}`, { env: own.env }, async (clients) => {
    await used('before', clients);
    // Days ahead nothing that the app has dated is fresh; days behind everything comes from the future.
    for (const seconds of [200, -200, 86400, -86400, 0]) {
        own.jump(seconds);
        const { good } = clients;
        await until(() => clients.good > good + 200, 'answers');
        clients.check(200);
        if (Math.abs(seconds) < 600) await used(`${seconds} s off`, clients);
    }
});
await plain.kill();

const dns = await startDns(dnsPort);
dns.names.set('cache.test', ['127.0.0.1']);
const first = await startRedis('first', { port: otherPort });
const moved = await startRedis('moved', { port: otherPort, host: '127.0.0.2' });
await other('the name of Redis gets another address, the old server lives on', `redis://cache.test:${otherPort} timeout=${timeout}ms`,
    { http: `resolver 127.0.0.1:${dnsPort} valid=1s ipv6=off;` }, async (clients) => {
        await used('at the first address', clients);
        equal(await moved.calls('get'), 0, 'GETs at the second');
        dns.names.set('cache.test', ['127.0.0.2']);
        await until(async () => await moved.calls('get') > 20, 'the second is asked', 20);
        await used('at the second address', clients);
        const asked = await first.calls('get');
        await sleep(1000);
        equal(await first.calls('get'), asked, 'GETs at the first afterwards');
        dns.mode = 'fail';
        await sleep(1500);
        await used('while the name server fails', clients);
        dns.mode = 'silent';
        await sleep(1500);
        await used('while the name server is silent', clients);
        dns.mode = 'answer';
        dns.names.delete('cache.test');
        await sleep(1500);
        await used('when the name is gone', clients);
    });
await moved.kill();
await first.kill();
dns.close();
