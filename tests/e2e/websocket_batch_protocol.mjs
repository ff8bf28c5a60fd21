#!/usr/bin/env node
// edge.batch.v1 (edge_websocket_batch protocol=on) with the decoder that the README gives, in ws and in a browser: what the
// app and the client see of the subprotocols, and that every message is what it was.
// timeout: 180
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import WebSocket from 'ws';
import { Chromium } from './lib/chromium.mjs';
import { assert, equal, port, request, startNginx, startOrigin, test, until } from './lib/e2e.mjs';
import { exchange, open, receiveMessages, sendMessages, startServer } from './lib/websocket.mjs';

const [edge, app] = [0, 1].map(port);
const readme = fs.readFileSync(path.join(process.env.EDGE_REPO, 'README.md'), 'utf8');
const source = /```js\n(?:\/\/.*\n)*(function unpack\([\s\S]*?\n}\n)```/.exec(readme)[1];
assert(source.split('\n').length <= 15, 'the decoder is short');
const unpack = new Function(`${source} return unpack;`)();

const large = 'größer '.repeat(40000);
const largeBinary = Buffer.from(Array.from({ length: 300000 }, (_, i) => (i * 31) & 255));
let offered;
const origin = await startOrigin(app, (incoming, outgoing) => {
    outgoing.setHeader('Content-Type', 'text/html');
    outgoing.end('<!doctype html><title>page</title>');
});
startServer(origin, {
    ...exchange,
    push(socket) {
        for (let i = 0; i < 300; i += 1) socket.send(i % 4 === 3 ? Buffer.from([i & 255, i >> 8, 255]) : JSON.stringify({ i, stage: '\ufeffgrößer – κόσμε 👩‍🔬' }));
        socket.send(large);
        socket.send(largeBinary);
        socket.send('');
        socket.send(Buffer.alloc(0));
        socket.send('fragm', { fin: false });
        socket.send('ents', { fin: true });
        socket.send('end');
    },
}, { handleProtocols: (protocols, { headers, url }) => {
    offered = headers['sec-websocket-protocol'];
    if (url.includes('none')) return false;
    return protocols.has('chat') ? 'chat' : [...protocols][0];
} });
const expected = [...Array.from({ length: 300 }, (_, i) => (i % 4 === 3 ? Buffer.from([i & 255, i >> 8, 255]) : JSON.stringify({ i, stage: '\ufeffgrößer – κόσμε 👩‍🔬' }))),
    large, largeBinary, '', Buffer.alloc(0), 'fragments', 'end'];
const digestOf = (list) => list.reduce((hash, message) => hash.update(typeof message === 'string' ? 't' : 'b').update(message).update('\0'),
    createHash('md5')).digest('hex');

const pass = `proxy_pass http://127.0.0.1:${app}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;`;
await startNginx('edge', { workers: 1, http: `
    edge_websocket on;
    edge_websocket_batch protocol=on;
    log_format offers '$uri $http_sec_websocket_protocol';
    access_log ${process.env.EDGE_DIR}/offers.log offers;
    server {
        listen 127.0.0.1:${edge};
        location / { ${pass} }
        location /small/ { edge_websocket_limit buffer=8k; edge_websocket_batch protocol=on messages=7; ${pass} }
        location /off/ { edge_websocket_batch protocol=off; ${pass} }
        location /upstream/ { edge_websocket_compress upstream; ${pass} }
        location = /edge_status { edge_status json; }
    }` });

/** The messages that come until one says 'end', as unpack() gives them, and how many there were on the wire. */
async function pushed(target, protocols, options = {}) {
    const got = [];
    let wire = 0;
    offered = undefined;
    const socket = new WebSocket(`ws://127.0.0.1:${edge}${target}`, protocols, options);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
        wire += 1;
        unpack(data, (message) => got.push(typeof message === 'string' ? message : Buffer.from(message)));
    };
    await until(() => got.at(-1) === 'end', `${target}: the last message comes`, 20);
    const { protocol } = socket;
    socket.close();
    return { got, wire, protocol };
}

for (const [name, options] of [['compressed', {}], ['not compressed', { perMessageDeflate: false }]]) {
    for (const place of ['', '/small']) {
        await test(`a client that offers edge.batch.v1 gets batches as messages, ${name}${place}`, async () => {
            const { got, wire, protocol } = await pushed(`${place}/none/push`, ['edge.batch.v1'], options);
            equal(protocol, 'edge.batch.v1', 'the answer');
            equal(offered, undefined, 'what the app was offered');
            equal(digestOf(got), digestOf(expected), 'the messages');
            assert(wire < got.length / (place ? 3 : 10), `${got.length} messages came as ${wire}`);
        });
    }
}

await test('with an app that chooses a subprotocol the client is told both', async () => {
    const { got, protocol } = await pushed('/push', ['edge.batch.v1+chat', 'chat', 'edge.batch.v1']);
    equal(protocol, 'edge.batch.v1+chat', 'the answer');
    equal(offered, 'chat', 'what the app was offered');
    equal(digestOf(got), digestOf(expected), 'the messages');
});

await test('an app that chooses another one has its messages as they are', async () => {
    const socket = await open(`ws://127.0.0.1:${edge}/echo`, {}, undefined, ['edge.batch.v1', 'news']);
    equal(socket.protocol, 'news', 'the answer');
    equal(offered, 'news', 'what the app was offered');
    const reply = new Promise((resolve) => socket.once('message', (data, binary) => resolve([data.toString(), binary])));
    socket.send('hello');
    equal(JSON.stringify(await reply), JSON.stringify(['hello', false]), 'the echo');
    socket.close();
});

await test('where it is off, or compression is left to the app, the offer is the app\'s', async () => {
    for (const place of ['off', 'upstream']) {
        const socket = await open(`ws://127.0.0.1:${edge}/${place}/echo`, {}, undefined, ['edge.batch.v1', 'chat']);
        equal(socket.protocol, 'chat', `${place}: the answer`);
        equal(offered, 'edge.batch.v1,chat', `${place}: what the app was offered`);
        socket.close();
        await socket.closed;
    }
    const line = await until(() => fs.readFileSync(`${process.env.EDGE_DIR}/offers.log`, 'utf8').split('\n').find((text) => text.startsWith('/none/push ')), 'it is logged');
    equal(line, '/none/push edge.batch.v1', 'the log has what the client offered');
});

await test('both ways at once, in order, unchanged; what the client sends is not packed', async () => {
    const n = 3000;
    const socket = new WebSocket(`ws://127.0.0.1:${edge}/none/both?${n}`, ['edge.batch.v1']);
    socket.binaryType = 'arraybuffer';
    const entries = new EventEmitter();
    const received = receiveMessages(entries, n);
    const last = new Promise((resolve) => { entries.on('message', (data, binary) => { if (!binary && /^(all received|app: )/.test(data)) resolve(data.toString()); }); });
    socket.onmessage = ({ data }) => unpack(data, (message) => entries.emit('message', Buffer.from(message), typeof message !== 'string'));
    await new Promise((resolve) => { socket.onopen = resolve; });
    await Promise.all([sendMessages(socket, n, { largest: 200000 }), received]);
    equal(await last, 'all received', 'the app');
    socket.close();
});

await test('a browser reads batches with the same lines', async () => {
    const browser = await Chromium.start();
    try {
        const tab = await browser.newVisitor();
        await tab.goto(`http://127.0.0.1:${edge}/`);
        const result = await tab.evaluate(`new Promise((resolve, reject) => {
            ${source}
            const socket = new WebSocket('ws://127.0.0.1:${edge}/none/push', ['edge.batch.v1']);
            socket.binaryType = 'arraybuffer';
            const got = [];
            let wire = 0;
            socket.onerror = () => reject(new Error('error'));
            socket.onmessage = ({ data }) => {
                wire += 1;
                unpack(data, (message) => {
                    got.push(typeof message === 'string' ? message : Array.from(new Uint8Array(message)));
                    if (message === 'end') resolve({ got, wire, protocol: socket.protocol });
                });
            };
        })`);
        equal(result.protocol, 'edge.batch.v1', 'the answer');
        equal(digestOf(result.got.map((message) => (typeof message === 'string' ? message : Buffer.from(message)))), digestOf(expected), 'the messages');
        assert(result.wire < expected.length / 10, `they came as ${result.wire}`);
    } finally {
        await browser.close();
    }
});

await test('the status page counts what the app sent', async () => {
    const { websocket } = JSON.parse((await request(edge, '/edge_status')).body);
    assert(websocket.messages.upstream > 4500, 'messages of the app');
    assert(websocket.compressed.to_client < websocket.messages.upstream / 2, 'compressed is a batch at a time');
});
