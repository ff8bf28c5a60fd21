// A proxy between the edge and Redis that does to the bytes what networks and broken servers do.
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What can be done to a piece of Redis' bytes; each returns what is sent instead, or undefined for the end of the connection. */
const faults = {
    pass: () => ({ send: (chunk) => chunk }),
    /** Every piece comes `ms` later; order stays. */
    delay: ({ ms }) => ({ wait: ms, send: (chunk) => chunk }),
    /** Nothing comes back at all. */
    silence: () => ({ send: () => Buffer.alloc(0) }),
    /** One piece in `every` that is larger than `over` bytes ends in its middle, and with it the connection. */
    cut: ({ every = 1, over = 64 }) => {
        let n = 0;
        return { send: (chunk, proxy) => {
            if (chunk.length <= over || (n += 1) % every) return chunk;
            proxy.done += 1;
            return { last: chunk.subarray(0, chunk.length >> 1) };
        } };
    },
    /** A bulk string of 500 MB begins, and a few bytes of it come. */
    announce: ({ bytes = 500 * 1024 * 1024 }) => ({ send: (chunk, proxy) => {
        proxy.done += 1;
        return Buffer.from(`$${bytes}\r\n${'x'.repeat(1000)}`);
    } }),
    /** Bytes that are no protocol, a different sort each time. */
    garbage: () => {
        const sorts = [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), Buffer.from([0, 255, 1, 254, 13, 10, 0, 0]), Buffer.from('$-2\r\n'),
            Buffer.from('$abc\r\n'), Buffer.from('*99999999\r\n'), Buffer.from(':notanumber\r\n'), Buffer.from(`*1\r\n`.repeat(500)),
            Buffer.from('\r\n\r\n\r\n'), Buffer.from('+'.repeat(100000)), Buffer.from('$5\r\nabcdefghij\r\n')];
        return { send: (chunk, proxy) => sorts[(proxy.done += 1) % sorts.length] };
    },
    /** In one piece of `every`, `count` bytes from its middle are missing. */
    swallow: ({ every = 3, count = 10 }) => {
        let n = 0;
        return { send: (chunk, proxy) => {
            if (chunk.length < 3 * count || (n += 1) % every) return chunk;
            proxy.done += 1;
            const middle = chunk.length >> 1;
            return Buffer.concat([chunk.subarray(0, middle), chunk.subarray(middle + count)]);
        } };
    },
    /** One bit of one piece in `every` is another. */
    flip: ({ every = 3 }) => {
        let n = 0;
        return { send: (chunk, proxy) => {
            if (chunk.length < 200 || (n += 1) % every) return chunk;
            proxy.done += 1;
            const other = Buffer.from(chunk);
            other[(chunk.length * 3) >> 2] ^= 1 << (n % 8);
            return other;
        } };
    },
    /** One whole piece in `every` is lost, so that later replies come in place of earlier ones. */
    lose: ({ every = 5 }) => {
        let n = 0;
        return { send: (chunk, proxy) => {
            if ((n += 1) % every) return chunk;
            proxy.done += 1;
            return Buffer.alloc(0);
        } };
    },
    /** One whole piece in `every` comes twice. */
    repeat: ({ every = 5 }) => {
        let n = 0;
        return { send: (chunk, proxy) => {
            if ((n += 1) % every) return chunk;
            proxy.done += 1;
            return Buffer.concat([chunk, chunk]);
        } };
    },
    /** Connections are accepted and closed at once. */
    refuse: () => ({ send: () => undefined }),
};

export class FaultProxy {
    /** How often a fault was done since set(). */
    done = 0;
    accepted = 0;
    /** Pieces of the edge's larger than `over` bytes, and what comes behind them that way, go on `ms` later. */
    slow;
    #fault = faults.pass();
    #sockets = new Set();
    #server;

    /** to: {host, port} or {path}. */
    constructor(to) { this.to = to; }
    async listen(port) {
        this.#server = net.createServer({ allowHalfOpen: false }, (socket) => this.#serve(socket));
        await new Promise((resolve, reject) => this.#server.once('error', reject).listen(port, '127.0.0.1', resolve));
        this.#server.unref();
        return this;
    }
    /** From the next piece on, also of connections that are open. */
    set(name, options = {}) {
        this.done = 0;
        this.name = name;
        this.#fault = faults[name](options);
    }
    /** Ends the connections that are open. */
    cutAll() { for (const socket of this.#sockets) socket.destroy(); }
    async close() {
        this.cutAll();
        await new Promise((resolve) => this.#server.close(resolve));
    }

    #serve(client) {
        this.accepted += 1;
        if (this.name === 'refuse') {
            this.done += 1;
            client.destroy();
            return;
        }
        const redis = net.connect(this.to);
        for (const [one, other] of [[client, redis], [redis, client]]) {
            one.unref();
            one.setNoDelay(true);
            this.#sockets.add(one);
            one.on('error', () => other.destroy());
            one.on('close', () => { this.#sockets.delete(one); other.destroy(); });
        }
        // In order, both ways, however long each takes.
        let upload = Promise.resolve();
        client.on('data', (chunk) => {
            const { slow } = this;
            upload = upload.then(() => (slow && chunk.length > slow.over ? sleep(slow.ms) : undefined)).then(() => redis.write(chunk));
        });
        let last = Promise.resolve();
        redis.on('data', (chunk) => {
            const fault = this.#fault;
            const due = fault.wait ? sleep(fault.wait) : undefined;
            last = last.then(() => due).then(() => {
                const out = fault.send(chunk, this);
                if (client.destroyed) return;
                if (out === undefined) client.destroy();
                else if (out.last) client.end(out.last, () => client.destroy());
                else if (out.length) client.write(out);
            });
        });
    }
}
export const startFaultProxy = (to, port) => new FaultProxy(to).listen(port);
