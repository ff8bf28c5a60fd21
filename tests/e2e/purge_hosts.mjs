#!/usr/bin/env node
// Purges over several hosts that share one Redis (README "More than one host"): what a host may serve after a purge or a
// write on another. Bodies carry versions; the origin fixes an answer's version when the question arrives and sends it a while
// later. Each host reaches Redis through a proxy of its own, which can be stopped; there are two servers behind them, so that
// one can take over from the other with its last entries missing. EDGE_PURGE_REQUESTS says how many requests there are.
// timeout: 900
// log-expects: exited on signal 9
import http from 'node:http';
import { assert, equal, port, request, sleep, startNginx, startOrigin, test, until } from './lib/e2e.mjs';
import { startFaultProxy } from './lib/fault_proxy.mjs';
import { processTree } from './lib/processes.mjs';
import { startRedis } from './lib/redis.mjs';

const wanted = Number(process.env.EDGE_PURGE_REQUESTS ?? 12000);
const origin = port(0);
const servers = [port(1), port(2)];
const links = [port(3), port(4), port(5)];
const edges = [port(6), port(7), port(8)];
const cutOff = 1000;
// How long a write with sync=on is held at most: until every other host has stopped serving, and a little more.
const held = cutOff * 1.2 + 500;
const log = 'edge:{purges}:log';

// --- the app ---
const versions = new Map();
const versionOf = (key) => versions.get(key) ?? 1;
await startOrigin(origin, (incoming, outgoing) => {
    const [, , key] = incoming.url.split('/');
    if (incoming.method !== 'GET') versions.set(key, versionOf(key) + 1);
    const body = `${key} ${versionOf(key)} ${'.'.repeat(200)}`;
    const headers = { 'Cache-Control': 'max-age=600', 'Surrogate-Key': `key-${key}`, 'Content-Length': body.length };
    setTimeout(() => outgoing.writeHead(200, headers).end(body), Math.random() * 8);
});

// --- Redis, and the hosts ---
const redis = await Promise.all(servers.map((number, n) => startRedis(`redis${n}`, { port: number })));
let master = redis[0];
const proxies = await Promise.all(links.map((number) => startFaultProxy({ host: '127.0.0.1', port: servers[0] }, number)));
const conf = (n) => ({ workers: 2, http: `
    edge_redis shared redis://127.0.0.1:${links[n]} cut_off=${cutOff}ms;
    edge_zone main size=16m;
    edge_cache main redis=shared;
    edge_cache_tag_header Surrogate-Key;
    keepalive_requests 100000;
    upstream app { server 127.0.0.1:${origin}; keepalive 32; }
    server {
        listen 127.0.0.1:${edges[n]};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host app;
        edge_cache_key $uri;
        add_header X-Cache "$edge_cache_status $edge_cache_level";
        location / { proxy_pass http://app; }
        location ~ ^/write/(?<key>[^/]+) { edge_cache_invalidate "key-$key"; proxy_pass http://app; }
        location ~ ^/sync/(?<key>[^/]+) { edge_cache_invalidate "key-$key" sync=on; proxy_pass http://app; }
        location = /edge_purge { edge_purge; }
        location = /edge_status { edge_status; }
    }` });
const hosts = [];
for (const n of [0, 1]) hosts.push(await startNginx(`edge${n}`, conf(n)));
const read = (n, key, agent) => request(edges[n], `/v/${key}`, { agent });
const logOf = async (n) => JSON.parse((await request(edges[n], '/edge_status')).body).redis.purge_logs[0];
const inTouch = (...which) => until(async () => (await Promise.all(which.map(logOf))).every((one) => one.in_touch && one.hosts === hosts.length && one.lag === 0),
    'the hosts are in touch');
const bodyVersion = (answer) => Number(answer.body.toString('latin1', 0, 40).split(' ')[1]);
const level = (answer) => answer.headers['x-cache'];
const purge = (n, members) => request(edges[n], '/edge_purge', { method: 'POST', body: JSON.stringify(members) });
async function store(key) {
    for (const n of hosts.keys()) await until(async () => /^HIT/.test(level(await read(n, key))), `${key} is stored on host ${n}`);
}

await test('a purge on one host reaches the other; its answer says how far', async () => {
    await inTouch(0, 1);
    for (let round = 0; round < 20; round += 1) {
        const key = `purged-${round}`;
        await store(key);
        versions.set(key, 2);
        const ways = [{ tags: [`key-${key}`] }, { prefix: `/v/${key}` }, { all: true }, { urls: [`http://127.0.0.1:${edges[0]}/v/${key}`] }];
        const answer = await purge(0, round % 4 === 3 ? { tags: [`key-${key}`] } : ways[round % 4]);
        equal(answer.status, 200, 'the purge');
        const { reach, redis: name, hosts: known, in_touch: ok } = JSON.parse(answer.body).zones[0];
        equal([reach, name, known, ok], ['redis', 'shared', 2, true], 'what it says');
        equal(bodyVersion(await read(0, key)), 2, 'here at once');
        await until(async () => bodyVersion(await read(1, key)) === 2, 'there soon', 2);
    }
});
await test('a soft purge makes it stale on both', async () => {
    await store('soft');
    versions.set('soft', 2);
    await purge(1, { tags: ['key-soft'], soft: true });
    for (const n of [1, 0]) await until(async () => bodyVersion(await read(n, 'soft')) === 2, `host ${n}`, 2);
});
await test('what was stored before a purge is not taken out of Redis by a host that has nothing', async () => {
    await store('shared');
    versions.set('shared', 2);
    await purge(0, { tags: ['key-shared'] });
    await until(async () => (await logOf(1)).lag === 0 && bodyVersion(await read(1, 'shared')) === 2, 'the other host knows', 2);
    await hosts[1].stop();
    await hosts[1].start(conf(1));
    await inTouch(1);
    const answer = await read(1, 'shared');
    equal([bodyVersion(answer), /HIT redis|MISS/.test(level(answer))], [2, true], 'the restarted host');
});
await test('sync=on: the answer comes when the other host knows', async () => {
    await sleep(4 * cutOff);  // the epoch is no longer young
    const times = [];
    for (let round = 0; round < 50; round += 1) {
        const key = `synced-${round}`;
        await store(key);
        const begun = performance.now();
        const answer = await request(edges[0], `/sync/${key}`, { method: 'POST', body: 'x' });
        times.push(performance.now() - begun);
        equal([answer.status, bodyVersion(answer), answer.body.length > 200], [200, 2, true], 'the write');
        equal(bodyVersion(await read(1, key)), 2, 'the other host\'s next read');
    }
    times.sort((a, b) => a - b);
    console.log(`# a write with sync=on: median ${times[25].toFixed(1)} ms, largest ${times[49].toFixed(1)} ms, of which the app takes up to 8`);
    assert(times[25] < cutOff / 2, `the median is ${times[25]} ms`);
    equal((await logOf(0)).given_up, 0, 'none was given up');
});

// --- readers and writers ---
const keys = 40;
const name = (n) => `k${n}`;
const everywhere = new Array(keys).fill(1);                          // acknowledged with sync=on
const own = edges.map(() => new Array(keys).fill(1));                // acknowledged by that host
const late = Array.from({ length: keys }, () => []);                 // [when every host has to know, version]
const counts = { reads: 0, hits: 0, redis: 0, writes: 0, synced: 0, given_up: 0, cut: 0 };
const failures = [];
let open = [0, 1];
let writable = [0, 1];
let running = true;
async function ask(number, target, options) {
    for (;;) {
        try {
            const answer = await request(number, target, options);
            if (answer.complete) return answer;
        } catch { /* cut by a worker that was killed, or a host that is restarted */ }
        counts.cut += 1;
        if (!running) return undefined;
        await sleep(10);
    }
}
function least(n, key, now) {
    while (late[key].length > 1 && late[key][1][0] <= now) late[key].shift();
    const [when, version] = late[key][0] ?? [Infinity, 1];
    return Math.max(everywhere[key], own[n][key], when <= now ? version : 1);
}
async function reader(i) {
    const agents = edges.map(() => new http.Agent({ keepAlive: true, maxSockets: 1 }));
    for (let turn = i; running; turn += 1) {
        const n = open[turn % open.length];
        const key = Math.floor(Math.random() * Math.random() * keys);
        const wantedVersion = least(n, key, performance.now());
        const begun = hosts[n].started;
        const answer = await ask(edges[n], `/v/${name(key)}`, { agent: agents[n] });
        if (!answer) break;
        counts.reads += 1;
        if (/^HIT/.test(level(answer))) counts.hits += 1;
        if (level(answer) === 'HIT redis') counts.redis += 1;
        const version = bodyVersion(answer);
        if (answer.status !== 200 || !answer.body.toString().startsWith(`${name(key)} `)) failures.push(`${name(key)}: status ${answer.status}`);
        else if (version < wantedVersion && begun === hosts[n].started) {
            failures.push(`host ${n}, ${name(key)}: version ${version} instead of ${wantedVersion} (${level(answer)}; everywhere ${everywhere[key]}, own ${own[n][key]}) in ${doing}`);
        }
    }
    for (const agent of agents) agent.destroy();
}
async function writer(i) {
    const agents = edges.map(() => new http.Agent({ keepAlive: true, maxSockets: 1 }));
    for (let turn = i; running; turn += 1) {
        const n = writable[turn % writable.length];
        const key = Math.floor(Math.random() * Math.random() * keys);
        const sync = turn % 3 !== 0;
        const begun = performance.now();
        const answer = await ask(edges[n], `/${sync ? 'sync' : 'write'}/${name(key)}`, { method: 'POST', body: 'x', agent: agents[n] });
        if (!answer) break;
        const version = bodyVersion(answer);
        own[n][key] = Math.max(own[n][key], version);
        // One that was held to the end, as Redis could not be reached for so long, was answered without knowing.
        const known = sync && performance.now() - begun < held * 0.9;
        if (sync && !known) counts.given_up += 1;
        if (known) everywhere[key] = Math.max(everywhere[key], version);
        // The purge is on its way at once; while Redis is exchanged it takes a while to arrive.
        else late[key].push([performance.now() + cutOff + 2500, version]);
        counts.writes += 1;
        if (sync) counts.synced += 1;
        await sleep(20 + Math.random() * 20);
    }
    for (const agent of agents) agent.destroy();
}
let doing = 'nothing special';
const check = () => assert(failures.length === 0, `${failures.length} of ${counts.reads} reads: ${failures.slice(0, 3).join('; ')}`);
async function reads(more, writes = 0) {
    const [read_, written] = [counts.reads + more, counts.synced + writes];
    await until(() => counts.reads >= read_ && counts.synced >= written, `${more} reads and ${writes} writes`, 600);
}
const workersOf = (n) => processTree(hosts[n].pid).slice(1).map(({ pid }) => pid);

const share = Math.max(Math.ceil(wanted / 9), 200);
const clients = [...Array.from({ length: 12 }, (_, i) => reader(i)), ...Array.from({ length: 8 }, (_, i) => writer(i))];
async function phase(title, action) {
    await test(title, async () => {
        doing = title;
        await action?.();
        await reads(share, 40);
        check();
    });
}
await phase('nothing is served that is older than the guarantee allows');
await phase('nor when a third host joins', async () => {
    hosts.push(await startNginx('edge2', conf(2)));
    open = [0, 1, 2];
});
await phase('nor over reloads', async () => {
    for (const n of [0, 1, 2]) { await hosts[n].reload(); await reads(Math.ceil(share / 6)); }
});
await phase('nor when workers are killed, whoever follows the log', async () => {
    for (let round = 0; round < 2; round += 1) {
        for (const n of [0, 1, 2]) {
            const victim = workersOf(n)[round];
            process.kill(victim, 'SIGKILL');
            await until(() => { const all = workersOf(n); return all.length >= 2 && !all.includes(victim); }, 'a new worker');
        }
        await reads(Math.ceil(share / 6));
    }
});
await phase('nor when a host is restarted', async () => {
    open = [0, 1];
    await hosts[2].stop();
    await hosts[2].start(conf(2));
    hosts[2].started = performance.now();
    own[2].fill(1);
    open = [0, 1, 2];
});
await phase('nor when the log is trimmed', async () => {
    for (let round = 0; round < 10; round += 1) { await master.command('XTRIM', log, 'MAXLEN', '0'); await sleep(50); }
});
await phase('nor when the log is deleted, or all there is', async () => {
    await master.command('DEL', log);
    await reads(Math.ceil(share / 2));
    await master.command('FLUSHALL');
});
await phase('nor when another Redis takes over and the last entries are lost', async () => {
    for (let round = 0; round < 2; round += 1) {
        const next = redis.find((one) => one !== master);
        await next.command('REPLICAOF', '127.0.0.1', String(master.port));
        await until(async () => (await next.info('replication')).master_link_status === 'up', 'it follows');
        await sleep(100);
        await next.command('REPLICAOF', 'NO', 'ONE');
        await sleep(250);  // purges go on being added to the old one
        for (const proxy of proxies) { proxy.to = { host: '127.0.0.1', port: next.port }; proxy.cutAll(); }
        master = next;
        await reads(Math.ceil(share / 2));
    }
});
await phase('nor when Redis is restarted empty', async () => { await master.restart(); });
await test('all that was asked is answered, none of it in vain', async () => {
    running = false;
    await Promise.all(clients);
    check();
    console.log(`# ${JSON.stringify(counts)}`);
    await inTouch(0, 1, 2);
    const logs = await Promise.all([0, 1, 2].map(logOf));
    console.log(`# ${JSON.stringify(logs)}`);
    assert(counts.hits > counts.reads / 4, `hardly a hit: ${JSON.stringify(counts)}`);
    assert(counts.redis > 20, `hardly a hit in Redis: ${JSON.stringify(counts)}`);
    assert(counts.synced > 300, `hardly a write: ${JSON.stringify(counts)}`);
    const without = logs.reduce((sum, one) => sum + one.given_up, 0);
    assert(without <= counts.given_up && without < counts.synced / 50, `writes answered without knowing: ${without}`);
    assert(logs[0].epochs >= 5, `epochs: ${logs[0].epochs}`);
});

// --- a host that does not reach Redis ---
const cut = (n) => { proxies[n].set('refuse'); proxies[n].cutAll(); };
const heal = (n) => proxies[n].set('pass');
await test('a host cut off serves nothing that has tags once its time is over; a write with sync=on waits for that', async () => {
    await inTouch(0, 1, 2);
    await sleep(3 * cutOff);
    for (let n = 0; n < 10; n += 1) await store(`cut-${n}`);
    const { given_up: before } = await logOf(0);
    cut(1);
    const begun = performance.now();
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => request(edges[0], `/sync/cut-${n}`, { method: 'POST', body: 'x' })));
    const took = performance.now() - begun;
    for (const answer of answers) equal(answer.status, 200, 'the write');
    for (let n = 0; n < 10; n += 1) {
        for (const host of [0, 1, 2]) {
            const answer = await read(host, `cut-${n}`);
            equal(bodyVersion(answer), 2, `host ${host} after the write`);
            if (host === 1) assert(!/^HIT/.test(level(answer)), `the host that is cut off: ${level(answer)}`);
        }
    }
    assert(took > cutOff / 2 && took < held, `the writes took ${took} ms`);
    equal((await logOf(0)).given_up, before, 'the writer knew');
    const { in_touch: touch, refused } = await logOf(1);
    assert(touch === 0 && refused >= 10, `in touch: ${touch}, refused: ${refused}`);
    // Later writes do not wait for it: it is known to be gone.
    const again = performance.now();
    await request(edges[0], '/sync/cut-0', { method: 'POST', body: 'x' });
    assert(performance.now() - again < cutOff / 2, 'the next write waits no more');
    equal(bodyVersion(await read(1, 'cut-0')), 3, 'and is seen there too');
    heal(1);
    await inTouch(0, 1, 2);
    await until(async () => /^HIT/.test(level(await read(1, 'cut-3'))), 'it serves again');
    equal(bodyVersion(await read(1, 'cut-3')), 2, 'what is new');
});
await test('a write on a host cut off is answered when its time is over; the others are stale until it is delivered', async () => {
    heal(1);
    await inTouch(0, 1, 2);
    await store('island');
    const { given_up: before } = await logOf(0);
    cut(0);
    const begun = performance.now();
    const answer = await request(edges[0], '/sync/island', { method: 'POST', body: 'x' });
    const took = performance.now() - begun;
    equal([answer.status, bodyVersion(answer)], [200, 2], 'the write');
    assert(took > held * 0.9 && took < held + 2000, `it took ${took} ms`);
    equal(bodyVersion(await read(0, 'island')), 2, 'here it is known');
    const state = await logOf(0);
    equal([state.given_up, state.in_touch], [before + 1, 0], 'and counted');
    assert(state.queued >= 1, `queued: ${state.queued}`);
    // This is what the guarantee excepts.
    for (const n of [1, 2]) equal(bodyVersion(await read(n, 'island')), 1, `host ${n} can't know`);
    const healed = performance.now();
    heal(0);
    for (const n of [1, 2]) await until(async () => bodyVersion(await read(n, 'island')) === 2, `host ${n} hears of it`, 5);
    console.log(`# delivered ${(performance.now() - healed).toFixed(0)} ms after Redis was reached again`);
    await until(async () => (await logOf(0)).queued === 0, 'nothing is queued any more', 5);
});
for (const host of hosts) await host.stop();
