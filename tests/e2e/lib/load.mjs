// A bounded load for tests of what must not disturb running traffic: an origin whose answers can be told apart byte by
// byte, and clients that check every one of them.
import { createHash } from 'node:crypto';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { startOrigin } from './e2e.mjs';

const md5 = (data) => createHash('md5').update(data).digest('hex');

/** The whole body of an answer: a line that says what it is and carries the checksum of the rest. */
export function makeBody(target, tenant, version, length) {
    const payload = Buffer.alloc(length, `${target} ${tenant} ${version};`);
    return Buffer.concat([Buffer.from(`${target}|${tenant}|${version}|${length}|${md5(payload)}\n`), payload]);
}

/** Why these bytes are not a whole answer to this request, or nothing. */
export function faultOf(body, target, tenant) {
    const end = body.indexOf(10);
    const [url, whose, , length, sum] = body.subarray(0, Math.max(end, 0)).toString('latin1').split('|');
    const payload = body.subarray(end + 1);
    if (url !== target) return `another URL's body: ${url}`;
    if (whose !== tenant) return `another tenant's body: ${whose}`;
    if (payload.length !== Number(length)) return `${payload.length} of ${length} bytes`;
    return md5(payload) === sum ? undefined : 'the checksum is wrong';
}

const kinds = {
    fresh: { control: 'max-age=600', etag: true },
    large: { control: 'max-age=600', etag: true, length: 700_000 },
    chunked: { control: 'max-age=600', chunked: true },
    short: { control: 'max-age=1', etag: true, changes: 1500 },
    behind: { control: 'max-age=1, stale-while-revalidate=60', etag: true, changes: 1500 },
    tenant: { control: 'max-age=600', vary: 'X-Tenant' },
    never: { control: 'no-store', once: true },
};
const names = Object.keys(kinds);
const lengthOf = (kind, n) => kind.length ?? [0, 60, 900, 5_000, 17_000, 60_000, 130_000][n % 7];

/** An origin for Load. /KIND/N; every answer says its version in X-Version too. */
export async function startCheckedOrigin(number) {
    let serial = 0;
    const started = process.hrtime.bigint().toString(36);
    return startOrigin(number, (request, response) => {
        const [, name, n] = request.url.split('/');
        const kind = kinds[name];
        const tenant = request.headers['x-tenant'] ?? '-';
        const version = kind.once ? `${started}.${++serial}` : kind.changes ? Math.floor(Date.now() / kind.changes) : started;
        const headers = { 'Cache-Control': kind.control, 'X-Version': version };
        if (kind.vary) headers.Vary = kind.vary;
        if (kind.etag) {
            headers.ETag = `"${version}"`;
            if (request.headers['if-none-match'] === headers.ETag) {
                response.writeHead(304, headers).end();
                return;
            }
        }
        const body = makeBody(request.url, tenant, version, lengthOf(kind, Number.parseInt(n, 10)));
        if (!kind.chunked) headers['Content-Length'] = body.length;
        response.writeHead(200, headers);
        const half = body.length >> 1;
        response.write(body.subarray(0, half));
        setImmediate(() => response.end(body.subarray(half)));
    });
}

/** Clients that ask the edge until stop(). */
export class Load {
    sent = 0;
    good = 0;
    /** Requests sent again because the server closed the kept connection under them, as it may (RFC 9112 section 9.3.1). */
    repeated = 0;
    failures = [];
    /** Broken connections while `crashing` is set; the answer was not taken for a whole one. */
    broken = 0;
    crashing = false;
    statuses = {};
    #seen = new Set();
    #running = true;
    #clients;

    constructor(port, { connections = 32 } = {}) {
        this.port = port;
        this.#clients = Array.from({ length: connections }, (_, n) => this.#client(n));
    }

    /** Ends the clients; each finishes the request it is at. */
    async stop() {
        this.#running = false;
        await Promise.all(this.#clients);
    }

    async #client(n) {
        // Every other one has a connection for each request: none of those may fail, ever.
        const agent = n % 2 ? new http.Agent({ keepAlive: true, maxSockets: 1 }) : false;
        for (let turn = n; this.#running; turn += 1) {
            const leaves = n % 16 === 2 && turn % 4 === 0;
            await this.#one(names[turn % names.length], (turn * 31) % 30, { agent, leaves, range: turn % 11 === 3 });
            await sleep(Math.random() * 12);
        }
        if (agent) agent.destroy();
    }

    async #one(name, n, options) {
        const target = `/${name}/${n}`;
        const tenant = name === 'tenant' ? String(Math.floor(Math.random() * 3)) : '-';
        const headers = tenant === '-' ? {} : { 'X-Tenant': tenant };
        const range = options.range && (name === 'fresh' || name === 'large') && lengthOf(kinds[name], n) > 1000;
        if (range) headers.Range = 'bytes=100-899';
        for (;;) {
            this.sent += 1;
            const answer = await this.#ask(target, headers, options);
            if (answer.left) return;
            if (answer.error) {
                if (answer.reused && !answer.begun) {
                    this.repeated += 1;
                    continue;
                }
                if (this.crashing) this.broken += 1;
                else this.failures.push(`${target}: ${answer.error}`);
                return;
            }
            const fault = range && answer.status === 206 ? this.#faultOfRange(answer, target) : this.#faultOf(answer, target, tenant, name);
            if (fault) this.failures.push(`${target}: ${fault} (${answer.headers['cache-status']})`);
            else this.good += 1;
            const status = answer.headers['x-cache'] ?? '-';
            this.statuses[status] = (this.statuses[status] ?? 0) + 1;
            return;
        }
    }

    #faultOf(answer, target, tenant, name) {
        if (answer.status !== 200) return `status ${answer.status}`;
        const fault = faultOf(answer.body, target, tenant);
        if (fault) return fault;
        const version = answer.body.toString('latin1', 0, 200).split('|')[2];
        if (answer.headers['x-version'] !== version) return `header of version ${answer.headers['x-version']}, body of ${version}`;
        if (name === 'never') {
            if (this.#seen.has(version)) return 'an answer that must not be stored came twice';
            this.#seen.add(version);
        }
        return undefined;
    }

    #faultOfRange(answer, target) {
        const [, name, n] = target.split('/');
        const whole = makeBody(target, '-', answer.headers['x-version'], lengthOf(kinds[name], Number(n)));
        if (answer.headers['content-range'] !== `bytes 100-899/${whole.length}`) return `Content-Range: ${answer.headers['content-range']}`;
        return answer.body.equals(whole.subarray(100, 900)) ? undefined : 'the part has other bytes';
    }

    #ask(target, headers, { agent, leaves }) {
        return new Promise((resolve) => {
            let begun = false;
            const outgoing = http.request({ host: '127.0.0.1', port: this.port, path: target, headers, agent }, (incoming) => {
                begun = true;
                const chunks = [];
                incoming.on('data', (chunk) => {
                    chunks.push(chunk);
                    if (leaves) {
                        resolve({ left: true });
                        outgoing.destroy();
                    }
                });
                incoming.on('error', (error) => resolve({ error: `${error.message} in the body`, begun }));
                incoming.on('end', () => resolve(incoming.complete
                    ? { status: incoming.statusCode, headers: incoming.headers, body: Buffer.concat(chunks) }
                    : { error: 'cut short', begun }));
            });
            outgoing.setTimeout(15000, () => outgoing.destroy(new Error('no answer in 15 s')));
            outgoing.on('error', (error) => resolve({ error: error.message, begun, reused: outgoing.reusedSocket }));
            outgoing.end();
        });
    }
}

/** What the load has found so far as one line; throws when something was wrong. */
export function checkLoad(load, least) {
    if (load.failures.length) throw new Error(`${load.failures.length} of ${load.sent} answers: ${load.failures.slice(0, 4).join('; ')}`);
    if (load.good < least) throw new Error(`only ${load.good} answers came`);
}
