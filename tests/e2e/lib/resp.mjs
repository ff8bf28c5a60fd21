// A client of Redis for what a test itself asks: RESP2 over TCP, TLS or a unix socket, pipelined.
import net from 'node:net';
import tls from 'node:tls';

/** Takes replies out of bytes; an error reply becomes an Error, a nil null. */
class Replies {
    #rest = Buffer.alloc(0);

    feed(chunk) { this.#rest = this.#rest.length ? Buffer.concat([this.#rest, chunk]) : chunk; }
    /** {value} or nothing while the next reply is not whole. */
    next() {
        const found = this.#read(0);
        if (!found) return undefined;
        this.#rest = this.#rest.subarray(found.end);
        return found;
    }
    #read(at) {
        const eol = this.#rest.indexOf('\r\n', at);
        if (eol < 0) return undefined;
        const line = this.#rest.toString('utf8', at + 1, eol);
        const end = eol + 2;
        switch (String.fromCharCode(this.#rest[at])) {
        case '+': return { value: line, end };
        case '-': return { value: new Error(line), end };
        case ':': return { value: Number(line), end };
        case '$': {
            const length = Number(line);
            if (length < 0) return { value: null, end };
            if (this.#rest.length < end + length + 2) return undefined;
            return { value: this.#rest.toString('utf8', end, end + length), end: end + length + 2 };
        }
        case '*': {
            const all = [];
            let position = end;
            for (let n = Number(line); n > 0; n -= 1) {
                const one = this.#read(position);
                if (!one) return undefined;
                all.push(one.value);
                position = one.end;
            }
            return { value: Number(line) < 0 ? null : all, end: position };
        }
        default: throw new Error(`no reply of Redis: ${line}`);
        }
    }
}

export class Connection {
    #socket;
    #waiting = [];
    #failure;

    /** options as for net.connect, {tls: {...}} for tls.connect's beside them. */
    constructor(options) {
        this.#socket = options.tls ? tls.connect({ ...options, ...options.tls }) : net.connect(options);
        this.#socket.unref();
        const replies = new Replies();
        this.#socket.on('data', (chunk) => {
            replies.feed(chunk);
            for (let reply = replies.next(); reply; reply = replies.next()) {
                const { resolve, reject } = this.#waiting.shift();
                if (reply.value instanceof Error) reject(reply.value);
                else resolve(reply.value);
                if (!this.#waiting.length) this.#socket.unref();
            }
        });
        this.#socket.on('error', (error) => this.#fail(error));
        this.#socket.on('close', () => this.#fail(new Error('Redis closed the connection')));
    }
    #fail(error) {
        this.#failure ??= error;
        for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
    }
    command(...words) {
        if (this.#failure) return Promise.reject(this.#failure);
        const parts = words.map((word) => Buffer.from(String(word)));
        this.#socket.write(Buffer.concat([Buffer.from(`*${parts.length}\r\n`),
            ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')])]));
        this.#socket.ref();
        return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
    close() { this.#socket.destroy(); }
}
