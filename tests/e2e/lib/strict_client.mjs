// A WebSocket client that holds its server to every rule of RFC 6455 and RFC 7692, and keeps none itself: it sends what
// it is told to, in any pieces.
import net from 'node:net';
import tls from 'node:tls';
import { isUtf8 } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import zlib from 'node:zlib';

const kGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const tail = Buffer.from([0, 0, 0xff, 0xff]);

/** What a message is compressed to by a client that keeps no context. */
export function deflated(payload, options = {}) {
    const all = zlib.deflateRawSync(payload, { finishFlush: zlib.constants.Z_SYNC_FLUSH, ...options });
    return all.subarray(0, all.length - 4);
}

export function validCloseCode(code) {
    return (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999);
}

export class StrictClient {
    /** What came, in order: ['text', Buffer], ['binary', Buffer], ['ping', Buffer], ['pong', Buffer]. */
    events = [];
    /** Of the Close that came: {code (1005: none), reason}. */
    close = undefined;
    /** What the server did wrong, if anything. */
    fault = undefined;
    ended = false;

    #bytes = Buffer.alloc(0);
    #chunks = [];
    #parts = [];
    #opcode = 0;
    #compressed = false;
    #inMessage = false;
    #waiting = new Set();

    /** Connects and completes the handshake. */
    static async connect({ port, secure = false, target, extensions }) {
        const client = new StrictClient();
        await client.#open(port, secure, target, extensions);
        return client;
    }

    async #open(port, secure, target, extensions) {
        this.socket = secure ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, allowHalfOpen: true })
            : net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
        this.socket.setNoDelay();
        this.socket.on('error', () => this.#end());
        this.socket.on('end', () => this.#end());
        this.socket.on('close', () => this.#end());
        await new Promise((resolve, reject) => {
            this.socket.once(secure ? 'secureConnect' : 'connect', resolve);
            this.socket.once('error', reject);
        });
        const key = randomBytes(16).toString('base64');
        this.socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\n`
            + `Sec-WebSocket-Version: 13\r\n${extensions ? `Sec-WebSocket-Extensions: ${extensions}\r\n` : ''}\r\n`);
        this.socket.on('data', (data) => this.#take(data));
        await this.until(() => this.head !== undefined, 15);
        const status = this.head.slice(0, 12);
        if (status !== 'HTTP/1.1 101') throw new Error(`the answer to the handshake is ${status}`);
        const accept = createHash('sha1').update(key + kGuid).digest('base64');
        if (!this.head.includes(`Sec-WebSocket-Accept: ${accept}`)) throw new Error('wrong Sec-WebSocket-Accept');
        this.agreed = /^Sec-WebSocket-Extensions: (.*)$/mi.exec(this.head)?.[1].trim();
    }

    /** Until the condition holds, or the connection has ended; whether it holds. */
    async until(condition, seconds = 10) {
        let timer;
        let wake;
        const late = new Promise((resolve) => { timer = setTimeout(resolve, seconds * 1000, 'late'); });
        while (!condition() && !this.ended) {
            const woken = new Promise((resolve) => { wake = resolve; this.#waiting.add(wake); });
            if (await Promise.race([woken, late]) === 'late') break;
        }
        clearTimeout(timer);
        return Boolean(condition());
    }

    /** Sends bytes, `piece` at a time if given, each in a write of its own. */
    async write(bytes, piece = 0) {
        if (piece === 0) {
            this.socket.write(bytes);
            return;
        }
        for (let at = 0; at < bytes.length && !this.ended; at += piece) {
            this.socket.write(bytes.subarray(at, at + piece));
            if (this.socket.writableLength > 1 << 20) await new Promise((resolve) => { this.socket.once('drain', resolve); this.socket.once('close', resolve); });
            await (bytes.length < 2000 ? sleep(0) : nextTurn());
        }
    }

    destroy() { this.socket.destroy(); }

    #wake() {
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
    }
    #end() {
        this.ended = true;
        this.#wake();
    }
    #fail(why) { this.fault ??= why; }

    #take(data) {
        this.#chunks.push(data);
        if (this.head === undefined) {
            this.#join();
            const end = this.#bytes.indexOf('\r\n\r\n');
            if (end < 0) return;
            this.head = this.#bytes.subarray(0, end).toString('latin1').replaceAll('\r', '');
            this.#bytes = this.#bytes.subarray(end + 4);
        }
        this.#parse();
        this.#wake();
    }
    #join() {
        if (this.#chunks.length !== 0) this.#bytes = Buffer.concat([this.#bytes, ...this.#chunks]);
        this.#chunks = [];
    }

    #need = 0;
    #parse() {
        const size = this.#chunks.reduce((sum, chunk) => sum + chunk.length, this.#bytes.length);
        if (size < this.#need) return;
        this.#join();
        while (this.fault === undefined && this.#bytes.length >= 2) {
            const bytes = this.#bytes;
            let length = bytes[1] & 0x7f;
            let at = 2;
            if (length === 126) {
                if (bytes.length < 4) break;
                length = bytes.readUInt16BE(2);
                at = 4;
                if (length < 126) return this.#fail('a length not in its shortest form');
            } else if (length === 127) {
                if (bytes.length < 10) break;
                length = Number(bytes.readBigUInt64BE(2));
                at = 10;
                if (length < 65536) return this.#fail('a length not in its shortest form');
            }
            this.#need = at + length;
            if (bytes.length < at + length) return;
            this.#bytes = bytes.subarray(at + length);
            this.#need = 0;
            this.#frame(bytes[0], (bytes[1] & 0x80) !== 0, bytes.subarray(at, at + length));
        }
    }

    #frame(first, masked, payload) {
        const opcode = first & 15;
        const fin = (first & 0x80) !== 0;
        const rsv1 = (first & 0x40) !== 0;
        if (this.close) return this.#fail('a frame after a Close');
        if (masked) return this.#fail('a masked frame');
        if ((first & 0x30) !== 0) return this.#fail('a reserved bit');
        if (opcode >= 8) return this.#control(opcode, fin, rsv1, payload);
        if (opcode > 2) return this.#fail(`opcode ${opcode}`);
        if ((opcode === 0) !== this.#inMessage) return this.#fail('fragments in disorder');
        if (rsv1 && (opcode === 0 || !this.agreed)) return this.#fail('RSV1 that was not agreed on');
        if (opcode !== 0) {
            this.#opcode = opcode;
            this.#compressed = rsv1;
            this.#parts = [];
        }
        this.#parts.push(payload);
        this.#inMessage = !fin;
        if (fin) this.#message(Buffer.concat(this.#parts));
        return undefined;
    }

    #message(bytes) {
        let payload = bytes;
        if (this.#compressed) {
            if (!this.agreed.includes('server_no_context_takeover')) return this.#fail('this client needs server_no_context_takeover');
            try {
                payload = zlib.inflateRawSync(Buffer.concat([bytes, tail]), { finishFlush: zlib.constants.Z_SYNC_FLUSH });
            } catch (error) {
                return this.#fail(`compressed data: ${error.message}`);
            }
        }
        if (this.#opcode === 1 && !isUtf8(payload)) return this.#fail('text that is not UTF-8');
        this.events.push([this.#opcode === 1 ? 'text' : 'binary', payload]);
        return undefined;
    }

    #control(opcode, fin, rsv1, payload) {
        if (!fin) return this.#fail('a fragmented control frame');
        if (rsv1) return this.#fail('a compressed control frame');
        if (payload.length > 125) return this.#fail('a control frame that is too long');
        if (opcode === 9) this.events.push(['ping', Buffer.from(payload)]);
        else if (opcode === 10) this.events.push(['pong', Buffer.from(payload)]);
        else if (opcode !== 8) return this.#fail(`opcode ${opcode}`);
        else if (payload.length === 1) return this.#fail('a Close of one byte');
        else if (payload.length === 0) this.close = { code: 1005, reason: '' };
        else {
            const code = payload.readUInt16BE(0);
            if (!validCloseCode(code)) return this.#fail(`close code ${code}`);
            if (!isUtf8(payload.subarray(2))) return this.#fail('a reason that is not UTF-8');
            this.close = { code, reason: payload.subarray(2).toString() };
        }
        return undefined;
    }
}
