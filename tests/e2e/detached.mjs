#!/usr/bin/env node
// Requests of the edge's own, that no client waits for: revalidation behind a stale answer, refresh ahead of its end, and
// the whole of what a client asked a part of.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert, equal, port, request, startNginx, startOrigin, test, until } from './lib/e2e.mjs';

const seen = [];   // what reached the origin
const at = (target) => seen.filter((line) => line.target === target);
let slow = 0;      // ms that the origin takes to answer
let broken = false;

await startOrigin(port(0), (incoming, outgoing) => {
    const { pathname, searchParams: query } = new URL(incoming.url, 'http://o');
    seen.push({ target: incoming.url, headers: incoming.headers, at: Date.now() });
    const serial = at(incoming.url).length;
    const bytes = Buffer.alloc(Number(query.get('size') ?? 100), `${pathname} ${serial};`);
    const headers = { 'Cache-Control': query.get('cc') ?? 'max-age=1, stale-while-revalidate=30', 'X-Serial': serial };
    if (query.has('vary')) headers.Vary = 'X-Kind';
    if (query.has('etag')) {
        headers.ETag = '"one"';
        if (incoming.headers['if-none-match'] === '"one"') {
            setTimeout(() => outgoing.writeHead(304, headers).end(), slow);
            return;
        }
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(incoming.headers.range ?? '');
    setTimeout(() => {
        if (broken) {
            outgoing.writeHead(503).end();
        } else if (range) {
            const [from, to] = [Number(range[1]), Number(range[2])];
            headers['Content-Range'] = `bytes ${from}-${to}/${bytes.length}`;
            outgoing.writeHead(206, headers).end(bytes.subarray(from, to + 1));
        } else {
            outgoing.writeHead(200, { ...headers, 'Content-Length': bytes.length }).end(bytes);
        }
    }, slow);
});

const tls = path.join(process.env.EDGE_DIR, 'tls');
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-keyout', `${tls}.key`, '-out', `${tls}.crt`], { stdio: 'ignore' });

const conf = (extra = '') => ({ workers: 2, main: extra, http: `
    edge_zone main size=32m;
    log_format short '$request_uri $status $request_time $edge_cache_status';
    access_log ${path.join(process.env.EDGE_DIR, 'edge')}/requests.log short;
    server {
        listen 127.0.0.1:${port(1)}; listen 127.0.0.1:${port(2)} http2; listen 127.0.0.1:${port(4)} ssl;
        ssl_certificate ${tls}.crt; ssl_certificate_key ${tls}.key;
        add_header X-Cache $edge_cache_status always;
        edge_cache main;
        proxy_http_version 1.1; proxy_set_header Connection "";
        location / { proxy_pass http://127.0.0.1:${port(0)}; }
        location /secret/ {
            auth_request /verdict;
            auth_request_set $user $upstream_http_x_user;
            proxy_set_header X-User $user; proxy_set_header Connection ""; proxy_set_header X-Scheme $scheme;
            proxy_pass http://127.0.0.1:${port(0)};
        }
        location = /verdict { internal; proxy_pass http://127.0.0.1:${port(3)}; proxy_set_header X-Key $http_x_key; }
        location /ahead/ { edge_cache_stale refresh_ahead=50%; proxy_pass http://127.0.0.1:${port(0)}; }
        location = /status { edge_status json; }
    }` });
await startOrigin(port(3), (incoming, outgoing) => {
    outgoing.writeHead(incoming.headers['x-key'] === 'right' ? 204 : 403, { 'X-User': 'anna' }).end();
});

const nginx = await startNginx('edge', conf());
const get = (target, options) => request(port(1), target, options);
const status = async () => JSON.parse((await get('/status')).body).cache;
/** Stored, and stale by now. */
async function makeStale(target, options) {
    slow = 0;
    const answer = await get(target, options);
    equal(answer.headers['x-cache'], 'MISS', 'the first answer');
    await sleep(2100);
}

await test('a stale answer goes out at once, and the next request on the connection waits for nothing', async () => {
    const target = '/swr?etag';
    await makeStale(target);
    slow = 1500;
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const start = Date.now();
    const first = await get(target, { agent });
    const second = await get(target, { agent });
    const took = Date.now() - start;
    agent.destroy();
    equal([first.headers['x-cache'], second.headers['x-cache']], ['UPDATING', 'UPDATING'], 'status');
    assert(took < 1200, `both took ${took} ms while the origin takes 1500`);
    await until(() => at(target).length === 2, 'the origin is asked again');
    equal(at(target)[1].headers['if-none-match'], '"one"', 'its validator');
    await until(async () => (await status()).revalidations.not_modified === 1, 'the stored answer is renewed');
    const third = await get(target);
    assert(Number(third.headers.age) < 3, `its age is still that of before: ${third.headers.age}`);
});

await test('over HTTP/2 neither the stream nor the connection is held', async () => {
    const target = '/swr2?etag';
    await makeStale(target);
    slow = 1500;
    const session = http2.connect(`http://127.0.0.1:${port(2)}`);
    const start = Date.now();
    const answer = await new Promise((resolve, reject) => {
        const stream = session.request({ ':path': target, ':authority': `127.0.0.1:${port(1)}` });
        let headers;
        stream.on('response', (h) => { headers = h; });
        stream.resume();
        stream.on('end', () => resolve(headers));
        stream.on('error', reject);
    });
    await new Promise((resolve) => session.close(resolve));
    const took = Date.now() - start;
    equal(answer['x-cache'], 'UPDATING', 'status');
    assert(took < 1200, `it took ${took} ms while the origin takes 1500`);
    await until(() => at(target).length === 2, 'the origin is asked all the same');
});

await test('over TLS it renews what is stored for https', async () => {
    slow = 0;
    const ask = () => new Promise((resolve, reject) => {
        https.get({ host: '127.0.0.1', port: port(4), path: '/tls', rejectUnauthorized: false, agent: false }, (answer) => {
            answer.resume().on('end', () => resolve(`${answer.headers['x-cache']} ${answer.headers['x-serial']}`));
        }).on('error', reject);
    });
    equal(await ask(), 'MISS 1', 'the first time');
    await sleep(2100);
    equal(await ask(), 'UPDATING 1', 'stale');
    await until(async () => at('/tls').length === 2, 'the renewal');
    assert(await until(async () => / 2$/.test(await ask()), 'what it brought'), 'it is sent from now on');
    assert(at('/tls').length <= 3, `once: ${at('/tls').length}`);
});

await test('a client that leaves does not take the renewal along', async () => {
    const target = '/swr3?size=300';
    await makeStale(target);
    slow = 600;
    const socket = net.connect(port(1), '127.0.0.1');
    socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port(1)}\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    await until(() => at(target).length === 2, 'the origin is asked');
    await sleep(900);
    slow = 0;
    const next = await get(target);
    equal(next.headers['x-serial'], '2', 'the version');
});

await test('one renewal at a time, over all workers', async () => {
    const target = '/swr4?etag';
    await makeStale(target);
    slow = 400;
    const answers = await Promise.all(Array.from({ length: 60 }, () => get(target)));
    assert(answers.every((a) => a.headers['x-cache'] === 'UPDATING'), 'not all were sent what is stored');
    await sleep(600);
    equal(at(target).length, 2, 'requests at the origin');
});

await test('it goes through the same location, with the credentials of the client that caused it', async () => {
    const target = '/secret/a?etag';
    const key = { headers: { 'X-Key': 'right', Range: 'bytes=0-3' } };
    await makeStale(target, { headers: { 'X-Key': 'right' } });
    equal((await get(target)).status, 403, 'without the key');
    const part = await get(target, key);
    equal([part.status, part.headers['x-cache']], [206, 'UPDATING'], 'a part of the stale answer');
    await until(() => at(target).length === 2, 'the origin is asked again');
    const { headers } = at(target)[1];
    equal([headers['x-user'], headers['x-scheme'], headers.range, headers['if-none-match']], ['anna', 'http', undefined, '"one"'], 'what it was asked with');
});

await test('the variant that was stale is the one renewed', async () => {
    const target = '/variants?vary&size=50';
    slow = 0;
    for (const kind of ['a', 'b']) await get(target, { headers: { 'X-Kind': kind } });
    await sleep(2100);
    equal((await get(target, { headers: { 'X-Kind': 'b' } })).headers['x-cache'], 'UPDATING', 'status');
    await until(() => at(target).length === 3, 'the origin is asked again');
    equal(at(target)[2].headers['x-kind'], 'b', 'the kind');
    await sleep(100);
    equal((await get(target, { headers: { 'X-Kind': 'b' } })).headers['x-serial'], '3', 'the version of b');
    const a = await get(target, { headers: { 'X-Kind': 'a' } });
    equal([a.headers['x-serial'], a.headers['x-cache']], ['1', 'UPDATING'], 'the version of a');
});

await test('an origin that fails takes away nothing', async () => {
    const target = '/failing';
    await makeStale(target);
    broken = true;
    const before = (await status()).revalidations.error;
    equal((await get(target)).headers['x-cache'], 'UPDATING', 'status');
    await until(() => at(target).length === 2, 'the origin is asked');
    await sleep(100);
    broken = false;
    const answer = await get(target);
    equal([answer.status, answer.headers['x-serial']], [200, '1'], 'the old answer');
    equal((await status()).revalidations.error, before + 1, 'counted');
});

await test('it is no client: no line in the access log, and its error lines say what it is', async () => {
    const lines = fs.readFileSync(path.join(process.env.EDGE_DIR, 'edge/requests.log'), 'utf8').split('\n').filter((line) => line.startsWith('/failing'));
    equal(lines.length, 3, 'lines for three clients');
    const target = '/gone';
    await makeStale(target);
    await nginx.reload({ ...conf(), http: conf().http.replaceAll(`127.0.0.1:${port(0)}`, `127.0.0.1:${port(9)}`) });
    await sleep(300);
    equal((await get(target)).headers['x-cache'], 'UPDATING', 'status');
    await until(() => /connect\(\) failed.*detached request.*\/gone/.test(nginx.log()), 'the log says so');
    await nginx.reload(conf());
    await sleep(300);
});

await test('a worker that is to end waits for it', async () => {
    const target = '/ending';
    await makeStale(target);
    slow = 1200;
    equal((await get(target)).headers['x-cache'], 'UPDATING', 'status');
    await until(() => at(target).length === 2, 'the origin is asked');
    await nginx.reload();
    await sleep(1600);
    slow = 0;
    equal((await get(target)).headers['x-serial'], '2', 'the version that came while the worker was ending');
});

await test('what is asked for often is renewed before its end, what is not is not', async () => {
    const [hot, cold] = ['/ahead/hot?cc=max-age%3D6&etag', '/ahead/cold?cc=max-age%3D6&etag'];
    slow = 0;
    await get(cold);
    for (let i = 0; i < 5; i += 1) await get(hot);
    equal(at(hot).length, 1, 'requests while it is young');
    await until(async () => {
        const answer = await get(hot);
        equal(answer.headers['x-cache'], 'HIT', 'nobody waits');
        return at(hot).length === 2;
    }, 'it is renewed');
    assert(at(hot)[1].at - at(hot)[0].at >= 2500, 'it was renewed in its first half');
    assert(at(hot)[1].at - at(hot)[0].at <= 6900, 'it was renewed after its end');
    await sleep(100);
    assert(Number((await get(hot)).headers.age) <= 2, 'the age starts anew');
    equal((await get(cold)).headers['x-cache'] === 'HIT' || at(cold).length === 2, true, 'cold');
    assert(at(cold).length === 1 || at(cold)[1].at - at(cold)[0].at > 5000, 'what nobody asks for was renewed ahead');
});

await test('a part of what is not stored is passed on, and the whole fetched once behind it', async () => {
    const target = '/parts?cc=max-age%3D60&size=50000';
    slow = 200;
    const parts = await Promise.all([0, 100, 200].map((from) => get(target, { headers: { Range: `bytes=${from}-${from + 9}` } })));
    assert(parts.every((part) => part.status === 206 && part.body.length === 10), 'not the parts');
    await until(() => at(target).some((line) => line.headers.range === undefined), 'the whole is asked for');
    await sleep(500);
    slow = 0;
    const part = await get(target, { headers: { Range: 'bytes=49990-49999' } });
    equal([part.status, part.headers['x-cache'], part.headers['content-range']], [206, 'HIT', 'bytes 49990-49999/50000'], 'the next part');
    equal(at(target).filter((line) => line.headers.range === undefined).length, 1, 'requests for the whole');
    equal(at(target).length, 4, 'requests');
});

await test('of what is too large, or may not be stored, only the part is asked for', async () => {
    slow = 0;
    for (const target of ['/large?cc=max-age%3D60&size=9000000', '/unstored?cc=no-store&size=1000']) {
        const part = await get(target, { headers: { Range: 'bytes=0-9' } });
        equal(part.status, 206, target);
        await sleep(200);
        equal(at(target).length, 1, `requests for ${target}`);
    }
});

await test('worker_shutdown_timeout ends it too', async () => {
    const target = '/forever';
    await nginx.reload(conf('worker_shutdown_timeout 1s;'));
    await sleep(300);
    await makeStale(target);
    slow = 8000;
    equal((await get(target)).headers['x-cache'], 'UPDATING', 'status');
    await until(() => at(target).length === 2, 'the origin is asked');
    const start = Date.now();
    await nginx.stop();
    const took = Date.now() - start;
    assert(took > 700 && took < 5000, `the workers ended after ${took} ms`);
});
