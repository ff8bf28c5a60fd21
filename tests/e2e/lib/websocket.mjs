// For tests of WebSockets: raw frames, numbered and checksummed messages, and a TCP proxy that counts.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket, { WebSocketServer } from 'ws';

/** A message with its number and a checksum; every third is binary. Sizes: mostly as an app's events are, some large. */
export function makeMessage(seq, largest = 20000) {
    const dice = randomInt(100);
    const size = dice < 80 ? randomInt(0, 400) : dice < 97 ? randomInt(400, 4000) : randomInt(4000, largest);
    const body = seq % 3 === 2 ? randomBytes(size)
        : Buffer.from(Array.from({ length: Math.ceil(size / 40) }, () => `{"stage":"größer","x":${randomInt(1e9)},"y":${randomInt(1000)}}`).join('').slice(0, size));
    const sum = createHash('md5').update(body).digest('hex');
    const message = Buffer.concat([Buffer.from(`${seq} ${sum} `), body]);
    return seq % 3 === 2 ? message : message.toString();
}

/** Throws unless `data` is message number `seq`, as it was made. */
export function checkMessage(data, binary, seq) {
    if (binary !== (seq % 3 === 2)) throw new Error(`message ${seq} changed its type`);
    const head = data.subarray(0, 64).toString('latin1');
    const [number, sum] = head.split(' ');
    if (Number(number) !== seq) throw new Error(`message ${number} came instead of ${seq}`);
    const body = data.subarray(number.length + sum.length + 2);
    if (createHash('md5').update(body).digest('hex') !== sum) throw new Error(`message ${seq} was changed`);
}

/** Sends messages 0 to n-1 at random paces, waiting while too much is buffered. */
export async function sendMessages(socket, n, { largest, burst = 200 } = {}) {
    for (let seq = 0; seq < n;) {
        if (socket.readyState !== WebSocket.OPEN) return;
        for (let left = randomInt(1, burst); left > 0 && seq < n; left -= 1, seq += 1) socket.send(makeMessage(seq, largest));
        while (socket.bufferedAmount > 1 << 20) await sleep(5);
        await sleep(randomInt(0, 12));
    }
}

/** Resolves when messages 0 to n-1 have come, in order and unchanged. */
export function receiveMessages(socket, n) {
    const all = new Promise((resolve, reject) => {
        let seq = 0;
        socket.on('message', (data, binary) => {
            try {
                checkMessage(data, binary, seq);
                seq += 1;
                if (seq === n) resolve();
            } catch (error) {
                reject(error);
            }
        });
        socket.on('close', (code) => reject(new Error(`closed with ${code} after ${seq} messages`)));
        socket.on('error', reject);
    });
    all.catch(() => {});  // it may be awaited later
    return all;
}

/** For startServer: /echo, and /both?N, which sends N messages and checks the N that come. */
export const exchange = {
    echo(socket) { socket.on('message', (data, binary) => socket.send(data, { binary })); },
    async both(socket, { url }) {
        const n = Number(url.split('?')[1]);
        const received = receiveMessages(socket, n);
        await sendMessages(socket, n, { largest: 200000 });
        try {
            await received;
            socket.send('all received');
        } catch (error) {
            socket.send(`server: ${error.message}`);
        }
    },
};

/** A client that is connected; `begin(socket)` is called before anything can have come. */
export async function open(url, options = {}, begin = () => {}, protocols = []) {
    const socket = new WebSocket(url, protocols, options);
    begin(socket);
    socket.closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
    await new Promise((resolve, reject) => { socket.once('open', resolve); socket.once('error', reject); });
    socket.on('error', () => {});
    return socket;
}

/** A WebSocket server; the path's first part names the handler: handlers.echo(socket, request). */
export function startServer(server, handlers, options = {}) {
    const sockets = new WebSocketServer({ server, maxPayload: 256 << 20, ...options });
    sockets.on('connection', (socket, request) => {
        socket.on('error', () => {});
        socket.closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
        const name = /([a-z]+)(\?|$)/.exec(request.url)[1];
        handlers[name](socket, request);
    });
    return sockets;
}

/** A TCP proxy from port `from` to `to` that counts what comes back: {bytes, reads}. */
export async function startCounter(from, to) {
    const counter = { bytes: 0, reads: 0, sent: 0 };
    const server = net.createServer((client) => {
        const upstream = net.connect(to, '127.0.0.1');
        client.setNoDelay();
        upstream.setNoDelay();
        client.on('data', (data) => { counter.sent += data.length; upstream.write(data); });
        upstream.on('data', (data) => { counter.bytes += data.length; counter.reads += 1; client.write(data); });
        for (const [one, other] of [[client, upstream], [upstream, client]]) {
            one.on('end', () => other.end());
            one.on('error', () => other.destroy());
            one.unref();
        }
    });
    await new Promise((resolve) => server.listen(from, '127.0.0.1', resolve));
    server.unref();
    counter.reset = () => { counter.bytes = 0; counter.reads = 0; counter.sent = 0; };
    return counter;
}

// --- raw frames ---

export function frame(opcode, payload = Buffer.alloc(0), { fin = true, masked = true, rsv1 = false } = {}) {
    const body = Buffer.from(payload);
    const head = [(fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode];
    const bit = masked ? 0x80 : 0;
    if (body.length < 126) head.push(bit | body.length);
    else if (body.length < 65536) head.push(bit | 126, body.length >> 8, body.length & 255);
    else head.push(bit | 127, 0, 0, 0, 0, body.length >>> 24, (body.length >> 16) & 255, (body.length >> 8) & 255, body.length & 255);
    if (!masked) return Buffer.concat([Buffer.from(head), body]);
    const mask = randomBytes(4);
    for (let i = 0; i < body.length; i += 1) body[i] ^= mask[i % 4];
    return Buffer.concat([Buffer.from(head), mask, body]);
}

/** All whole frames of `bytes`: [{opcode, payload, masked, rsv1}]; what is left stays out. */
export function parseFrames(bytes) {
    const frames = [];
    for (let at = 0; at + 2 <= bytes.length;) {
        let length = bytes[at + 1] & 0x7f;
        let next = at + 2;
        if (length === 126) { length = bytes.readUInt16BE(next); next += 2; } else if (length === 127) { length = Number(bytes.readBigUInt64BE(next)); next += 8; }
        const masked = (bytes[at + 1] & 0x80) !== 0;
        const mask = bytes.subarray(next, next + 4);
        if (masked) next += 4;
        if (next + length > bytes.length) break;
        const payload = Buffer.from(bytes.subarray(next, next + length));
        if (masked) for (let i = 0; i < length; i += 1) payload[i] ^= mask[i % 4];
        frames.push({ opcode: bytes[at] & 15, fin: (bytes[at] & 0x80) !== 0, rsv1: (bytes[at] & 0x40) !== 0, masked, payload });
        at = next + length;
    }
    return frames;
}

export const requestText = (target, extra = '') => `GET ${target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
    + `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${extra}\r\n`;
export const responseText = (extra = '') => 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    + `Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n${extra}\r\n`;

/** A client by hand: what it has got is in .head and .frames(). */
export class RawClient {
    constructor(port, early = Buffer.alloc(0), { target = '/ws/echo', extra = '', oneByOne = false } = {}) {
        this.bytes = Buffer.alloc(0);
        this.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        this.socket.setNoDelay();
        this.ended = new Promise((resolve) => { this.socket.on('end', resolve); this.socket.on('close', resolve); });
        this.socket.on('error', () => {});
        this.socket.on('data', (data) => { this.bytes = Buffer.concat([this.bytes, data]); });
        const bytes = Buffer.concat([Buffer.from(requestText(target, extra)), early]);
        if (!oneByOne) this.socket.write(bytes);
        else this.writeSlowly(bytes);
    }
    async writeSlowly(bytes) {
        for (const byte of bytes) {
            this.socket.write(Buffer.from([byte]));
            await sleep(0);
        }
    }
    get head() {
        const end = this.bytes.indexOf('\r\n\r\n');
        return end < 0 ? '' : this.bytes.subarray(0, end).toString('latin1');
    }
    frames() {
        const end = this.bytes.indexOf('\r\n\r\n');
        return end < 0 ? [] : parseFrames(this.bytes.subarray(end + 4));
    }
    /** The code of the Close it got, or nothing. */
    closeCode() {
        const close = this.frames().find(({ opcode }) => opcode === 8);
        return close && (close.payload.length >= 2 ? close.payload.readUInt16BE(0) : 1005);
    }
}

/** A server by hand: answers with 101 and `rest` in one write; what it got is in .bytes (frames after the request). */
export async function startRawServer(port, rest, onConnection = () => {}) {
    const seen = { frames: () => parseFrames(seen.bytes), bytes: Buffer.alloc(0), requests: [] };
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
        let request = Buffer.alloc(0);
        let answered = false;
        seen.bytes = Buffer.alloc(0);
        seen.socket = socket;
        seen.ended = new Promise((resolve) => { socket.on('end', resolve); socket.on('close', resolve); });
        socket.unref();
        socket.on('error', () => {});
        socket.on('data', (data) => {
            if (answered) {
                seen.bytes = Buffer.concat([seen.bytes, data]);
                return;
            }
            request = Buffer.concat([request, data]);
            const end = request.indexOf('\r\n\r\n');
            if (end < 0) return;
            answered = true;
            seen.requests.push(request.subarray(0, end).toString('latin1'));
            seen.bytes = request.subarray(end + 4);
            socket.write(typeof rest === 'function' ? rest(seen.requests.at(-1)) : Buffer.concat([Buffer.from(responseText()), rest]));
            onConnection(socket);
        });
    });
    await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
    server.unref();
    return seen;
}
