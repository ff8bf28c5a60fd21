#!/usr/bin/env node
// Clients as people have them, through edge_websocket: a browser, Python's websockets. (ws and socket.io, over WebSocket and
// from polling to it, are in websocket.mjs.)
// timeout: 180
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { Chromium } from './lib/chromium.mjs';
import { assert, equal, port, request, startNginx, startOrigin, test, until } from './lib/e2e.mjs';
import { startServer } from './lib/websocket.mjs';

const [edge, app] = [0, 1].map(port);
const alive = setInterval(() => {}, 1000);
const page = '<!doctype html><title>page</title>';
const origin = await startOrigin(app, (incoming, outgoing) => {
    outgoing.setHeader('Content-Type', 'text/html');
    outgoing.end(page);
});
const messages = Array.from({ length: 400 }, (_, i) => (i % 5 === 4 ? Buffer.from(Array.from({ length: 3000 + i }, (__, j) => (i * 31 + j * 7) & 255))
    : JSON.stringify({ seq: i, stage: 'größer – κόσμε 👩‍🔬', points: Array.from({ length: i % 90 }, (__, j) => [i + j, i * j]) })));
messages.push(Array.from({ length: 60000 }, (_, i) => i * i % 9973).join(' '));
const digestOf = (list) => list.reduce((hash, message) => hash.update(message), createHash('md5')).digest('hex');
let seen;
startServer(origin, { push(socket) {
    const state = { echoed: [], socket };
    seen = state;
    socket.on('message', (data, binary) => state.echoed.push(binary ? data : data.toString()));
    for (const message of messages) socket.send(message);
} });
const nginx = await startNginx('edge', { workers: 1, http: `
    map $http_user_agent $deflate_works { default 1; ~*Chrome 1; ~*broken 0; }
    server {
        listen 127.0.0.1:${edge};
        location / { proxy_pass http://127.0.0.1:${app}; }
        location = /edge_status { edge_status json; }
        location /ws/ {
            edge_websocket on;
            edge_websocket_compress if=$deflate_works;
            proxy_pass http://127.0.0.1:${app};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }
    }` });
const status = async () => JSON.parse((await request(edge, '/edge_status')).body).websocket;
async function echoedAll() {
    await until(() => seen?.echoed.length === messages.length, 'the server has every echo', 30);
    equal(digestOf(seen.echoed), digestOf(messages), 'what came back to the server');
}

await test('a browser gets every message as it was sent, compressed on the way, and its own arrive', async () => {
    const before = await status();
    const browser = await Chromium.start();
    try {
        const tab = await browser.newVisitor();
        await tab.goto(`http://127.0.0.1:${edge}/`);
        const result = await tab.evaluate(`new Promise((resolve, reject) => {
            const socket = new WebSocket('ws://127.0.0.1:${edge}/ws/push');
            socket.binaryType = 'arraybuffer';
            const sizes = [];
            socket.onmessage = ({ data }) => {
                sizes.push(typeof data === 'string' ? data.length : -data.byteLength);
                socket.send(data);
                if (sizes.length === ${messages.length}) socket.close(4000, 'enough');
            };
            socket.onclose = ({ code, reason, wasClean }) => resolve({ sizes, code, reason, wasClean, extensions: socket.extensions });
            setTimeout(() => reject(new Error(sizes.length + ' messages after 40 s')), 40000);
        })`);
        equal([result.code, result.reason, result.wasClean], [4000, 'enough', true], 'the end');
        assert(result.extensions.startsWith('permessage-deflate'), `agreed on "${result.extensions}"`);
        equal(result.sizes, messages.map((message) => (typeof message === 'string' ? message.length : -message.length)), 'sizes');
        await echoedAll();
        const after = await status();
        assert(after.compressed.to_client > before.compressed.to_client + 300 && after.compressed.from_client > before.compressed.from_client + 100, 'compressed both ways');
        assert(after.compression_ns > before.compression_ns, 'the time it took');
        assert(after.compression_ratio > 0 && after.compression_ratio < 0.9, `ratio ${after.compression_ratio}`);
        const batches = (all) => Object.values(all.batch_sizes).reduce((sum, n) => sum + n, 0);
        assert(batches(after) > batches(before) && batches(after) < messages.length, 'sizes of batches');
    } finally {
        await browser.close();
    }
});

await test("Python's websockets gets every message as it was sent, compressed on the way, and its own arrive", async () => {
    seen = undefined;
    const child = spawn('/usr/bin/python3', [path.join(process.env.EDGE_REPO, 'tests/e2e/lib/websockets_client.py'), `ws://127.0.0.1:${edge}/ws/push`, String(messages.length)]);
    let output = '';
    let errors = '';
    child.stdout.on('data', (data) => { output += data; });
    child.stderr.on('data', (data) => { errors += data; });
    const code = await new Promise((resolve) => { child.on('exit', resolve); });
    assert(code === 0, errors.trim().split('\n').at(-1));
    equal(output.trim().split(' '), [String(messages.length), digestOf(messages), 'permessage-deflate', '1000', 'pong'], 'what it saw');
    await echoedAll();
});
clearInterval(alive);
await nginx.stop();
