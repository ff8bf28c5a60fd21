#!/usr/bin/env node
// Numbered, checksummed messages of random sizes both ways, under random batching, compression and limits, through reloads,
// new binaries (USR2) and readers that pause: nothing is lost, duplicated, changed or reordered.
// EDGE_PROPERTY_MESSAGES: how many each way in all (default 60000; a million takes some ten minutes).
// timeout: 3000
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import WebSocket from 'ws';
import { Nginx, assert, equal, port, request, sleep, startOrigin, test, until } from './lib/e2e.mjs';
import { startServer } from './lib/websocket.mjs';

const total = Number(process.env.EDGE_PROPERTY_MESSAGES ?? 60000);
const dir = process.env.EDGE_DIR;
const [edge, edgeTls, app] = [0, 1, 2].map(port);
const alive = setInterval(() => {}, 1000);
execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-keyout', path.join(dir, 'key.pem'), '-out', path.join(dir, 'cert.pem')], { stdio: 'ignore' });
fs.chmodSync(dir, 0o755);

// --- messages: [number (4), sum (4)] and a body cut out of one of two sources, as their number says ---

const noise = randomBytes(1 << 20);
const text = Buffer.from(Array.from({ length: 30000 }, (_, i) => `{"seq":${i},"stage":"größer ${i % 7}","x":${(i * 7919) % 1399}},`).join(''));
const sumOf = (body) => createHash('md5').update(body).digest().readUInt32LE(0);
function makeMessage(seq) {
    const dice = randomInt(1000);
    const size = dice < 800 ? randomInt(0, 400) : dice < 985 ? randomInt(400, 4000) : dice < 997 ? randomInt(4000, 40000) : randomInt(40000, 300000);
    const source = randomInt(10) < 8 ? text : noise;
    const at = randomInt(source.length - size);
    const body = source.subarray(at, at + size);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(seq, 0);
    head.writeUInt32LE(sumOf(body), 4);
    return Buffer.concat([head, body]);
}
function wrongOf(data, binary, seq) {
    if (!binary) return `message ${seq} became text`;
    if (data.readUInt32LE(0) !== seq) return `message ${data.readUInt32LE(0)} came instead of ${seq}`;
    if (sumOf(data.subarray(8)) !== data.readUInt32LE(4)) return `message ${seq} was changed`;
    return undefined;
}

/** Both directions of one end: sends n messages in bursts, checks what comes, pauses reading now and then. */
function exchange(socket, n) {
    const state = { received: 0, wrong: undefined };
    state.done = new Promise((resolve) => {
        const end = (why) => { if (why) state.wrong ??= why; resolve(state); };
        socket.on('message', (data, binary) => {
            const why = wrongOf(data, binary, state.received);
            if (why) end(why);
            state.received += 1;
            if (state.received === n) end();
            if (randomInt(4000) === 0) {
                socket.pause();
                setTimeout(() => socket.resume(), randomInt(20, 700));
            }
        });
        socket.on('close', (code) => end(state.received === n ? undefined : `closed with ${code} after ${state.received} of ${n}`));
        socket.on('error', (error) => end(error.message));
    });
    state.sent = (async () => {
        if (socket.readyState === WebSocket.CONNECTING) await new Promise((resolve) => { socket.once('open', resolve); socket.once('error', resolve); });
        for (let seq = 0; seq < n && socket.readyState === WebSocket.OPEN;) {
            for (let left = randomInt(1, 300); left > 0 && seq < n; left -= 1, seq += 1) socket.send(makeMessage(seq));
            while (socket.bufferedAmount > 1 << 20 && socket.readyState === WebSocket.OPEN) await sleep(10);
            await sleep(randomInt(0, 60));
        }
    })();
    return state;
}

const ends = new Map();  // of the connections' other sides, by number
const server = await startOrigin(app, (incoming, outgoing) => outgoing.end());
startServer(server, { exchange(socket, { url }) {
    const [n, serial] = url.split('?')[1].split('-').map(Number);
    ends.set(serial, exchange(socket, n));
} }, { perMessageDeflate: { threshold: 100 } });

const pick = (...list) => list[randomInt(list.length)];
/** A location's directives, at random. */
function settings() {
    const compress = randomInt(6) === 0 ? pick('off', 'upstream')
        : `level=${randomInt(1, 10)} window=${randomInt(9, 16)} memory=${randomInt(4, 10)} context=${pick('on', 'on', 'off')} min=${pick(0, 100, '1k')}`;
    const batch = randomInt(5) === 0 ? 'off' : `messages=${randomInt(1, 100)} delay=${randomInt(1, 60)}ms bytes=${pick(100, 1000, 16000, '100k')}`;
    return `edge_websocket_compress ${compress}; edge_websocket_batch ${batch}; edge_websocket_limit buffer=${pick('4k', '16k', '64k', '300k')} ratio=0;
        edge_websocket_ping ${pick('off', '1s timeout=1h')}; edge_websocket_priority ${pick('off', 'larger=2k', 'smaller=30')};`;
}
const locations = 24;
const conf = () => ({ workers: 2, http: `
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
    edge_websocket on;
    ssl_certificate ${dir}/cert.pem;
    ssl_certificate_key ${dir}/key.pem;
    server {
        listen 127.0.0.1:${edge};
        listen 127.0.0.1:${edgeTls} ssl;
        location / { return 200 "here"; }
        ${Array.from({ length: locations }, (_, i) => `location /${i}/ { ${settings()} proxy_pass http://127.0.0.1:${app}; }`).join('\n        ')}
        location = /edge_status { edge_status json; }
    }` });

const nginx = new Nginx('edge');
const file = path.join(nginx.dir, 'nginx.conf');
/** nginx takes USR2 only when it is no longer its parent's child: not with "daemon off". */
function write() {
    nginx.write(conf());
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('daemon off;', ''));
}
const oldPidFile = path.join(nginx.dir, 'nginx.pid.oldbin');
const running = (pid) => { try { process.kill(pid, 0); return true; } catch { return false; } };
const masters = new Set();

async function reload() {
    write();
    const before = nginx.log().split('start worker process ').length;
    process.kill(nginx.pid, 'SIGHUP');
    await until(() => nginx.log().split('start worker process ').length > before, 'nginx reloads', 30);
}
/** A new binary; the old one ends when its tunnels do. */
async function upgrade() {
    const old = nginx.pid;
    process.kill(old, 'SIGUSR2');
    await until(() => fs.existsSync(oldPidFile) && nginx.pid > 0 && nginx.pid !== old, 'a new master', 30);
    masters.add(nginx.pid);
    await sleep(300);
    process.kill(old, 'SIGQUIT');
}

write();
equal(spawnSync(process.env.EDGE_NGINX, ['-p', nginx.dir, '-e', path.join(nginx.dir, 'error.log'), '-c', file]).status, 0, 'nginx starts');
await until(() => nginx.pid > 0, 'nginx starts');
masters.add(nginx.pid);
try {
    await test(`${total} messages each way under random settings, through reloads and a new binary: all there, in order, unchanged`, async () => {
        const each = Math.max(200, Math.round(total / 60));
        let left = total;
        const failures = [];
        let serial = 0;
        let received = 0;
        const one = async () => {
            while (left > 0) {
                const n = Math.min(each, left);
                left -= n;
                serial += 1;
                const me = serial;
                const secure = randomInt(3) === 0;
                const socket = new WebSocket(`${secure ? 'wss' : 'ws'}://127.0.0.1:${secure ? edgeTls : edge}/${me % locations}/exchange?${n}-${me}`,
                    { rejectUnauthorized: false, maxPayload: 64 << 20, perMessageDeflate: pick(false, true, { threshold: 0 }, { threshold: 50, clientNoContextTakeover: true, serverMaxWindowBits: 11 }) });
                const mine = exchange(socket, n);
                const other = await until(() => ends.get(me), 'the server has it', 30);
                await Promise.all([mine.done, mine.sent, other.done, other.sent]);
                for (const [end, { wrong }] of [['client', mine], ['server', other]])
                    if (wrong) failures.push(`connection ${me}, location ${me % locations}, at the ${end}: ${wrong}`);
                received += other.received;
                socket.removeAllListeners('close');
                if (socket.readyState !== WebSocket.OPEN) continue;
                const closed = new Promise((resolve) => { socket.once('close', resolve); });
                socket.close(1000);
                const code = await closed;
                if (code !== 1000) failures.push(`connection ${me}: closed with ${code}`);
            }
        };
        let working = true;
        let events = 0;
        const disturb = (async () => {
            while (working) {
                await sleep(randomInt(1500, 4000));
                if (!working) break;
                if (events % 4 === 3 && !fs.existsSync(oldPidFile)) await upgrade();
                else await reload();
                events += 1;
            }
        })();
        await Promise.all(Array.from({ length: 8 }, one));
        working = false;
        await disturb;
        for (const failure of failures) console.log(`# ${failure}`);
        console.log(`# ${received} messages at the server, ${serial} connections, ${events} reloads and new binaries`);
        assert(failures.length === 0, `${failures.length}: ${failures[0]}`);
        equal(received, total, 'messages at the server');
        assert(events > 0, 'nothing was reloaded');
    });

    await test('old workers and old binaries are gone when their connections are', async () => {
        await until(() => !fs.existsSync(oldPidFile), 'the old master ends', 30);
        for (const pid of masters) if (pid !== nginx.pid) await until(() => !running(pid), `master ${pid} ends`, 30);
        await until(async () => JSON.parse((await request(edge, '/edge_status')).body).websocket.connections.active === 0, 'no connection is counted', 20);
    });
} finally {
    for (const pid of masters) {
        if (!running(pid)) continue;
        process.kill(pid, 'SIGTERM');
        await until(() => !running(pid), `master ${pid} ends`, 20);
    }
    clearInterval(alive);
}
