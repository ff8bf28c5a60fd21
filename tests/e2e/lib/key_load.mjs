// A bounded load of many keys for tests of what lies behind the zone: more keys than the zone holds, some of them hot.
// Every body says which key and which version it is and carries a checksum; every answer is looked at.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { equal, request, startOrigin, until } from './e2e.mjs';
import { faultOf, makeBody } from './load.mjs';

const lengthOf = (n) => [300, 2_000, 4_000, 6_000, 9_000, 14_000, 30_000, 700][n % 8];

/** /k/N, and /large/N of 700 KB; each answer is a version of its own. `asked` counts. */
export async function startKeyOrigin(number, { control = 'max-age=600' } = {}) {
    const origin = { asked: 0 };
    await startOrigin(number, (request, response) => {
        origin.asked += 1;
        const [, kind, n] = request.url.split('/');
        const body = makeBody(request.url, '-', `v${origin.asked}`, kind === 'large' ? 700_000 : lengthOf(Number(n)));
        response.writeHead(200, { 'Cache-Control': control, 'Content-Length': body.length, 'X-Version': `v${origin.asked}` });
        response.end(body);
    });
    return origin;
}

/** Clients that ask until stop(). The edge has to send X-Cache ($edge_cache_status) and X-Level ($edge_cache_level). */
export class KeyLoad {
    sent = 0;
    good = 0;
    failures = [];
    /** {at, ms, kind} of each answer; kind: zone, redis or miss. */
    answers = [];
    #running = true;
    #clients;

    /** hot: so many keys get a third of the requests. */
    constructor(ports, { connections = 12, keys = 2000, hot = 10, pause = 8, timeout = 15000 } = {}) {
        Object.assign(this, { ports: [ports].flat(), keys, hot, pause, timeout });
        this.#clients = Array.from({ length: connections }, (_, n) => this.#client(n));
    }
    async stop() {
        this.#running = false;
        await Promise.all(this.#clients);
    }
    /** {zone, redis, miss}, each {count, worst, p50} of the answers that came from `since` on, as Date.now() has it. */
    figures(since = 0) {
        const kinds = { zone: [], redis: [], miss: [] };
        for (const { at, ms, kind } of this.answers) if (at >= since) kinds[kind].push(ms);
        return Object.fromEntries(Object.entries(kinds).map(([kind, all]) => {
            all.sort((a, b) => a - b);
            return [kind, { count: all.length, p50: all[all.length >> 1] ?? 0, worst: all.at(-1) ?? 0 }];
        }));
    }
    /** Throws when an answer was wrong or missing, or fewer than `least` came. */
    check(least) {
        if (this.failures.length) throw new Error(`${this.failures.length} of ${this.sent} answers: ${this.failures.slice(0, 4).join('; ')}`);
        if (this.good < least) throw new Error(`only ${this.good} answers came`);
    }

    async #client(n) {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
        for (let turn = n; this.#running; turn += 1) {
            const key = Math.random() < 0.33 ? Math.floor(Math.random() * this.hot) : Math.floor(Math.random() * this.keys);
            await this.#one(this.ports[turn % this.ports.length], `/k/${key}`, agent);
            await sleep(Math.random() * 2 * this.pause);
        }
        agent.destroy();
    }
    async #one(port, target, agent) {
        this.sent += 1;
        const begun = performance.now();
        let answer;
        // A server may close a kept connection under the next request (RFC 9112 section 9.3.1): a reload does.
        do answer = await this.#ask(port, target, agent); while (answer.error && answer.again);
        const ms = performance.now() - begun;
        const fault = answer.error ?? (answer.status === 200 ? faultOf(answer.body, target, '-') : `status ${answer.status}`)
            ?? (answer.body.toString('latin1', 0, 200).split('|')[2] === answer.headers['x-version'] ? undefined : 'the header of another version');
        if (fault) {
            this.failures.push(`${target}: ${fault} (${answer.headers?.['cache-status']})`);
            return;
        }
        this.good += 1;
        const kind = answer.headers['x-cache'] === 'HIT' ? answer.headers['x-level'] : 'miss';
        this.answers.push({ at: Date.now(), ms, kind });
    }
    #ask(port, target, agent) {
        return new Promise((resolve) => {
            const outgoing = http.request({ host: '127.0.0.1', port, path: target, agent }, (incoming) => {
                const chunks = [];
                incoming.on('data', (chunk) => chunks.push(chunk));
                incoming.on('error', (error) => resolve({ error: `${error.message} in the body` }));
                incoming.on('end', () => resolve(incoming.complete
                    ? { status: incoming.statusCode, headers: incoming.headers, body: Buffer.concat(chunks) } : { error: 'cut short' }));
            });
            outgoing.setTimeout(this.timeout, () => outgoing.destroy(new Error(`no answer in ${this.timeout} ms`)));
            outgoing.on('error', (error) => resolve({ error: error.message, again: outgoing.reusedSocket && !outgoing.res }));
            outgoing.end();
        });
    }
}

/** What the edge says of the log of purges that it shares with other hosts. */
export const purgeLog = async (port) => JSON.parse((await request(port, '/edge_status')).body).redis.purge_logs[0];
let purged = 0;
/**
 * Throws unless a purge on the host at `from` makes the one at `to` ask the app again. Both have keyEdge's conf. between: comes
 * when both have stored what is purged then.
 */
export async function purgeReaches(from, to, what, { between, seconds = 5 } = {}) {
    const target = `/k/${1_000_000 + (purged += 1)}`;
    const hit = (port) => until(async () => {
        const { headers } = await request(port, target);
        return headers['x-cache'] === 'HIT' && headers['x-version'];
    }, `${what}: ${target} is stored on port ${port}`);
    await hit(from);
    const before = await hit(to);
    await between?.();
    const { status } = await request(from, '/edge_purge', { method: 'POST', body: JSON.stringify({ tags: [`of ${target}`] }) });
    equal(status, 200, 'the purge');
    await until(async () => (await request(to, target)).headers['x-version'] !== before, `${what}: a purge reaches port ${to}`, seconds);
}

/** An edge with a small zone and Redis behind it. redis: the arguments of edge_redis after its name. */
export function keyEdge(number, origin, redis, { zone = '4m', http: more = '', workers = 2, cache = '' } = {}) {
    return { workers, http: `
    edge_zone main size=${zone};
    edge_redis shared ${redis};
    ${more}
    keepalive_requests 1000000;
    upstream app { server 127.0.0.1:${origin}; keepalive 32; }
    server {
        listen 127.0.0.1:${number};
        add_header X-Cache $edge_cache_status;
        add_header X-Level $edge_cache_level;
        location / {
            edge_cache main redis=shared;
            edge_cache_key $uri;
            edge_cache_tag "of $uri";
            ${cache}
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
        location = /edge_status { edge_status json; }
        location = /edge_purge { edge_purge main; }
    }` };
}
