#!/usr/bin/env node
// Pictures on two hosts that share a Redis: what one has made the other sends, a write or a purge on either kills them on
// both, and without Redis each host goes on alone.
// log-expects: exited on signal 9
import fs from 'node:fs';
import path from 'node:path';
import { assert, equal, port, request, startNginx, startOrigin, test, until } from './lib/e2e.mjs';
import { kind } from './lib/picture.mjs';
import { startRedis } from './lib/redis.mjs';

const repo = process.env.EDGE_REPO;
const [store, origin, a, b] = [0, 1, 2, 3].map(port);
const photos = Object.fromEntries(['dogs', 'stream', 'dandelion', 'nuthatch'].map((name) => [name, fs.readFileSync(path.join(repo, `docker/demo/public/photos/${name}.jpg`))]));

// --- the app: each picture is another photo after a write to it ---
const versions = new Map();
const asked = [];
await startOrigin(origin, (incoming, outgoing) => {
    const { pathname } = new URL(incoming.url, 'http://app');
    const version = versions.get(pathname) ?? 0;
    asked.push(`${incoming.method} ${incoming.url}`);
    if (incoming.method !== 'GET') {
        versions.set(pathname, version + 1);
        return incoming.resume().on('end', () => outgoing.writeHead(204).end());
    }
    const bytes = photos[Object.keys(photos)[version]];
    outgoing.writeHead(200, { 'Content-Type': 'image/jpeg', 'Content-Length': bytes.length, 'Cache-Control': 'max-age=300', ETag: `"${version}"` });
    return outgoing.end(bytes);
});
const redis = await startRedis('redis', { port: store });
const conf = (number) => ({ workers: 2, http: `
    edge_redis shared redis://127.0.0.1:${store} timeout=1s cut_off=2s;
    edge_zone main size=32m;
    edge_image_processes 1;
    edge_image_limit time=60s;
    proxy_http_version 1.1;
    server {
        listen 127.0.0.1:${number};
        server_name app.example;
        proxy_set_header Host $host;
        edge_cache_key $host$uri;
        add_header X-Cache "$edge_cache_status $edge_cache_level" always;
        location / { edge_cache main redis=shared; edge_cache_tag "pictures"; edge_image on; proxy_pass http://127.0.0.1:${origin}; }
        location = /edge_purge { edge_purge; }
        location = /edge_status { edge_status; }
    }` });
const hosts = [a, b];
const edges = [];
for (const number of hosts) edges.push(await startNginx(`edge${number}`, conf(number)));

const ask = (host, target, options = {}) => request(host, target, { ...options, headers: { Host: 'app.example', Accept: 'image/webp,*/*', ...options.headers } });
const statusOf = async (host) => JSON.parse((await ask(host, '/edge_status')).body);
const renders = async (host) => Object.values((await statusOf(host)).images.renders).reduce((sum, n) => sum + n, 0);
const how = (answer) => answer.headers['x-cache'].trim();
const isWebp = (answer) => answer.status === 200 && kind(answer.body) === 'webp';
const inTouch = () => until(async () => {
    const logs = await Promise.all(hosts.map(async (host) => (await statusOf(host)).redis.purge_logs[0]));
    return logs.every((log) => log.in_touch && log.hosts === 2 && log.lag === 0);
}, 'the hosts are in touch', 30);
/** Has the picture on both hosts, made on the first; its bytes. */
async function have(target) {
    const made = await ask(a, target);
    assert(isWebp(made), `${target} on the first host: ${made.status} ${how(made)}`);
    await until(async () => /^HIT/.test(how(await ask(b, target))), `${target} is on the second host`);
    const there = await ask(b, target);
    assert(there.body.equals(made.body), `${target} is the same on both`);
    return made.body;
}

await test('what one host has made the other sends, from Redis, without a render or a fetch of its own', async () => {
    await inTouch();
    const before = await renders(b);
    for (const target of ['/one?preset=sm', '/one?preset=md', '/one']) {
        const made = await ask(a, target);
        assert(isWebp(made), `${target}: ${made.status} ${how(made)}`);
        assert(/^MISS/.test(how(made)), `${target} is made: ${how(made)}`);
        await until(async () => (await redis.info('keyspace')).db0, 'it is in Redis');
        let there;
        await until(async () => {
            there = await ask(b, target);
            return /^HIT redis/.test(how(there)) || /^HIT zone/.test(how(there));
        }, `${target} comes from Redis`, 3);
        assert(there.body.equals(made.body), `${target}: the same bytes`);
        equal(there.headers.etag, made.headers.etag, `${target}: its ETag`);
    }
    equal(await renders(b), before, 'renders on the second host');
    equal(asked.filter((line) => line.startsWith('GET /one')).length, 1, 'fetches of the source, for three pictures on two hosts');
});

await test('another picture of a source that the other host has fetched needs no fetch', async () => {
    await have('/two?preset=sm');
    const fetched = asked.length;
    const other = await ask(b, '/two?preset=lg');
    assert(isWebp(other), 'it is made');
    assert((await renders(b)) > 0, 'on the second host');
    equal(asked.length, fetched, 'requests to the app');
});

await test('a write to the source on one host kills its pictures on both', async () => {
    await inTouch();
    const old = await Promise.all(['/three?preset=sm', '/three?preset=md'].map(have));
    equal((await ask(b, '/three', { method: 'PUT', body: 'x' })).status, 204, 'the write');
    for (const [n, target] of ['/three?preset=sm', '/three?preset=md'].entries()) {
        const here = await ask(b, target);
        assert(isWebp(here) && !here.body.equals(old[n]), `${target} where it was written: ${how(here)}`);
        const there = await until(async () => {
            const answer = await ask(a, target);
            return !answer.body.equals(old[n]) && answer;
        }, `${target} is another one on the other host`, 3);
        assert(there.body.equals(here.body), `${target}: the new one is the same on both`);
    }
});

await test('so does a purge of the URL or of a tag', async () => {
    for (const what of [{ urls: [`http://app.example/four`] }, { tags: ['pictures'] }]) {
        const old = await have('/four?preset=sm');
        versions.set('/four', (versions.get('/four') ?? 0) + 1);
        assert((await ask(b, '/four?preset=sm')).body.equals(old), 'nothing has told the edge yet');
        const answer = await ask(a, '/edge_purge', { method: 'POST', body: JSON.stringify(what) });
        equal(answer.status, 200, 'the purge');
        assert(!(await ask(a, '/four?preset=sm')).body.equals(old), `${JSON.stringify(what)}: here at once`);
        await until(async () => !(await ask(b, '/four?preset=sm')).body.equals(old), `${JSON.stringify(what)}: there soon`, 3);
    }
});

await test('Redis is killed: no request fails, new pictures are made, what the hosts have goes on', async () => {
    await have('/five?preset=sm');
    redis.child.kill('SIGKILL');
    await until(() => redis.child.signalCode !== null, 'Redis ends');
    for (const host of hosts) {
        for (const target of ['/five?preset=sm', '/five?preset=md', `/six-${host}?preset=sm`, `/six-${host}`]) {
            const answer = await ask(host, target);
            assert(isWebp(answer), `${target} on ${host}: ${answer.status} ${answer.headers['content-type']}`);
        }
    }
    const crowd = await Promise.all(Array.from({ length: 30 }, (_, n) => ask(hosts[n % 2], `/seven?preset=${['sm', 'md', 'lg'][n % 3]}`)));
    equal(crowd.filter((answer) => !isWebp(answer)).length, 0, 'of a crowd');
});
