#!/usr/bin/env node
// WebSockets through edge_websocket with real clients: every message arrives, unchanged and in order; batching and
// compression save writes and bytes; slow readers hold the sender back; what is no WebSocket passes as ever.
// timeout: 240
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { io } from 'socket.io-client';
import WebSocket from 'ws';
import { assert, equal, port, request, sleep, start, startNginx, startOrigin, test, until, waitPort } from './lib/e2e.mjs';
import { processTree } from './lib/processes.mjs';
import { RawClient, checkMessage, exchange, frame, makeMessage, open, receiveMessages, responseText, sendMessages, startCounter, startRawServer, startServer } from './lib/websocket.mjs';

const dir = process.env.EDGE_DIR;
const [edge, edgeTls, app, appTls, counted, raw, demo, appTwo] = [0, 1, 2, 3, 4, 5, 6, 7].map(port);
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
process.removeAllListeners('warning');

execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-keyout', path.join(dir, 'key.pem'), '-out', path.join(dir, 'cert.pem')], { stdio: 'ignore' });
const tls = { key: fs.readFileSync(path.join(dir, 'key.pem')), cert: fs.readFileSync(path.join(dir, 'cert.pem')) };

/** Events as an app sends them. */
const event = (seq) => JSON.stringify({ type: 'progress', seq, job: seq % 8, stage: 'tracing outlines', percent: seq % 100, at: 1700000000000 + seq * 7,
    image: { name: `field-${seq % 40}-${seq % 900}.tif`, width: 1388, height: 1040, queue: seq % 30 } });

const filling = randomBytes(30000);
const sum = createHash('md5').update(filling).digest('hex');
const largeMessage = (seq) => (seq % 3 === 2 ? Buffer.concat([Buffer.from(`${seq} ${sum} `), filling]) : makeMessage(seq));

let held;
let sides = [];
const handlers = {
    ...exchange,
    async events(socket, { url }) {
        const n = Number(url.split('?')[1]);
        for (let seq = 0; seq < n; seq += 1) {
            socket.send(event(seq));
            if (seq % 100 === 99) await sleep(60);
        }
    },
    hold(socket) { held = socket; },
    busy(socket) { sides.push(socket); },
    async flood(socket, { url }) {
        held = socket;
        const n = Number(url.split('?')[1]);
        for (let seq = 0; seq < n; seq += 1) socket.send(largeMessage(seq));
    },
};

const appServer = await startOrigin(app, (incoming, outgoing) => {
    outgoing.setHeader('X-Extensions', incoming.headers['sec-websocket-extensions'] ?? 'none');
    outgoing.end(`page ${incoming.url}`);
});
const atEach = [0, 0];
const counting = (i) => (socket) => { atEach[i] += 1; socket.on('close', () => { atEach[i] -= 1; }); };
startServer(appServer, { ...handlers, count: counting(0) });
const secondServer = await startOrigin(appTwo, (incoming, outgoing) => outgoing.end());
startServer(secondServer, { ...handlers, count: counting(1) }, { perMessageDeflate: { threshold: 0 } });
const secureServer = https.createServer(tls);
await new Promise((resolve) => secureServer.listen(appTls, '127.0.0.1', resolve));
secureServer.unref();
secureServer.on('connection', (socket) => socket.unref());
startServer(secureServer, handlers);

const repo = process.env.EDGE_REPO;
start('demo', 'node', [path.join(repo, 'docker/demo/server.mjs'), '--port', String(demo)]);

const locations = `
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        edge_websocket on;
        location / { proxy_pass http://127.0.0.1:${app}; }
        location /tls/ { proxy_pass https://127.0.0.1:${appTls}; }
        location /off/ { edge_websocket off; proxy_pass http://127.0.0.1:${app}; }
        location /plain/ { edge_websocket_batch off; edge_websocket_compress off; proxy_pass http://127.0.0.1:${app}; }
        location /batch/ { edge_websocket_compress off; edge_websocket_batch delay=40ms; proxy_pass http://127.0.0.1:${app}; }
        location /small/ { edge_websocket_compress level=6 window=9 memory=4 context=off min=100; edge_websocket_batch messages=3 bytes=2k; edge_websocket_limit buffer=8k; proxy_pass http://127.0.0.1:${app}; }
        location /long/ { edge_websocket_batch messages=1000 delay=6s bytes=1m; edge_websocket_priority prefix=! event=done; proxy_pass http://127.0.0.1:${app}; }
        location /pairs/ { edge_websocket_batch messages=2 delay=3s; proxy_pass http://127.0.0.1:${app}; }
        location /upstream/ { edge_websocket_compress upstream; proxy_pass http://127.0.0.1:${appTwo}; }
        location /raw/ { proxy_pass http://127.0.0.1:${raw}; }
        location /least/ { proxy_pass http://least/; }
        location /socket.io/ { proxy_pass http://127.0.0.1:${demo}; }
        location /feed { proxy_pass http://127.0.0.1:${demo}; }
        location = /edge_status { edge_status json; }`;
const nginx = await startNginx('edge', { workers: 1, http: `
    log_format ws '$uri $status $bytes_sent $upstream_bytes_received $upstream_bytes_sent $edge_ws_messages_in $edge_ws_messages_out $edge_ws_batches $edge_ws_close $edge_ws_bytes_out';
    access_log ${dir}/ws.log ws;
    map $http_upgrade $connection_upgrade { websocket upgrade; default close; }
    upstream least { least_conn; server 127.0.0.1:${app}; server 127.0.0.1:${appTwo}; }
    server { listen 127.0.0.1:${edge}; ${locations} }
    server { listen 127.0.0.1:${edgeTls} ssl; ssl_certificate ${dir}/cert.pem; ssl_certificate_key ${dir}/key.pem; ${locations} }` });
const counter = await startCounter(counted, edge);
await waitPort(demo);

const status = async () => JSON.parse((await request(edge, '/edge_status')).body);
/** The access log's line for a path, once it is there. */
const logged = (uri) => until(() => {
    const line = fs.readFileSync(path.join(dir, 'ws.log'), 'utf8').split('\n').findLast((text) => text.startsWith(`${uri} `));
    if (!line) return undefined;
    const [, code, sent, received, forwarded, messagesIn, messagesOut, batches, close, bytesOut] = line.split(' ');
    return { code, sent: Number(sent), received: Number(received), forwarded: Number(forwarded), messagesIn: Number(messagesIn),
        messagesOut: Number(messagesOut), batches: Number(batches), close, bytesOut: Number(bytesOut) };
}, `${uri} is logged`);

// --- content ---

for (const [name, url, n] of [
    ['with the defaults', `ws://127.0.0.1:${edge}`, 4000],
    ['uncompressed and unbatched', `ws://127.0.0.1:${edge}/plain`, 3000],
    ['with a small window, no context and a small buffer', `ws://127.0.0.1:${edge}/small`, 2000],
    ['compressed by client and upstream themselves', `ws://127.0.0.1:${edge}/upstream`, 2000],
    ['over TLS to the client', `wss://127.0.0.1:${edgeTls}`, 3000],
    ['over TLS on both sides', `wss://127.0.0.1:${edgeTls}/tls`, 3000],
    ['over TLS to the upstream', `ws://127.0.0.1:${edge}/tls`, 2000],
]) {
    await test(`${n} messages each way, ${name}: all there, in order, unchanged`, async () => {
        let verdict;
        let received;
        const client = await open(`${url}/both?${n}`, { maxPayload: 256 << 20 }, (socket) => {
            socket.on('message', (data) => { if (data.length < 400 && /^(all|server:) /.test(data.toString())) verdict = data.toString(); });
            received = receiveMessages(socket, n);
        });
        try {
            await Promise.all([sendMessages(client, n, { largest: 200000 }), received]);
            await until(() => verdict, 'the server has checked what it got', 30);
            equal(verdict, 'all received');
        } finally {
            client.close();
        }
    });
}

await test('the client compresses too, and the upstream sees neither the offer nor anything compressed', async () => {
    const client = await open(`ws://127.0.0.1:${edge}/echo`, { perMessageDeflate: { threshold: 0 } });
    assert(client.extensions.startsWith('permessage-deflate'), `agreed on "${client.extensions}"`);
    const text = event(1).repeat(50);
    const before = (await status()).websocket;
    const echoed = new Promise((resolve) => client.once('message', (data) => resolve(data.toString())));
    client.send(text);
    equal(await echoed, text);
    const after = (await status()).websocket;
    equal(after.compressed.from_client - before.compressed.from_client, 1, 'compressed by the client');
    equal(after.compressed.to_client - before.compressed.to_client, 1, 'compressed for the client');
    assert(after.bytes.to_upstream - before.bytes.to_upstream > text.length, 'the upstream got it uncompressed');
    client.close();
    const none = await open(`ws://127.0.0.1:${edge}/echo`, { perMessageDeflate: false });
    equal(none.extensions, '', 'nothing is agreed on that was not offered');
    none.close();
});

await test('edge_websocket off leaves all to nginx', async () => {
    const before = (await status()).websocket.connections.opened;
    const client = await open(`ws://127.0.0.1:${edge}/off/echo`);
    equal(client.extensions, '', 'extensions');  // ws servers agree on none unless told to
    client.close();
    equal((await status()).websocket.connections.opened, before);
});

await test('what is no WebSocket passes as it was', async () => {
    const page = await request(edge, '/some/page?x=1', { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
    equal([page.status, page.body.toString(), page.headers['x-extensions']], [200, 'page /some/page?x=1', 'permessage-deflate']);
    const refused = await new Promise((resolve, reject) => {
        http.get({ host: '127.0.0.1', port: edge, path: '/x', headers: { Upgrade: 'h2c', Connection: 'Upgrade' } }, (answer) => {
            answer.resume();
            resolve(answer.statusCode);
        }).on('error', reject);
    });
    equal(refused, 200, 'another Upgrade');
});

// --- savings ---

await test('events to a client: under 40 % of the bytes, and the writes of many in one, content intact', async () => {
    const results = {};
    for (const kind of ['off', 'batch', 'defaults']) {
        counter.reset();
        let seq = 0;
        let wrong;
        const client = await open(`ws://127.0.0.1:${counted}/${kind === 'defaults' ? '' : `${kind}/`}events?2000`, {}, (socket) => {
            socket.on('message', (data) => { if (data.toString() !== event(seq)) wrong ??= seq; seq += 1; });
        });
        await until(() => seq === 2000, 'all events', 60);
        equal(wrong, undefined, 'the first wrong event');
        results[kind] = { bytes: counter.bytes, reads: counter.reads };
        client.close();
        await client.closed;
    }
    console.log(`# ${JSON.stringify(results)}`);
    assert(results.defaults.bytes < 0.4 * results.off.bytes, 'compressed');
    assert(results.batch.bytes < 1.01 * results.off.bytes, 'a batch adds nothing');
    const log = await logged('/batch/events');
    assert(log.batches < 2000 / 5, `${log.batches} writes for 2000 messages`);
    equal([log.messagesOut, log.close], [2000, '1005'], 'logged');
});

await test('byte counts of the access log are those of the wire', async () => {
    counter.reset();
    const client = await open(`ws://127.0.0.1:${counted}/plain/echo`);
    for (let i = 0; i < 20; i += 1) client.send('x'.repeat(1000));
    let n = 0;
    client.on('message', () => { n += 1; });
    await until(() => n === 20, 'echoes');
    client.close(1000);
    await client.closed;
    const log = await logged('/plain/echo');
    equal(log.sent, counter.bytes, '$bytes_sent');
    equal([log.code, log.messagesIn, log.messagesOut, log.close], ['101', 20, 20, '1000']);
    assert(log.received > 20 * 1004 && log.received < 21 * 1004 + 400, `$upstream_bytes_received ${log.received}`);
    assert(log.forwarded > 20 * 1008 && log.forwarded < 21 * 1008 + 600, `$upstream_bytes_sent ${log.forwarded}`);
});

// --- batching ---

async function batchTimes(messages, path = 'long') {
    const client = await open(`ws://127.0.0.1:${edge}/${path}/hold`);
    await until(() => held?.readyState === WebSocket.OPEN, 'the server has it');
    const server = held;
    held = undefined;
    const began = Date.now();
    const times = [];
    client.on('message', (data) => times.push([data.toString(), Date.now() - began]));
    return { client, server, times, began };
}

await test('the first message goes at once, those after it wait for the end of the window', async () => {
    const { client, server, times } = await batchTimes();
    for (const text of ['one', 'two', 'three']) { server.send(text); await sleep(20); }
    await until(() => times.length === 3, 'all three', 20);
    equal(times.map(([text]) => text), ['one', 'two', 'three']);
    assert(times[0][1] < 3000, `the first came after ${times[0][1]} ms`);
    assert(times[1][1] > 3500 && times[2][1] > 3500, `the others came after ${times[1][1]} and ${times[2][1]} ms`);
    client.close();
});

await test('an urgent message takes those before it along', async () => {
    for (const urgent of ['!now', '42["done",{}]', '2']) {
        const { client, server, times } = await batchTimes();
        for (const text of ['one', 'two', 'three', urgent]) { server.send(text); await sleep(20); }
        await until(() => times.length === 4, 'all of them', 20);
        equal(times.map(([text]) => text), ['one', 'two', 'three', urgent]);
        assert(times[3][1] < 4000, `${urgent} came after ${times[3][1]} ms`);
        client.close();
    }
});

await test('what goes at once does not wait for the batches of others that are worked on', async () => {
    const [worker] = processTree(nginx.pid).slice(1);
    const text = Array.from({ length: 120 }, (_, i) => event(i)).join('');
    let came = 0;
    const busy = [];
    for (let i = 0; i < 30; i += 1) {
        busy.push(await open(`ws://127.0.0.1:${edge}/pairs/busy`, {}, (socket) => socket.on('message', () => { came += 1; })));
    }
    const lone = await open(`ws://127.0.0.1:${edge}/busy`);
    await until(() => sides.length === 31, 'the app has all connections');
    const [loneSide] = sides.slice(-1);
    try {
        // All are in a burst when the worker finds everything at once: their batches first, the lone message last.
        for (const side of sides.slice(0, -1)) side.send('a burst begins');
        await until(() => came === 30, 'the bursts have begun');
        process.kill(worker.pid, 'SIGSTOP');
        for (const side of sides.slice(0, -1)) for (let i = 0; i < 10; i += 1) side.send(text);
        loneSide.send('alone');
        const before = new Promise((resolve) => { lone.once('message', () => resolve(came - 30)); });
        await sleep(5);
        process.kill(worker.pid, 'SIGCONT');
        const overtook = await before;
        assert(overtook < 100, `${overtook} of 300 messages of others came before it`);
        await until(() => came === 330, 'all messages have come');
    } finally {
        for (const client of [lone, ...busy]) client.close();
        sides = [];
    }
});

await test('pings pass and are answered, while messages are held', async () => {
    const { client, server, times } = await batchTimes();
    server.send('one');
    await sleep(20);
    server.send('two');
    const pong = new Promise((resolve) => server.once('pong', (data) => resolve(data.toString())));
    server.ping('is it');
    equal(await pong, 'is it', 'the answer to the server');
    equal(times.map(([text]) => text), ['one', 'two'], 'what was before the ping came before it');
    const answer = new Promise((resolve) => client.once('pong', (data) => resolve(data.toString())));
    client.ping('hello');
    equal(await answer, 'hello', 'the answer to the client');
    client.close();
});

// --- early bytes, odd clients ---

await test('frames that came with the 101, and frames sent before it', async () => {
    const seen = await startRawServer(raw, Buffer.concat([frame(1, 'early one', { masked: false }), frame(1, 'early two', { masked: false })]));
    const client = new RawClient(edge, Buffer.concat([frame(1, 'sent early'), frame(9, 'ping')]), { target: '/raw/x' });
    await until(() => client.frames().length === 2, 'the early frames');
    equal(client.frames().map(({ payload }) => payload.toString()), ['early one', 'early two']);
    await until(() => seen.frames().length === 2, 'what the client sent');
    equal(seen.frames().map(({ opcode, payload, masked }) => [opcode, payload.toString(), masked]), [[1, 'sent early', true], [9, 'ping', true]]);
    assert(!/sec-websocket-extensions|keep-alive/i.test(seen.requests[0]), 'no offer');
    client.socket.end();
    await client.ended;
});

await test('a client that sends byte by byte', async () => {
    const text = event(7);
    const client = new RawClient(edge, Buffer.concat([frame(1, text.slice(0, 50), { fin: false }), frame(9, 'p'), frame(0, text.slice(50))]), { target: '/echo', oneByOne: true });
    await until(() => client.frames().some(({ opcode }) => opcode === 1), 'the echo', 30);
    equal(client.frames().find(({ opcode }) => opcode === 1).payload.toString(), text);
    equal(client.frames().find(({ opcode }) => opcode === 10).payload.toString(), 'p', 'the pong');
    client.socket.destroy();
});

await test('an upstream with an extension of its own is left alone', async () => {
    const other = await startRawServer(port(8), () => Buffer.concat([Buffer.from(responseText('Sec-WebSocket-Extensions: x-own\r\n')), Buffer.from('not frames')]));
    const second = await startNginx('other', { workers: 1, http: `server { listen 127.0.0.1:${port(9)}; location / { edge_websocket on; proxy_pass http://127.0.0.1:${port(8)}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }` });
    const client = new RawClient(port(9), Buffer.from('nor this'), { target: '/x' });
    await until(() => client.bytes.includes('not frames') && other.bytes.includes('nor this'), 'the bytes pass');
    client.socket.destroy();
    await second.stop();
});

// --- back-pressure ---

await test('a client that does not read holds the upstream back, and gets all in the end', async () => {
    const n = 6000;
    held = undefined;
    let received;
    const client = await open(`ws://127.0.0.1:${edge}/plain/flood?${n}`, { maxPayload: 256 << 20 }, (socket) => { received = receiveMessages(socket, n); });
    client.pause();
    await until(() => held, 'the server has it');
    let last = -1;
    await until(async () => {
        const amount = held.bufferedAmount;
        const stands = amount === last && amount > 0;
        last = amount;
        await sleep(300);
        return stands;
    }, 'the server is held back', 30);
    const { memory_bytes: memory } = (await status()).websocket;
    assert(memory < 1 << 20, `${memory} bytes held`);
    assert(last > 1 << 20, `only ${last} bytes are left at the server`);
    client.resume();
    await received;
    client.close();
});

// --- peers ---

await test('least_conn counts a tunnel as long as it lasts', async () => {
    const opened = [];
    for (let i = 0; i < 6; i += 1) opened.push(await open(`ws://127.0.0.1:${edge}/least/count`));
    await until(() => atEach[0] + atEach[1] === 6, 'all have reached their server');
    equal(atEach, [3, 3], 'connections to each');
    const gone = opened.splice(0, 4);
    for (const client of gone) client.close();
    await until(() => atEach[0] + atEach[1] === 2, 'four are closed');
    await until(async () => (await status()).websocket.connections.active === 2, 'at the edge too');
    for (let i = 0; i < 4; i += 1) opened.push(await open(`ws://127.0.0.1:${edge}/least/count`));
    await until(() => atEach[0] + atEach[1] === 6, 'all have reached their server');
    equal(atEach, [3, 3], 'connections to each, again');
    for (const client of opened) client.close();
});

// --- socket.io ---

for (const transports of [['websocket'], ['polling', 'websocket']]) {
    await test(`socket.io over ${transports.join(' → ')} gets every event in order`, async () => {
        const before = (await status()).websocket;
        const socket = io(`http://127.0.0.1:${edge}`, { transports, reconnection: false, forceNew: true });
        const seqs = [];
        socket.on('progress', ({ seq }) => seqs.push(seq));
        socket.on('polygons', ({ seq }) => seqs.push(seq));
        await until(() => seqs.length > 300 && socket.io.engine.transport.name === 'websocket', '300 events', 60);
        const first = seqs[0];
        equal(seqs.findIndex((seq, i) => seq !== first + i), -1, 'the first event out of order');
        socket.close();
        const after = await until(async () => { const now = (await status()).websocket; return now.connections.opened > before.connections.opened && now; }, 'it is counted');
        assert(after.compressed.to_client > before.compressed.to_client, 'compressed');
    });
}

await test('all connections are gone, and with them what was held', async () => {
    await until(async () => { const { connections, memory_bytes: memory } = (await status()).websocket; return connections.active === 0 && memory === 0; }, 'nothing is left', 20);
});
await nginx.stop();
