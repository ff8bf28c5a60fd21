#!/usr/bin/env node
// Conformance to RFC 6455 and RFC 7692 through the edge, before a plain and a deflating echo server: framing, pings,
// reserved bits, opcodes, fragmentation, UTF-8, closing, limits, and compression with every set of parameters.
// EDGE_CONFORMANCE=full: messages up to 16 MB, up to 1000 for each set of parameters and size (some twenty minutes).
// timeout: 1800
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import WebSocket from 'ws';
import { assert, equal, port, startNginx, startOrigin, test } from './lib/e2e.mjs';
import { chapters, closeFrame, compressedCases } from './lib/conformance_cases.mjs';
import { StrictClient } from './lib/strict_client.mjs';
import { startServer } from './lib/websocket.mjs';

const full = process.env.EDGE_CONFORMANCE === 'full';
const dir = process.env.EDGE_DIR;
const [edge, edgeTls, plain, deflating] = [0, 1, 2, 3].map(port);
const alive = setInterval(() => {}, 1000);

execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-keyout', path.join(dir, 'key.pem'), '-out', path.join(dir, 'cert.pem')], { stdio: 'ignore' });
const handlers = { echo(socket) { socket.on('message', (data, binary) => socket.send(data, { binary })); } };
startServer(await startOrigin(plain, (incoming, outgoing) => outgoing.end()), handlers, { maxPayload: 32 << 20 });
startServer(await startOrigin(deflating, (incoming, outgoing) => outgoing.end()), handlers, { maxPayload: 32 << 20, perMessageDeflate: { threshold: 0 } });

const locations = `
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
    edge_websocket on;
    location /off/ { edge_websocket_compress off; proxy_pass http://127.0.0.1:${plain}; }
    location /on/ { proxy_pass http://127.0.0.1:${plain}; }
    location /small/ { edge_websocket_compress window=9 memory=4 level=9; edge_websocket_limit buffer=4k; proxy_pass http://127.0.0.1:${plain}; }
    location /context/ { edge_websocket_compress context=off min=1; edge_websocket_batch off; proxy_pass http://127.0.0.1:${plain}; }
    location /upstream/ { edge_websocket_compress upstream; proxy_pass http://127.0.0.1:${deflating}; }`;
const nginx = await startNginx('edge', { workers: 1, http: `
    server { listen 127.0.0.1:${edge}; ${locations} }
    server { listen 127.0.0.1:${edgeTls} ssl; ssl_certificate ${dir}/cert.pem; ssl_certificate_key ${dir}/key.pem; ${locations} }` });

const same = (got, wanted) => got && wanted && got[0] === wanted[0] && got[1].equals(wanted[1]);
const show = (event) => event && `${event[0]} of ${event[1].length} "${event[1].subarray(0, 20).toString('latin1')}"`;
function compare(one, events, count) {
    const wanted = [...one.events];
    for (let i = 0; i < count; i += 1) {
        const at = one.anyOrder ? wanted.findIndex((event) => same(events[i], event)) : 0;
        if (!same(events[i], wanted[at])) throw new Error(`${show(events[i]) ?? 'nothing'} came as number ${i + 1}, not ${show(wanted[at])}`);
        wanted.splice(at, 1);
    }
}

/** Runs one case; throws what was not as it should be. */
async function run(one, where) {
    const client = await StrictClient.connect(where);
    const seconds = one.large ? 60 : 15;
    try {
        if (where.extensions) assert(client.agreed?.startsWith('permessage-deflate'), `agreed on ${client.agreed}`);
        for (const step of one.steps) {
            if (typeof step === 'number') await client.until(() => client.events.length >= step || client.fault || client.close, seconds);
            else await client.write(step, one.piece);
        }
        const good = one.close === undefined;
        if (good || one.all) await client.until(() => client.events.length >= one.events.length || client.fault || client.close, seconds);
        if (good && client.close === undefined && client.fault === undefined) {
            compare(one, client.events, one.events.length);
            client.socket.write(closeFrame(1000));
        }
        await client.until(() => client.close || client.fault, seconds);
        if (client.close && !good && !one.closes) client.socket.write(closeFrame(client.close.code));
        await client.until(() => client.ended || client.fault, seconds);
        assert(client.fault === undefined, client.fault);
        assert(client.events.length <= one.events.length, `${show(client.events.at(-1))} came unexpectedly`);
        compare(one, client.events, good || one.all ? one.events.length : client.events.length);
        assert(client.close, client.ended ? 'the connection ended without a Close' : `no Close in ${seconds} s`);
        const codes = one.close ?? [1000];
        assert(codes.includes(client.close.code), `closed with ${client.close.code} (${client.close.reason}), not ${codes.join(' or ')}`);
        if (one.reason) equal(client.close.reason, one.reason, 'the reason');
        assert(client.ended, 'the server does not end the connection');
    } finally {
        client.destroy();
    }
}

async function runAll(cases, where) {
    const failures = [];
    const left = [...cases];
    const worker = async () => {
        for (let one = left.shift(); one; one = left.shift()) {
            await run(one, where).catch((error) => failures.push(`${one.id}: ${error.message}`));
        }
    };
    await Promise.all(Array.from({ length: 24 }, worker));
    for (const failure of failures) console.log(`# ${where.target} ${failure}`);
    assert(failures.length === 0, `${failures.length} of ${cases.length}: ${failures[0]}`);
}

const places = [
    { name: 'the edge does not compress', port: edge, target: '/off/echo' },
    { name: 'the edge compresses, TLS', port: edgeTls, secure: true, target: '/on/echo', extensions: 'permessage-deflate; server_no_context_takeover; client_no_context_takeover' },
    { name: 'the upstream compresses', port: edge, target: '/upstream/echo', extensions: 'permessage-deflate; server_no_context_takeover; client_no_context_takeover' },
    { name: 'smallest buffers', port: edge, target: '/small/echo', extensions: 'permessage-deflate; server_no_context_takeover; client_no_context_takeover' },
];
let total = 0;
for (const place of places) {
    const { name } = place;
    for (const [chapter, cases] of chapters(full)) {
        const some = cases.filter(({ limit }) => !limit || !place.target.startsWith('/upstream'));
        total += some.length;
        await test(`${chapter}: ${some.length} cases, ${name}`, () => runAll(some, place));
    }
    if (!place.extensions) continue;
    // What ws says to a final block, and with which code it refuses damaged data, is its own business.
    const upstream = place.target.startsWith('/upstream');
    const cases = compressedCases().filter(({ final }) => !upstream || !final)
        .map((one) => (upstream && one.damaged ? { ...one, close: [1007, 1002] } : one));
    total += cases.length;
    await test(`12 compressed by the client: ${cases.length} cases, ${name}`, () => runAll(cases, place));
}

// --- 13: parameters ---

const words = Array.from({ length: 400 }, (_, i) => `{"id":${i},"stage":"tracing ${'abcdefgh'[i % 8]}","points":[${i * 7 % 101},${i * 13 % 97}]}`).join(',');
const noise = randomBytes(1 << 18);
/** Number `seq` of messages of `size` octets: mostly text of an app, every fifth noise. */
function sample(seq, size) {
    if (seq % 5 === 4) return noise.subarray(seq * 31 % 1000, seq * 31 % 1000 + size);
    let all = `${seq} `;
    while (all.length < size) all += words.slice(seq * 17 % 300);
    return all.slice(0, size);
}

async function echoes(url, options, size, count, part) {
    const socket = new WebSocket(url, { ...options, maxPayload: 64 << 20, rejectUnauthorized: false });
    let received = 0;
    const done = new Promise((resolve, reject) => {
        socket.on('error', reject);
        socket.on('close', (code) => reject(new Error(`closed with ${code} after ${received} of ${count}`)));
        socket.on('message', (data, binary) => {
            const wanted = sample(received, size);
            if (binary !== Buffer.isBuffer(wanted) || !data.equals(Buffer.from(wanted))) reject(new Error(`message ${received} was changed`));
            received += 1;
            if (received === count) resolve();
        });
    });
    done.catch(() => {});
    await new Promise((resolve, reject) => { socket.once('open', resolve); socket.once('error', reject); });
    for (let seq = 0; seq < count; seq += 1) {
        const payload = sample(seq, size);
        const binary = Buffer.isBuffer(payload);
        if (part === 0) {
            socket.send(payload);
        } else {
            const bytes = Buffer.from(payload);
            for (let at = 0; at < bytes.length; at += part) socket.send(bytes.subarray(at, at + part), { binary, fin: at + part >= bytes.length });
        }
        if (socket.bufferedAmount > 1 << 20) await new Promise((resolve) => { setTimeout(resolve, 5); });
    }
    await done;
    const agreed = socket.extensions;
    socket.removeAllListeners('close');
    socket.close(1000);
    const code = await new Promise((resolve) => { socket.once('close', resolve); });
    equal(code, 1000, 'the Close');
    return agreed;
}

const offers = [
    ['nothing', {}], ['server_no_context_takeover', { serverNoContextTakeover: true }], ['client_no_context_takeover', { clientNoContextTakeover: true }],
    ['both', { serverNoContextTakeover: true, clientNoContextTakeover: true }], ['server_max_window_bits=9', { serverMaxWindowBits: 9 }],
    ['server_max_window_bits=15', { serverMaxWindowBits: 15 }], ['client_max_window_bits=9', { clientMaxWindowBits: 9 }], ['client_max_window_bits', { clientMaxWindowBits: true }],
    ['all', { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 10, clientMaxWindowBits: 10 }],
];
const shapes = [[16, 0], [64, 0], [256, 0], [1024, 0], [4096, 0], [8192, 0], [16384, 0], [32768, 0], [65536, 0], [131072, 0],
    [8192, 256], [16384, 256], [32768, 256], [65536, 256], [131072, 256], [131072, 1024], [131072, 4096], [131072, 32768]];
for (const location of ['on', 'small', 'context', 'upstream']) {
    total += offers.length * shapes.length;
    await test(`13 parameters: ${offers.length} offers, ${shapes.length} sizes, location ${location}`, async () => {
        const failures = [];
        const left = offers.flatMap((offer) => shapes.map((shape) => [offer, shape]));
        const worker = async () => {
            for (let next = left.shift(); next; next = left.shift()) {
                const [[name, options], [size, part]] = next;
                const budget = full ? Math.max(50, Math.min(1000, Math.floor(4000000 / size))) : Math.max(3, Math.min(20, Math.floor(100000 / size)));
                await echoes(`ws://127.0.0.1:${edge}/${location}/echo`, { perMessageDeflate: { threshold: 0, ...options } }, size, budget, part)
                    .then((agreed) => assert(agreed.startsWith('permessage-deflate'), `agreed on "${agreed}"`))
                    .catch((error) => failures.push(`${name}, ${size} in ${part || size}: ${error.message}`));
            }
        };
        await Promise.all(Array.from({ length: 12 }, worker));
        for (const failure of failures) console.log(`# ${location} ${failure}`);
        assert(failures.length === 0, `${failures.length} of ${offers.length * shapes.length}: ${failures[0]}`);
    });
}
console.log(`# ${total} cases`);
clearInterval(alive);
await nginx.stop();
