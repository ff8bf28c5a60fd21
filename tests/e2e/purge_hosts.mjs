#!/usr/bin/env node
// Purges over several hosts that share one Redis (README "More than one host"): a purge or a write on one of them is known to
// all, within the lag of the log or, with sync=on, before the write is answered. Bodies carry versions; the origin fixes an
// answer's version when the question arrives and sends it a while later.
import http from 'node:http';
import { assert, equal, port, request, sleep, startNginx, startOrigin, test, until } from './lib/e2e.mjs';
import { startRedis } from './lib/redis.mjs';

const [origin, redisPort] = [port(0), port(1)];
const edges = [port(2), port(3), port(4)];
const cutOff = 1500;

const versions = new Map();
let asked = 0;
await startOrigin(origin, (incoming, outgoing) => {
    asked += 1;
    const key = incoming.url.split('?')[0];
    if (incoming.method !== 'GET') versions.set(key, (versions.get(key) ?? 1) + 1);
    const body = `${key} ${versions.get(key) ?? 1}`;
    const headers = { 'Cache-Control': 'max-age=600', 'Surrogate-Key': `tag${key}`, 'Content-Length': body.length };
    setTimeout(() => outgoing.writeHead(200, headers).end(body), Math.random() * 5);
});
const redis = await startRedis('redis', { port: redisPort });
const conf = (n, { server = redisPort } = {}) => ({ workers: 2, http: `
    edge_redis shared redis://127.0.0.1:${server} cut_off=${cutOff}ms;
    edge_zone main size=16m;
    edge_cache main redis=shared;
    edge_cache_tag_header Surrogate-Key;
    keepalive_requests 100000;
    upstream app { server 127.0.0.1:${origin}; keepalive 32; }
    server {
        listen 127.0.0.1:${edges[n]};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        add_header X-Cache $edge_cache_status;
        location / { proxy_pass http://app; }
        location ~ ^/sync/ { edge_cache_invalidate "tag$uri" sync=on; proxy_pass http://app; }
        location = /edge_purge { edge_purge; }
        location = /edge_status { edge_status; }
    }` });
const hosts = [];
for (const n of [0, 1]) hosts.push(await startNginx(`edge${n}`, conf(n)));
const read = (n, key) => request(edges[n], key, { headers: { Host: 'app' } });
const versionOf = (answer) => Number(answer.body.toString().split(' ')[1]);

await test('a purge by tag on one host reaches the other', async () => {
    await until(async () => (await redis.command('HLEN', 'edge:{purges}:hosts')) === 2, 'both hosts are known');
    for (let round = 0; round < 20; round += 1) {
        const key = `/a/${round}`;
        for (const n of [0, 1]) await read(n, key);
        equal((await read(1, key)).headers['x-cache'], 'HIT', 'stored');
        versions.set(key, 2);
        const answer = await request(edges[0], '/edge_purge', { method: 'POST', headers: { Host: 'app' }, body: JSON.stringify({ tags: [`tag${key}`] }) });
        equal(answer.status, 200, 'the purge');
        if (round === 0) console.log(`# ${answer.body}`);
        equal(versionOf(await read(0, key)), 2, 'here at once');
        await until(async () => versionOf(await read(1, key)) === 2, 'there soon', 2);
    }
});
await test('sync=on: the answer comes when the other host knows', async () => {
    const times = [];
    for (let round = 0; round < 50; round += 1) {
        const key = `/sync/${round}`;
        for (const n of [0, 1]) await read(n, key);
        equal((await read(1, key)).headers['x-cache'], 'HIT', 'stored');
        const begun = process.hrtime.bigint();
        const answer = await request(edges[0], key, { method: 'POST', body: 'x', headers: { Host: 'app' } });
        times.push(Number(process.hrtime.bigint() - begun) / 1e6);
        equal(answer.status, 200, 'the write');
        equal(versionOf(answer), 2, 'its body');
        equal(versionOf(await read(1, key)), 2, 'the other host\'s next read');
    }
    times.sort((a, b) => a - b);
    console.log(`# sync write: median ${times[25].toFixed(1)} ms, largest ${times[49].toFixed(1)} ms`);
});
for (const host of hosts) await host.stop();
