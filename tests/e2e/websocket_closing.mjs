#!/usr/bin/env node
// How a WebSocket through edge_websocket ends: closes of either side, violations, limits, time-outs, a dead upstream, and
// reloads, with and without worker_shutdown_timeout.
// timeout: 240
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { createServer } from 'node:http';
import { assert, equal, port, request, sleep, startNginx, test, until } from './lib/e2e.mjs';
import { processTree } from './lib/processes.mjs';
import { RawClient, frame, open, receiveMessages, sendMessages, startRawServer, startServer } from './lib/websocket.mjs';

const [edge, app, raw] = [0, 1, 2].map(port);
const alive = setInterval(() => {}, 1000);  // while tests wait for sockets that do not count
let held;
const handlers = {
    echo(socket) { socket.on('message', (data, binary) => socket.send(data, { binary })); },
    hold(socket) {
        held = socket;
        socket.got = [];
        socket.on('message', (data) => socket.got.push(data.toString()));
    },
    async both(socket, { url }) {
        const n = Number(url.split('?')[1]);
        const received = receiveMessages(socket, n);
        await sendMessages(socket, n, { burst: 20 });
        socket.send(await received.then(() => 'all received', (error) => error.message));
    },
};
const appServer = createServer((incoming, outgoing) => outgoing.end());
await new Promise((resolve) => appServer.listen(app, '127.0.0.1', resolve));
appServer.unref();
appServer.on('connection', (socket) => socket.unref());
startServer(appServer, handlers);

const conf = (main = '', more = '') => ({ workers: 1, main, http: `
    map $http_upgrade $connection_upgrade { websocket upgrade; default close; }
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    edge_websocket on;
    ${more}
    server {
        listen 127.0.0.1:${edge};
        location / { proxy_pass http://127.0.0.1:${app}; }
        location /limit/ { edge_websocket_limit message=10k frames=100; proxy_pass http://127.0.0.1:${app}; }
        location /long/ { edge_websocket_batch messages=1000 delay=10s bytes=1m; proxy_pass http://127.0.0.1:${app}; }
        location /idle/ { proxy_read_timeout 2s; proxy_pass http://127.0.0.1:${app}; }
        location /deaf/ { send_timeout 2s; proxy_send_timeout 2s; proxy_pass http://127.0.0.1:${app}; }
        location /raw/ { proxy_pass http://127.0.0.1:${raw}; }
        location = /edge_status { edge_status json; }
        location = /pid { return 200 $pid; }
    }` });
const nginx = await startNginx('edge', conf());
const status = async () => JSON.parse((await request(edge, '/edge_status')).body).websocket;

/** A client's socket and the server's of one connection. */
async function pair(target = '/hold') {
    held = undefined;
    const client = await open(`ws://127.0.0.1:${edge}${target}`);
    const server = await until(() => held, 'the server has it');
    return { client, server };
}

await test('a Close goes through with its code and reason, either way', async () => {
    const one = await pair();
    one.client.close(4001, 'bye – tschüß');
    equal(await one.server.closed, { code: 4001, reason: 'bye – tschüß' }, 'at the server');
    equal(await one.client.closed, { code: 4001, reason: 'bye – tschüß' }, 'back at the client');
    const two = await pair();
    two.server.send('last');
    two.server.close(1012, 'restart');
    let got;
    two.client.on('message', (data) => { got = data.toString(); });
    equal(await two.client.closed, { code: 1012, reason: 'restart' }, 'at the client');
    equal(got, 'last', 'what was before it');
    equal(await two.server.closed, { code: 1012, reason: 'restart' }, 'back at the server');
});

await test('what is held goes before a Close', async () => {
    const { client, server } = await pair('/long/hold');
    const got = [];
    client.on('message', (data) => got.push(data.toString()));
    for (const text of ['one', 'two', 'three']) server.send(text);
    server.close(1000);
    equal((await client.closed).code, 1000);
    equal(got, ['one', 'two', 'three']);
});

for (const [name, bytes, code, target = '/hold'] of [
    ['an unmasked frame', frame(1, 'x', { masked: false }), 1002],
    ['an unknown opcode', frame(3, 'x'), 1002],
    ['a compressed frame that was not agreed on', frame(1, 'x', { rsv1: true }), 1002],
    ['a fragmented ping', frame(9, 'x', { fin: false }), 1002],
    ['a continuation of nothing', frame(0, 'x'), 1002],
    ['text that is not UTF-8', frame(1, Buffer.from([0x61, 0xff])), 1007],
    ['a Close with an invalid code', frame(8, Buffer.from([3, 237])), 1002],
    ['a message over the limit', frame(2, Buffer.alloc(10241)), 1009, '/limit/hold'],
    ['more frames than allowed', Buffer.concat(Array.from({ length: 150 }, () => frame(9))), 1008, '/limit/hold'],
]) {
    await test(`${name} ends it with ${code}`, async () => {
        held = undefined;
        const before = (await status()).closes[code];
        const client = new RawClient(edge, Buffer.concat([bytes, frame(1, 'and more')]), { target });
        await client.ended;
        equal(client.closeCode(), code, 'the Close to the client');
        const server = await until(() => held, 'the server had it');
        equal((await server.closed).code, 1001, 'the server is told');
        client.socket.destroy();
        await until(async () => (await status()).closes[code] === before + 1, 'it is counted');
    });
}

await test('messages up to the limits pass', async () => {
    const client = await open(`ws://127.0.0.1:${edge}/limit/echo`);
    const echoed = new Promise((resolve) => client.once('message', (data) => resolve(data.length)));
    client.send(Buffer.alloc(10240));
    equal(await echoed, 10240);
    client.close();
});

await test('an upstream that breaks the protocol: 1002 for it, 1011 for the client', async () => {
    const seen = await startRawServer(raw, frame(1, 'masked'));
    const client = new RawClient(edge, Buffer.alloc(0), { target: '/raw/x' });
    await until(() => client.closeCode(), 'a Close');
    equal(client.closeCode(), 1011, 'to the client');
    client.socket.write(frame(8, Buffer.from([3, 243])));
    await client.ended;
    await until(() => seen.frames().length === 1, 'a Close to the upstream');
    equal([seen.frames()[0].opcode, seen.frames()[0].payload.readUInt16BE(0)], [8, 1002]);
    seen.socket.destroy();
    client.socket.destroy();
});

await test('an upstream that dies: 1011, after all it had said', async () => {
    const { client, server } = await pair('/long/hold');
    const got = [];
    client.on('message', (data) => got.push(data.toString()));
    for (const text of ['one', 'two']) await new Promise((resolve) => server.send(text, resolve));
    await until(() => got.length === 1, 'the first');
    server._socket.destroySoon();  // its end, without any Close
    equal((await client.closed).code, 1011);
    equal(got, ['one', 'two']);
});

await test('a client that vanishes: the upstream is closed', async () => {
    const { client, server } = await pair();
    client._socket.resetAndDestroy();
    equal((await server.closed).code, 1006);
});

await test('a client that half-closes: what it has sent still reaches the upstream', async () => {
    held = undefined;
    const client = new RawClient(edge, frame(1, 'the last words'), { target: '/hold' });
    const server = await until(() => held, 'the server has it');
    client.socket.end();
    await client.ended;
    equal((await server.closed).code, 1006);
    equal(server.got, ['the last words']);
});

await test('a client that says Close and then ends its side still gets the rest and the answer', async () => {
    held = undefined;
    const client = new RawClient(edge, Buffer.alloc(0), { target: '/hold' });
    const server = await until(() => held, 'the server has it');
    server.send('said before it knew');
    client.socket.end(frame(8, Buffer.from([3, 232])));
    await client.ended;
    equal(client.frames().map(({ opcode }) => opcode), [1, 8], 'frames');
    equal(client.closeCode(), 1000, 'the answer');
    equal((await server.closed).code, 1000, 'at the server');
});

await test('clients and upstreams that never read hold the other side back, and time-outs end them', async () => {
    const opened = (await status()).connections.active;
    const flood = randomBytes(1 << 20);
    held = undefined;
    const deafClient = new RawClient(edge, Buffer.alloc(0), { target: '/deaf/hold' });
    deafClient.socket.pause();
    const toClient = await until(() => held, 'the server has it');
    held = undefined;
    const deafServer = await pair('/deaf/hold');
    deafServer.server._socket.pause();
    for (let i = 0; i < 20; i += 1) {
        toClient.send(flood);
        deafServer.client.send(flood);
    }
    await sleep(500);
    assert(toClient.bufferedAmount > 1 << 20 && deafServer.client.bufferedAmount > 1 << 20, 'both senders are held back');
    assert((await status()).memory_bytes < 2 << 20, 'little is held');
    equal((await deafServer.client.closed).code, 1011, 'the client of an upstream that does not read');
    equal((await toClient.closed).code, 1006, 'the upstream of a client that does not read');
    deafServer.server.terminate();
    deafClient.socket.destroy();
    await until(async () => (await status()).connections.active === opened, 'both are gone');
});

await test('proxy_read_timeout ends what is idle, and only that', async () => {
    const idle = await pair('/idle/hold');
    const busy = await pair('/idle/hold');
    const pings = setInterval(() => busy.client.ping(), 400);
    equal((await idle.client.closed).code, 1011, 'the idle one');
    equal((await idle.server.closed).code, 1006, 'and its upstream');
    await sleep(1000);
    equal(busy.client.readyState, 1, 'the busy one is open');
    clearInterval(pings);
    busy.client.close();
    assert(nginx.log().includes('upstream timed out'), 'the log says why');
});

const pid = async () => Number((await request(edge, '/pid')).body);
const gone = (worker, seconds) => until(() => !fs.existsSync(`/proc/${worker}`), `worker ${worker} ends`, seconds);

await test('a reload without worker_shutdown_timeout: connections stay until they are closed, new ones go to new workers', async () => {
    const n = 1500;
    const old = await pid();
    let verdict;
    let received;
    const client = await open(`ws://127.0.0.1:${edge}/both?${n}`, {}, (socket) => {
        received = receiveMessages(socket, n);
        socket.on('message', (data) => { if (data.toString() === 'all received') verdict = data.toString(); });
    });
    const sent = sendMessages(client, n, { burst: 20 });
    for (let i = 0; i < 3; i += 1) { await nginx.reload(); await sleep(200); }
    await until(async () => await pid() !== old, 'a new worker answers');
    await Promise.all([sent, received]);
    await until(() => verdict, 'the server has got all', 20);
    assert(fs.existsSync(`/proc/${old}`), 'the old worker still carries the connection');
    client.close(1000);
    equal((await client.closed).code, 1000);
    await gone(old, 10);
});

await test('a reload with worker_shutdown_timeout: batches are flushed, 1001 is spread over the time, the worker ends', async () => {
    await nginx.reload(conf('worker_shutdown_timeout 6s;'));
    await sleep(300);
    const old = await pid();
    const ends = [];
    const pairs = [];
    for (let i = 0; i < 12; i += 1) {
        const both = await pair('/long/hold');
        both.got = [];
        both.client.on('message', (data) => both.got.push(data.toString()));
        both.client.closed.then(({ code }) => ends.push([code, Date.now()]));
        pairs.push(both);
    }
    const deaf = new RawClient(edge, Buffer.alloc(0), { target: '/hold' });  // never answers a Close
    await until(() => deaf.head, 'its 101');
    for (const { server } of pairs) server.send('one');
    await until(() => pairs.every(({ got }) => got.length === 1), 'the first of each');
    for (const { server } of pairs) server.send('two');
    const began = Date.now();
    await nginx.reload();
    await until(() => nginx.log().includes(`${old}#${old}: gracefully shutting down`), 'the old worker takes no more');
    const fresh = await pair('/hold');
    await until(() => ends.length === 12, 'all are closed', 20);
    equal(ends.map(([code]) => code), Array(12).fill(1001), 'codes');
    equal(pairs.map(({ got }) => got.join()), Array(12).fill('one,two'), 'what was held');
    for (const { server } of pairs) equal((await server.closed).code, 1001, 'at the server');
    const spread = ends.at(-1)[1] - ends[0][1];
    assert(spread > 2000, `all were closed within ${spread} ms`);
    await gone(old, 20);
    assert(Date.now() - began < 16000, `the worker took ${Date.now() - began} ms`);
    equal(deaf.closeCode(), 1001, 'the one that does not answer');
    equal(fresh.client.readyState, 1, 'one of the new worker stays');
    fresh.client.close();
    await fresh.client.closed;
    deaf.socket.destroy();
});

await test('nginx quits under worker_shutdown_timeout with idle connections open', async () => {
    const { client } = await pair();
    const all = processTree(nginx.pid).map((one) => one.pid);
    await until(async () => (await status()).memory_bytes < 100000, 'little is held');
    process.kill(nginx.pid, 'SIGQUIT');
    equal((await client.closed).code, 1001);
    for (const one of all) await gone(one, 20);
});
clearInterval(alive);
