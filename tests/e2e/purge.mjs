#!/usr/bin/env node
// Purges while several workers answer: what a purge or a write was acknowledged for is never sent again, by no worker,
// under a storm of other purges, kills of workers and reloads. Bodies carry versions; the origin fixes an answer's version
// when the question arrives and sends it a while later, so that many an answer is old by the time it is there.
// log-expects: exited on signal 9
import fs from 'node:fs';
import http from 'node:http';
import { assert, equal, port, request, sleep, startNginx, startOrigin, test, until } from './lib/e2e.mjs';

const [edge, origin] = [port(0), port(1)];
const keys = 40;
const versions = new Array(keys).fill(1);      // what the app would answer now
const acknowledged = new Array(keys).fill(1);  // what every later read has to see at least

await startOrigin(origin, (incoming, outgoing) => {
    const key = Number(incoming.url.split('/')[2]);
    const write = incoming.method === 'POST';
    if (write) versions[key] += 1;
    const version = versions[key];
    const etag = `"${version}"`;
    const headers = { 'Cache-Control': 'max-age=600', 'Surrogate-Key': `key-${key} half-${key % 2}, all`, ETag: etag,
        ...(key % 4 === 3 ? { Vary: 'X-Kind' } : {}) };
    setTimeout(() => {
        if (!write && incoming.headers['if-none-match'] === etag) outgoing.writeHead(304, headers).end();
        else outgoing.writeHead(200, headers).end(`${key} ${version} ${'.'.repeat(key * 100)}`);
    }, Math.random() * 25);
});
const conf = (size) => ({ workers: 4, http: `
    edge_zone main size=${size};
    edge_cache main;
    edge_cache_tag_header Surrogate-Key;
    keepalive_requests 100000;
    upstream app { server 127.0.0.1:${origin}; keepalive 32; }
    server {
        listen 127.0.0.1:${edge};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        add_header X-Cache $edge_cache_status;
        location / { edge_purge; proxy_pass http://app; }
        location = /edge_purge { edge_purge; }
        location = /edge_status { edge_status; }
    }` });
const nginx = await startNginx('edge', conf('16m'));
const status = async () => JSON.parse((await request(edge, '/edge_status')).body);

let running = true;
const counts = { reads: 0, hits: 0, purges: 0, writes: 0, stormed: 0, cut: 0 };
const failures = [];
const agents = [];
const agent = () => { const a = new http.Agent({ keepAlive: true, maxSockets: 1 }); agents.push(a); return a; };
const anyKey = () => Math.floor(Math.random() * keys);

/** The answer; again while workers are killed under it. */
async function ask(target, options) {
    for (;;) {
        try {
            const answer = await request(edge, target, options);
            if (answer.complete) return answer;
        } catch { /* cut */ }
        counts.cut += 1;
        if (!running) return undefined;
        await sleep(5);
    }
}
async function reader() {
    const connection = agent();
    while (running) {
        const key = anyKey();
        const least = acknowledged[key];
        const answer = await ask(`/v/${key}`, { agent: connection, headers: { 'X-Kind': String(Math.floor(Math.random() * 2)) } });
        if (!answer) return;
        const [whose, version] = answer.body.toString('latin1', 0, 40).split(' ').map(Number);
        counts.reads += 1;
        if (answer.headers['x-cache'] === 'HIT') counts.hits += 1;
        if (answer.status !== 200 || whose !== key) failures.push(`/v/${key}: status ${answer.status}, the body of ${whose}`);
        else if (version < least) failures.push(`/v/${key}: version ${version} after ${least} was acknowledged (${answer.headers['cache-status']})`);
        await sleep(Math.random() * 4);
    }
}
/** Changes a key behind the edge's back, then purges it; or writes through the edge. */
async function writer(n) {
    const connection = agent();
    for (let turn = n; running; turn += 1) {
        const key = anyKey();
        const json = (members) => ['/edge_purge', { method: 'POST', body: JSON.stringify(members) }];
        const ways = [json({ tags: [`key-${key}`] }), json({ urls: [`/v/${key}`] }), [`/v/${key}`, { method: 'PURGE' }],
            [`/v/${key}`, { method: 'POST', body: 'x' }], json({ prefix: `/v/${key}` }), json({ tags: [`half-${key % 2}`] })];
        const [target, options] = turn % 40 === 7 ? json({ all: true }) : ways[turn % ways.length];
        const write = options.method === 'POST' && target !== '/edge_purge';
        if (!write) versions[key] += 1;
        let version = versions[key];
        const answer = await ask(target, { ...options, agent: connection });
        if (!answer) return;
        if (answer.status !== 200) failures.push(`${options.method} ${target}: status ${answer.status} ${answer.body}`);
        if (write) version = Number(answer.body.toString().split(' ')[1]);
        acknowledged[key] = Math.max(acknowledged[key], version);
        counts[write ? 'writes' : 'purges'] += 1;
        await sleep(Math.random() * 10);
    }
}
/** Purges of what nobody has, 100 at a time: at most 10,000 a second together. */
async function storm(n, of) {
    const connection = agent();
    for (let turn = 0; running; turn += 1) {
        const begun = Date.now();
        const tags = Array.from({ length: 100 }, (_, i) => `storm-${n}-${turn * 100 + i}`);
        if (await ask('/edge_purge', { method: 'POST', body: JSON.stringify({ tags }), agent: connection })) counts.stormed += 100;
        await sleep(Math.max(0, begun + of * 10 - Date.now()));
    }
}
function check() {
    assert(failures.length === 0, `${failures.length} of ${counts.reads} reads: ${failures.slice(0, 3).join('; ')}`);
}
function workers(master) {
    return fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).map(Number).filter((pid) => {
        try {
            const [, state, parent] = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, ') ').split(' ');
            return Number(parent) === master && state !== 'Z';
        } catch { return false; }
    });
}

await test('a purge reaches all workers before it is answered', async () => {
    for (let round = 0; round < 60; round += 1) {
        const key = round % keys;
        for (let i = 0; i < 4; i += 1) await request(edge, `/v/${key}`);
        versions[key] += 1;
        await request(edge, '/edge_purge', { method: 'POST', body: JSON.stringify({ tags: [`key-${key}`] }) });
        const seen = await Promise.all(Array.from({ length: 6 }, () => request(edge, `/v/${key}`)));
        for (const answer of seen) equal(Number(answer.body.toString().split(' ')[1]), versions[key], `the version of key ${key}`);
        acknowledged[key] = versions[key];
    }
});
const clients = [...Array.from({ length: 16 }, reader), ...Array.from({ length: 4 }, (_, n) => writer(n * 3))];

await test('nothing is sent that was purged or written before the question', async () => {
    await sleep(6000);
    check();
    const { cache } = await status();
    assert(counts.hits > counts.reads / 20, `hardly a hit: ${JSON.stringify(counts)}`);
    assert(cache.purged.found > 50, `${cache.purged.found} found dead`);
    assert(cache.purged.on_arrival > 20, `${cache.purged.on_arrival} dead on arrival`);
});
clients.push(...Array.from({ length: 4 }, (_, n) => storm(n, 4)));
await test('nor under a storm of other purges', async () => {
    const before = counts.stormed;
    await sleep(8000);
    check();
    const { zones: [zone] } = await status();
    const now = counts.stormed - before;
    assert(now > 2000, `only ${now} purges`);
    assert(zone.purge_tags <= zone.purge_tags_limit, 'the table is within its limit');
    console.log(`# ${Math.round(now / 8)} purges a second, ${JSON.stringify(zone)}`);
});
await test('nor when workers are killed in the middle of it', async () => {
    for (let i = 0; i < 6; i += 1) {
        const [victim] = workers(nginx.pid);
        process.kill(victim, 'SIGKILL');
        await until(() => { const all = workers(nginx.pid); return all.length === 4 && !all.includes(victim); }, 'a new worker');
        await sleep(400);
    }
    check();
});
await test('nor over reloads, with the same zone and with another', async () => {
    for (const size of ['16m', '24m', '16m', '16m']) {
        await nginx.reload(conf(size));
        await sleep(700);
    }
    check();
    const { zones: [zone] } = await status();
    assert(zone.purge_sequence > 1000, `the numbers began anew: ${zone.purge_sequence}`);
});
await test('all clients end, and had answers', async () => {
    running = false;
    await Promise.all(clients);
    for (const a of agents) a.destroy();
    check();
    assert(counts.purges > 100 && counts.writes > 10, JSON.stringify(counts));
    console.log(`# ${JSON.stringify(counts)}`);
});
await nginx.stop();
