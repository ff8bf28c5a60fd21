#!/usr/bin/env node
// Read your writes, and nobody else's answers: several users share projects, read items and lists of them and write, with
// tokens that rotate and expire, through several workers and over reloads. Every body carries whose it is and its version.
// Then the same on two hosts that share a Redis. The app fixes an answer's version when the question arrives and sends it a while later. EDGE_PRIVATE_REQUESTS says how
// many requests there are.
// timeout: 900
import { createHmac } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { assert, equal, port, request, sleep, start, startNginx, startOrigin, test, until, waitPort } from './lib/e2e.mjs';
import { startRedis } from './lib/redis.mjs';

const wanted = Number(process.env.EDGE_PRIVATE_REQUESTS ?? 20000);
const [edge, origin, edgeOfDemo, demo] = [0, 1, 2, 3].map(port);
const secret = 'a secret of more than 32 bytes, known to the app';
const keyFile = path.join(process.env.EDGE_DIR, 'key');
fs.writeFileSync(keyFile, secret, { mode: 0o644 });

// --- tokens ---
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
function sign(claims) {
    const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}
const users = 6;
const projects = 8;
const items = 12;
let serial = 0;
/** {value, user, exp}: another one each time. */
function newToken(user, seconds) {
    serial += 1;
    const exp = Math.floor(Date.now() / 1000) + seconds;
    return { user, exp, value: sign({ iss: 'app', sub: `user ${user}`, exp, jti: serial }) };
}
const tokens = Array.from({ length: users }, (_, user) => [newToken(user, 3), newToken(user, 600), newToken(user, 600)]);
/** One of the user's, now and then an old one; what is over is replaced later. */
function tokenOf(user) {
    const own = tokens[user];
    const n = Math.floor(Math.random() * own.length);
    if (own[n].exp + 2 < Date.now() / 1000) own[n] = newToken(user, 1 + Math.floor(Math.random() * 5));
    else if (Math.random() < 0.002) own[n] = newToken(user, 6);
    return own[n];
}

// --- the app ---
const versions = Array.from({ length: projects }, () => new Array(items).fill(1));
const listVersion = new Array(projects).fill(1);
let asked = 0;
await startOrigin(origin, (incoming, outgoing) => {
    asked += 1;
    const [, , , project, , item] = incoming.url.split('?')[0].split('/');
    const claims = JSON.parse(Buffer.from((incoming.headers.authorization ?? '').split('.')[1] ?? 'e30', 'base64url'));
    if (!(claims.exp > Date.now() / 1000)) {
        outgoing.writeHead(401, { 'Cache-Control': 'public, max-age=300' }).end('401');
        return;
    }
    const p = Number(project);
    const write = incoming.method === 'POST';
    if (write) {
        versions[p][Number(item)] += 1;
        listVersion[p] += 1;
    }
    const version = item === undefined ? listVersion[p] : versions[p][Number(item)];
    const etag = `W/"${claims.sub.replace(/ /g, "-")}-${p}-${item}-${version}"`;
    const ways = [{ 'Cache-Control': 'public, max-age=300', Vary: 'Accept-Encoding, Authorization' }, {}, { 'Cache-Control': 'private, no-cache' },
        { 'Cache-Control': 'private, max-age=1, stale-while-revalidate=20' }];
    const headers = { ...ways[(p + Number(item ?? 0)) % ways.length], ETag: etag };
    setTimeout(() => {
        if (!write && incoming.headers['if-none-match'] === etag) outgoing.writeHead(304, headers).end();
        else outgoing.writeHead(200, headers).end(JSON.stringify({ owner: claims.sub, project: p, item: item ?? 'list', version, pad: '.'.repeat(p * 300) }));
    }, Math.random() * 12);
});
const conf = (upstream, listen, locations, redis = 0) => ({ workers: 3, http: `
    edge_zone main size=16m;
    ${redis ? `edge_redis shared redis://127.0.0.1:${redis} cut_off=2s;
    edge_cache main redis=shared` : 'edge_cache main'};
    keepalive_requests 1000000;
    upstream app { server 127.0.0.1:${upstream}; keepalive 64; }
    server {
        listen 127.0.0.1:${listen};
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Connection "";
        add_header X-Cache $edge_cache_status always;
        ${locations}
        location = /edge_status { edge_status; }
    }` });
const api = `
        location ~ ^/api/projects/(?<project>\\d+)/ {
            edge_cache_private jwt key_file=${keyFile} max_ttl=60s;
            edge_cache_valid 200 30s;
            edge_cache_args strip=_,_cb;
            edge_cache_ignore_client Cache-Control Pragma If-None-Match;
            edge_cache_stale refresh_ahead=20%;
            edge_cache_tag "project:$project";
            edge_cache_invalidate "project:$project" sync=on;
            edge_cache_refill "/api/projects/$project/items";
            proxy_pass http://app;
        }`;
const nginx = await startNginx('edge', conf(origin, edge, api));
let hosts = [edge];
const anyHost = () => hosts[Math.floor(Math.random() * hosts.length)];
const statusOf = async (number) => JSON.parse((await request(number, '/edge_status')).body);

// --- clients ---
const acknowledged = Array.from({ length: projects }, () => new Array(items).fill(1));
const listAcknowledged = new Array(projects).fill(1);
const counts = { sent: 0, reads: 0, writes: 0, cut: 0, refused: 0, by: {} };
const failures = [];
const fail = (text) => { if (failures.length < 20) failures.push(text); };

async function ask(target, options) {
    const host = anyHost();
    for (;;) {
        counts.sent += 1;
        try {
            const answer = await request(host, target, options);
            if (answer.complete) return answer;
        } catch { /* a kept connection that a worker of the old configuration has closed */ }
        counts.cut += 1;
        await sleep(5);
    }
}
async function client(n, until) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const user = n % users;
    while (counts.sent < until) {
        const project = Math.floor(Math.random() * Math.random() * projects);
        const item = Math.floor(Math.random() * items);
        const token = tokenOf(user);
        const headers = { Authorization: `Bearer ${token.value}`, 'Cache-Control': 'no-cache', 'If-None-Match': `W/"${Math.random()}"` };
        const list = Math.random() < 0.3;
        const target = `/api/projects/${project}/items${list ? '' : `/${item}`}`;
        if (Math.random() < 0.008) {
            const answer = await ask(`/api/projects/${project}/items/${item}`, { method: 'POST', headers, agent, body: 'x' });
            if (answer.status === 401) continue;
            const { owner, version } = JSON.parse(answer.body);
            if (owner !== `user ${user}`) fail(`a write of user ${user} was answered to ${owner}`);
            acknowledged[project][item] = Math.max(acknowledged[project][item], version);
            // Every write raises the list's version by one: at least as many as the app had counted when this one was done.
            listAcknowledged[project] = Math.max(listAcknowledged[project], acknowledged[project].reduce((sum, v) => sum + v - 1, 1));
            counts.writes += 1;
            continue;
        }
        const least = list ? listAcknowledged[project] : acknowledged[project][item];
        const begun = Date.now() / 1000;
        const answer = await ask(`${target}?_=${Date.now()}`, { headers, agent });
        counts.reads += 1;
        const how = answer.headers['x-cache'];
        counts.by[how] = (counts.by[how] ?? 0) + 1;
        if (answer.status === 401) {
            counts.refused += 1;
            if (token.exp > Date.now() / 1000 + 1) fail(`${target}: 401 for a token that is valid (${answer.headers['cache-status']})`);
            if (how === 'HIT') fail(`${target}: a 401 from the cache`);
            continue;
        }
        if (answer.status !== 200) { fail(`${target}: status ${answer.status}`); continue; }
        if (token.exp + 1 < begun) fail(`${target}: an answer for a token that has expired (${answer.headers['cache-status']})`);
        const body = JSON.parse(answer.body);
        if (body.owner !== `user ${user}`) fail(`${target}: user ${user} got what ${body.owner} was told (${answer.headers['cache-status']})`);
        if (body.project !== project || String(body.item) !== (list ? 'list' : String(item))) fail(`${target}: the body of ${body.project}/${body.item}`);
        if (body.version < least) fail(`${target}: version ${body.version} after ${least} was acknowledged (${answer.headers['cache-status']})`);
    }
    agent.destroy();
}
const run = (until) => Promise.all(Array.from({ length: 36 }, (_, n) => client(n, until)));
const check = () => assert(failures.length === 0, `${failures.length} failures: ${failures.slice(0, 4).join('; ')}`);

await test('no foreign body, and no stale one after a write', async () => {
    await run(wanted / 2);
    check();
    assert((counts.by.HIT ?? 0) > counts.reads / 5, `hardly a hit: ${JSON.stringify(counts)}`);
    assert(counts.writes > wanted / 500, `hardly a write: ${JSON.stringify(counts)}`);
});
await test('nor over reloads', async () => {
    const clients = run(wanted);
    for (const part of [0.6, 0.7, 0.8]) {
        while (counts.sent < wanted * part) await sleep(20);
        await nginx.reload();
    }
    await clients;
    // On a quick machine all that may be over before the first token is.
    for (const end = Date.now() + 20000; counts.refused === 0 && Date.now() < end;) await run(counts.sent + 200);
    check();
    assert((counts.by.REVALIDATED ?? 0) > 0, `nothing was validated: ${JSON.stringify(counts.by)}`);
    assert(counts.refused > 0, 'no token has expired');
    const { cache } = await statusOf(edge);
    assert(cache.tokens.remembered > cache.tokens.verified * 10, `tokens are verified more than once: ${JSON.stringify(cache.tokens)}`);
    assert(cache.refills > 10, `${cache.refills} asked for again`);
    assert(cache.purged.found > 10, `${cache.purged.found} found dead`);
    console.log(`# ${JSON.stringify(counts)}, ${asked} reached the app`);
    console.log(`# ${JSON.stringify(cache.tokens)} ${JSON.stringify(cache.purged)}`);
});
await test('requests of one user at the same time are one to the app, those of two users are two', async () => {
    const [one, two] = [newToken(0, 600), newToken(1, 600)];
    const fresh = async (token) => (await request(edge, '/api/projects/4/items', { headers: { Authorization: `Bearer ${token.value}` } })).body.toString();
    const before = asked;
    await request(edge, '/api/projects/4/items/0', { method: 'POST', headers: { Authorization: `Bearer ${one.value}` } });
    const bodies = await Promise.all(Array.from({ length: 20 }, (_, n) => fresh(n % 2 ? one : two)));
    equal(asked - before, 3, 'requests that reached the app: a write, and one of each');
    for (const [n, body] of bodies.entries()) equal(JSON.parse(body).owner, n % 2 ? 'user 0' : 'user 1', 'the owner');
});
await nginx.stop();

// --- two hosts ---
const redis = port(4);
await startRedis('redis', { port: redis });
const two = [];
for (const [n, listen] of [port(5), port(6)].entries()) two.push(await startNginx(`edge${n}`, conf(origin, listen, api, redis)));
hosts = [port(5), port(6)];
const logOf = async (listen) => (await statusOf(listen)).redis.purge_logs[0];
await test('on two hosts, with sync=on: no foreign body, and no stale one after a write on either', async () => {
    await until(async () => (await Promise.all(hosts.map(logOf))).every((log) => log.in_touch && log.hosts === 2), 'both hosts are known');
    await sleep(6000);  // in a log's first seconds each write is held as long as hosts may be unknown
    Object.assign(counts, { sent: 0, reads: 0, writes: 0, cut: 0, refused: 0, by: {} });
    await run(wanted / 2);
    const clients = run(wanted);
    while (counts.sent < wanted * 0.75) await sleep(20);
    await two[1].reload();
    await clients;
    check();
    assert((counts.by.HIT ?? 0) > counts.reads / 10, `hardly a hit: ${JSON.stringify(counts)}`);
    assert(counts.writes > wanted / 500, `hardly a write: ${JSON.stringify(counts)}`);
    for (const host of hosts) {
        const log = await logOf(host);
        equal([log.given_up, log.gaps], [0, 0], 'writes answered without knowing, and gaps');
        assert(log.awaited > 10 && log.applied > 20, JSON.stringify(log));
    }
    console.log(`# two hosts: ${JSON.stringify(counts)}`);
});
for (const host of two) await host.stop();

// --- the demo app with the habits of a real one ---
start('demo', 'node', [path.join(process.env.EDGE_REPO, 'docker/demo/server.mjs'), '--port', String(demo), '--habits'],
    { env: { ...process.env, DEMO_JWT_SECRET: secret } });
await waitPort(demo);
const front = await startNginx('demo-edge', conf(demo, edgeOfDemo, `
        edge_cache_args strip=_,_cb;
        edge_cache_ignore_client Cache-Control Pragma If-None-Match;
        edge_cache_vary Origin;
        location / { proxy_pass http://app; }
        location ~ ^/api/(projects|images|users)(/|$) {
            edge_cache_private jwt key_file=${keyFile};
            edge_cache_valid 200 30s;
            edge_cache_tag user-data;
            edge_cache_invalidate user-data;
            proxy_pass http://app;
        }`));
const demoApi = (target, token, options = {}) => request(edgeOfDemo, target, { ...options,
    headers: { Authorization: `Bearer ${token}`, 'Cache-Control': 'no-cache', 'If-None-Match': `W/"${Math.random()}"`, ...options.headers } });
async function logIn(name) {
    const answer = await request(edgeOfDemo, '/api/auth/login', { method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ email: `${name}@example.org`, password: 'demo' }) });
    return JSON.parse(answer.body).token;
}
await test('the demo app with its habits: most reads are hits, users do not mix, own writes are seen at once', async () => {
    const [alice, bob] = [await logIn('alice'), await logIn('bob')];
    const how = {};
    const paths = ['/api/projects', '/api/projects/1', '/api/projects/3', '/api/projects/1/images', '/api/users/me', '/api/projects/1/polygons'];
    for (let round = 0; round < 12; round += 1) {
        for (const [name, token] of [['Alice', alice], ['Bob', bob]]) {
            for (const target of paths) {
                const answer = await demoApi(`${target}?_cb=${Date.now()}`, token);
                if (answer.status === 200) how[answer.headers['x-cache']] = (how[answer.headers['x-cache']] ?? 0) + 1;
                else assert(answer.headers['x-cache'] !== 'HIT', `${target}: ${answer.status} came from the cache`);
                if (target === '/api/users/me') equal(JSON.parse(answer.body).name, name, 'who');
                const foreign = name === 'Alice' ? target === '/api/projects/3' : /projects\/1/.test(target);
                equal(answer.status, foreign ? 404 : 200, `${target} for ${name}`);
            }
        }
    }
    const total = Object.values(how).reduce((sum, n) => sum + n, 0);
    assert(how.HIT / total > 0.85, `hits: ${JSON.stringify(how)}`);
    console.log(`# demo with habits: ${JSON.stringify(how)}`);
    for (let n = 0; n < 5; n += 1) {
        const made = await demoApi('/api/projects', alice, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ title: `p${n}` }) });
        equal(made.status, 201, 'a new project');
        const { id } = JSON.parse(made.body);
        const ids = JSON.parse((await demoApi('/api/projects', alice)).body).map((project) => project.id);
        assert(ids.includes(id), 'it is in the list at once');
        assert(!JSON.parse((await demoApi('/api/projects', bob)).body).some((project) => project.id === id), 'not in the other user\'s');
        equal((await demoApi(`/api/projects/${id}`, alice, { method: 'DELETE' })).status, 204, 'removed');
        equal((await demoApi(`/api/projects/${id}`, alice)).status, 404, 'it is gone at once');
    }
    equal((await request(edgeOfDemo, '/api/projects')).status, 401, 'nobody');
    equal((await request(edgeOfDemo, '/api/projects')).headers['x-cache'], 'PASS', 'and nothing is stored of it');
});
await front.stop();
