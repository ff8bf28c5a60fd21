#!/usr/bin/env node
// Encoded answers with several workers: nobody gets another body's, an old one's or another coding's bytes while writes,
// purges, evictions, reloads and killed workers come in between; and encoding holds up neither requests nor workers that
// end.
// log-expects: exited on signal 9
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import zlib from 'node:zlib';
import { execFileSync } from 'node:child_process';
import { assert, equal, port, request, sleep, startNginx, startOrigin, test, until } from './lib/e2e.mjs';

const [edge, origin] = [0, 1].map(port);
const conf = (br) => ({ workers: 2, http: `
    edge_zone main size=24m max_object=6m;
    server {
        listen 127.0.0.1:${edge};
        edge_cache main;
        edge_cache_encode br=${br} gzip=9 zstd=6;
        edge_cache_stale while_revalidate=10s;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location / { proxy_pass http://127.0.0.1:${origin}; }
        location /api/ { edge_cache_private secret=$cookie_session; edge_cache_tag api; edge_cache_invalidate api; proxy_pass http://127.0.0.1:${origin}; }
        location = /status { edge_status; }
    }` });

// --- the app: every body says what it is, which version, and whose ---
const versions = new Map();
const acknowledged = new Map();  // what the writer has been told is done
const text = (target, version, who, size) => {
    const line = `{"target":"${target}","version":${version},"who":"${who}","n":`;
    let out = '';
    for (let i = 0; out.length < size; i += 1) out += `${line}${(i * 7919) % 100003}},\n`;
    return out;
};
await startOrigin(origin, (incoming, outgoing) => {
    const target = incoming.url;
    if (incoming.headers['accept-encoding'] && incoming.method === 'GET' && !incoming.headers.range) {
        outgoing.writeHead(500).end('asked for an encoded answer');
        return;
    }
    if (incoming.method !== 'GET') {
        versions.set(target, (versions.get(target) ?? 1) + 1);
        outgoing.writeHead(204).end();
        return;
    }
    const version = versions.get(target) ?? 1;
    const who = /session=(\w+)/.exec(incoming.headers.cookie ?? '')?.[1] ?? '-';
    const kind = target.split('/')[1];
    const tag = `W/"${version}.${who}"`;
    const headers = { 'Content-Type': 'application/json', 'Cache-Control': kind === 'short' ? 'max-age=1' : 'max-age=600', ETag: tag };
    if (incoming.headers['if-none-match'] === tag) {
        outgoing.writeHead(304, headers).end();
        return;
    }
    const body = Buffer.from(text(target, version, who, kind === 'large' ? 4_000_000 : 2000 + (target.length * 977) % 40_000));
    outgoing.writeHead(200, { ...headers, 'Content-Length': body.length }).end(body);
});

const decoders = {
    br: zlib.brotliDecompressSync,
    gzip: zlib.gunzipSync,
    zstd: zlib.zstdDecompressSync ?? ((data) => execFileSync('zstd', ['-dcq'], { input: data, maxBuffer: 1 << 26 })),
};
const accepts = ['br', 'gzip', 'zstd', 'br, gzip', 'gzip, deflate, br, zstd', 'zstd;q=0.5, gzip;q=0.4', 'identity', undefined];
const agent = new http.Agent({ keepAlive: true, maxSockets: 24 });
let codings = {};

/** As askOnce; a connection that was closed while it was idle is no fault. */
async function ask(target, options = {}) {
    for (;;) {
        try {
            return await askOnce(target, options);
        } catch (error) {
            if (!error.reused) throw error;
        }
    }
}

/** {status, headers, body: decoded, coding}; a fault of the answer itself throws. */
function askOnce(target, { accept, session, method = 'GET', headers = {} } = {}) {
    const sent = { ...headers };
    if (accept !== undefined) sent['Accept-Encoding'] = accept;
    if (session) sent.Cookie = `session=${session}`;
    return new Promise((resolve, reject) => {
        const outgoing = http.request({ host: '127.0.0.1', port: edge, path: target, method, headers: sent, agent }, (message) => {
            const parts = [];
            message.on('data', (part) => parts.push(part));
            message.on('error', reject);
            message.on('end', () => {
                try {
                    const raw = Buffer.concat(parts);
                    const coding = message.headers['content-encoding'] ?? 'identity';
                    assert(message.complete, `${target}: cut short`);
                    if (coding !== 'identity') {
                        assert(accept?.includes(coding), `${target}: ${coding}, not ${accept}`);
                        assert(message.headers.etag.endsWith(`-${coding}"`), `${target}: ${coding} with ${message.headers.etag}`);
                    }
                    codings[coding] = (codings[coding] ?? 0) + 1;
                    const body = coding === 'identity' || raw.length === 0 ? raw : decoders[coding](raw);
                    resolve({ status: message.statusCode, headers: message.headers, body: body.toString(), coding, size: raw.length });
                } catch (error) { reject(error); }
            });
        });
        outgoing.on('error', (error) => reject(Object.assign(error, { reused: outgoing.reusedSocket })));
        outgoing.end();
    });
}
const status = async () => JSON.parse((await request(edge, '/status')).body);
const random = (n) => Math.floor(Math.random() * n);

/** What the body says it is; all its lines have to agree. */
function meaning(answer, target) {
    const lines = answer.body.split('\n');
    const first = JSON.parse(lines[0].slice(0, -1));
    const head = lines[0].slice(0, lines[0].indexOf('"n":'));
    assert(lines.slice(0, -1).every((line) => line.startsWith(head)), `${target}: a body of two`);
    equal(first.target, target, 'the body');
    return first;
}

/** `clients` readers and a writer for some seconds; every body is judged. */
async function load({ seconds, targets, sessions, clients = 12, mayBreak = false }) {
    const end = Date.now() + seconds * 1000;
    const faults = [];
    let answers = 0;
    let writes = 0;
    const reader = async () => {
        while (Date.now() < end && faults.length < 5) {
            const target = targets[random(targets.length)];
            const session = sessions ? sessions[random(sessions.length)] : undefined;
            const least = acknowledged.get(target) ?? 1;
            try {
                const answer = await ask(target, { accept: accepts[random(accepts.length)], session });
                equal(answer.status, 200, `the status of ${target}`);
                const { version, who } = meaning(answer, target);
                assert(who === (session ?? '-'), `${target}: ${session} got what is ${who}'s`);
                assert(version >= least, `${target}: version ${version} after ${least}`);
                answers += 1;
            } catch (error) {
                if (!(mayBreak && ['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(error.code))) faults.push(error.message);
            }
        }
    };
    const writer = async () => {
        while (Date.now() < end) {
            const target = targets[random(targets.length)];
            await ask(target, { method: 'POST', session: sessions?.[0] }).then(() => {
                acknowledged.set(target, versions.get(target));
                writes += 1;
            }, () => {});
            await sleep(15);
        }
    };
    await Promise.all([...Array.from({ length: clients }, reader), writer()]);
    equal(faults, [], 'faults');
    return { answers, writes };
}

/** Asks until it comes in this coding. */
const encoded = (target, accept, seconds = 10) => until(async () => {
    const answer = await ask(target, { accept });
    return answer.coding === accept && answer;
}, `${target} in ${accept}`, seconds);

function workers(master) {
    return execFileSync('ps', ['-o', 'pid=', '--ppid', String(master)]).toString().trim().split(/\s+/).map(Number);
}
const gone = (pids, seconds) => until(() => pids.every((pid) => !fs.existsSync(`/proc/${pid}`)), 'the old workers end', seconds);

const nginx = await startNginx('edge', conf(5));

await test('every body is whole, new and its own in every coding, while writes replace it', async () => {
    codings = {};
    const targets = Array.from({ length: 30 }, (_, i) => `/item/${'x'.repeat(i)}`);
    const { answers, writes } = await load({ seconds: 5, targets });
    assert(answers > 300 && writes > 10, `${answers} answers, ${writes} writes`);
    for (const coding of ['br', 'gzip', 'zstd', 'identity']) assert(codings[coding] > 20, `${coding}: ${codings[coding]}`);
    const { cache } = await status();
    equal(cache.encodings.failed, 0, 'failed encodings');
    assert(cache.sent_encoded.br > 20, `br was sent ${cache.sent_encoded.br} times`);
});

await test('and each user has theirs, with tags purged by writes', async () => {
    codings = {};
    const targets = Array.from({ length: 6 }, (_, i) => `/api/${'y'.repeat(i)}`);
    const sessions = Array.from({ length: 5 }, (_, i) => `user${i}0123456789abcdef`);
    const { answers } = await load({ seconds: 4, targets, sessions });
    assert(answers > 300, `${answers} answers`);
    assert((codings.br ?? 0) + (codings.gzip ?? 0) > 20, `encoded: ${JSON.stringify(codings)}`);
});

await test('what is validated stays encoded', async () => {
    await encoded('/short/1', 'br');
    const before = (await status()).cache.encodings.br;
    for (let i = 0; i < 3; i += 1) {
        await sleep(1100);
        equal((await ask('/short/1', { accept: 'br' })).coding, 'br', 'the coding while it is renewed');
    }
    const after = await status();
    equal(after.cache.encodings.br, before, 'encodings');
    assert(after.cache.revalidations.not_modified >= 2, 'it was validated');
});

await test('a zone that is too small evicts them, and sends what is left', async () => {
    // Noise, so that an encoded answer takes as much room as it can.
    const targets = Array.from({ length: 60 }, (_, i) => `/noise/${i}`);
    const before = (await status()).zones[0].evictions;
    const big = Array.from({ length: 12 }, (_, i) => `/large/${i}`);
    await load({ seconds: 4, targets: [...targets, ...big], clients: 6 });
    const { zones } = await status();
    assert(zones[0].evictions > before, 'something was evicted');
    assert(zones[0].used_bytes <= zones[0].capacity_bytes, 'bytes');
});

await test('a reload does not wait for what takes long to encode', async () => {
    await nginx.reload(conf(11));
    await ask('/large/slow', { accept: 'br' });
    const quick = await encoded('/large/slow', 'br', 20);
    // Hot: 4 MB at brotli's highest level take many seconds.
    for (let i = 0; i < 5; i += 1) await ask('/large/slow', { accept: 'br' });
    const start = Date.now();
    for (let i = 0; i < 20; i += 1) equal((await ask('/item/', { accept: 'identity' })).status, 200, 'meanwhile');
    assert(Date.now() - start < 3000, `20 small answers took ${Date.now() - start} ms meanwhile`);
    const old = workers(nginx.pid);
    await nginx.reload(conf(5));
    await gone(old, 8);
    const after = await ask('/large/slow', { accept: 'br' });
    equal([after.coding, after.body === quick.body], ['br', true], 'after the reload');
});

await test('reloads under load', async () => {
    const targets = Array.from({ length: 20 }, (_, i) => `/item/r${'x'.repeat(i)}`);
    const running = load({ seconds: 4, targets });
    for (let i = 0; i < 3; i += 1) {
        await sleep(900);
        await nginx.reload(conf(4 + i));
    }
    const { answers } = await running;
    assert(answers > 300, `${answers} answers`);
});

await test('workers killed while they encode leave what is stored in order', async () => {
    const targets = [...Array.from({ length: 20 }, (_, i) => `/item/k${'x'.repeat(i)}`), '/large/k1', '/large/k2'];
    const running = load({ seconds: 5, targets, clients: 8, mayBreak: true });
    for (let i = 0; i < 4; i += 1) {
        await sleep(1000);
        for (const pid of workers(nginx.pid).slice(0, 1 + (i % 2))) {
            try { process.kill(pid, 'SIGKILL'); } catch { /* it has just ended */ }
        }
    }
    const { answers } = await running;
    assert(answers > 100, `${answers} answers`);
    const fresh = await encoded('/item/after-the-kill', 'zstd');
    meaning(fresh, '/item/after-the-kill');
    equal((await status()).cache.encodings.failed, 0, 'failed encodings');
});

await test('what was being encoded by a worker that died is encoded by another one', async () => {
    // Whoever began leaves a mark that says so for 30 seconds.
    const target = `/large/died-${randomBytes(4).toString('hex')}`;
    const first = ask(target, { accept: 'gzip' });
    await first;
    for (const pid of workers(nginx.pid)) process.kill(pid, 'SIGKILL');
    await until(async () => (await request(edge, '/status').catch(() => ({ status: 0 }))).status === 200, 'new workers');
    const answer = await encoded(target, 'gzip', 45);
    meaning(answer, target);
});

await nginx.stop?.();
agent.destroy();
