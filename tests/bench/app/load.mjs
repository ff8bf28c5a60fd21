// The clients of scripts/bench app. Each is a single-page app's user for a while: looks at the dashboard, opens one of
// their projects (Zipf 0.9), watches its list of images, which is asked for again every little while as such apps do,
// looks at some images, goes back, and now and then writes. Every question has a random ?_cb= and says no-cache.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { sign } from '../../../docker/demo/jwt.mjs';

/** A small generator of its own, so that a seed makes the same run. */
export function random(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), state | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}
const weights = Array.from({ length: 10 }, (_, i) => 1 / (i + 1) ** 0.9);
const total = weights.reduce((sum, weight) => sum + weight, 0);
function zipf(next) {
    let at = next() * total;
    for (let i = 0; i < weights.length; i += 1) if ((at -= weights[i]) <= 0) return i;
    return 0;
}

/** Images of a project that writes of any run so far were told are there, beyond the 50 of each. */
const added = new Map();
let serial = 0;

/**
 * Runs `clients` users of `users` at a time against a port for `seconds`, and pauses `thinkMs` on average between
 * questions. {latencies (ms, of API reads), reads, writes, thumbnails, bytes, stale, faults}
 */
export async function run({ port, secret, users, clients, seconds, thinkMs, writes, seed }) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: clients });
    const result = { latencies: [], writeLatencies: [], reads: 0, writes: 0, thumbnails: 0, bytes: 0, stale: 0, faults: [] };
    const end = Date.now() + seconds * 1000;

    const ask = (path, token, { method = 'GET', body } = {}) => new Promise((resolve, reject) => {
        const headers = { 'Accept-Encoding': 'gzip, deflate, br', 'Cache-Control': 'no-cache', Authorization: `Bearer ${token}` };
        const data = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
        if (data) Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': data.length });
        const began = process.hrtime.bigint();
        const outgoing = http.request({ host: '127.0.0.1', port, path, method, headers, agent }, (message) => {
            const parts = [];
            message.on('data', (part) => parts.push(part)).on('error', reject).on('end', () => {
                const raw = Buffer.concat(parts);
                result.bytes += raw.length;
                resolve({ status: message.statusCode, raw, coding: message.headers['content-encoding'], ms: Number(process.hrtime.bigint() - began) / 1e6 });
            });
        });
        outgoing.on('error', reject).end(data);
    });

    async function session(next) {
        const user = 1 + Math.floor(next() * users);
        const token = sign({ iss: 'bench', sub: String(user) }, secret, 900);
        const read = async (path) => {
            if (Date.now() > end) return undefined;
            await sleep(thinkMs * 2 * next());
            const answer = await ask(`${path}?_cb=${Math.floor(next() * 1e12)}`, token);
            if (answer.status !== 200) result.faults.push(`${path}: ${answer.status}`);
            result.reads += 1;
            result.latencies.push(answer.ms);
            return answer;
        };
        const dashboard = async () => {
            for (const path of ['/api/profile', '/api/projects', '/api/statistics']) await read(path);
        };
        await dashboard();
        for (let visit = 0; visit < 6 && Date.now() < end; visit += 1) {
            const project = (user - 1) * 10 + 1 + zipf(next);
            await read(`/api/projects/${project}`);
            for (let look = 0; look < 8; look += 1) {
                await read(`/api/projects/${project}/images`);
                if (look % 2 === 0) await read('/api/statistics');
            }
            for (let n = 0; n < 6 && Date.now() < end; n += 1) {
                const image = (project - 1) * 50 + 1 + Math.floor(next() * 4);
                const thumbnail = await ask(`/uploads/${image}.jpg`, token);
                if (thumbnail.status !== 200) result.faults.push(`thumbnail: ${thumbnail.status}`);
                result.thumbnails += 1;
                if (n < 3) await read(`/api/images/${image}`);
            }
            // So many that they are this share of all API requests: a visit has 19 others.
            if (next() < writes * 20 && Date.now() < end) await write(next, token, project, read);
            await dashboard();
        }
    }
    /** A write, and whether the next reads show it. */
    async function write(next, token, project, read) {
        const name = `new-${process.pid}-${(serial += 1)}.tiff`;
        const made = await ask(`/api/projects/${project}/images`, token, { method: 'POST', body: { name } });
        result.writes += 1;
        result.writeLatencies.push(made.ms);
        if (made.status !== 201) {
            result.faults.push(`a write: ${made.status}`);
            return;
        }
        added.set(project, (added.get(project) ?? 0) + 1);
        const least = 50 + added.get(project);
        const shown = await decoded(await read(`/api/projects/${project}`));
        const list = await decoded(await read('/api/projects'));
        if (!shown || !list) return;
        if (shown.images < least || list.find(({ id }) => id === project).images < least) result.stale += 1;
    }

    await Promise.all(Array.from({ length: clients }, async (_, i) => {
        const next = random(seed * 1000 + i);
        while (Date.now() < end) await session(next).catch((error) => result.faults.push(error.message));
    }));
    agent.destroy();
    return result;
}

async function decoded(answer) {
    if (!answer) return undefined;
    const zlib = await import('node:zlib');
    const raw = answer.coding === 'br' ? zlib.brotliDecompressSync(answer.raw) : answer.coding === 'gzip' ? zlib.gunzipSync(answer.raw) : answer.raw;
    return JSON.parse(raw);
}
