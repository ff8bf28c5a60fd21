// The clients of scripts/bench app. Each is a single-page app's user for a while: looks at the dashboard, opens one of
// their projects (Zipf 0.9), which shows thumbnails, watches its list of images, which is asked for again every little
// while as such apps do, opens some images, uploads now and then, goes back. Every question has a random ?_cb= and says
// no-cache. Whose an answer is and whether it shows what was written is checked with each of them.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import zlib from 'node:zlib';
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

/** Images that writes of any run so far were told are there, beyond what the tables began with: by project and user. */
const added = new Map();
const more = (key) => added.get(key) ?? 0;
let serial = 0;

/** What has been asked of a server so far, and what of it a write has changed since: why a miss was one. */
export class Seen {
    #asked = new Set();
    #changed = new Set();

    /** 'first', 'written' or 'expired', as if this were a miss. */
    why(key) {
        const reason = !this.#asked.has(key) ? 'first' : this.#changed.has(key) ? 'written' : 'expired';
        this.#asked.add(key);
        this.#changed.delete(key);
        return reason;
    }

    write(keys) {
        for (const key of keys) this.#changed.add(key);
    }
}

/** Of Cache-Status: whether the app was spared making the body. */
const isHit = (status) => status !== undefined && (/^edge; hit/.test(status) || /fwd-status=304/.test(status));
const decode = { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync };
const parsed = ({ raw, coding }) => JSON.parse(coding ? decode[coding](raw) : raw);

/** Asks `agent`'s server at `port`: (path, headers, {method, body}) to {status, raw, coding, cache, type, ms}. */
const asker = (port, agent) => (path, headers, { method = 'GET', body } = {}) => new Promise((resolve, reject) => {
    const data = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const sent = data ? { ...headers, 'Content-Type': 'application/json', 'Content-Length': data.length } : headers;
    const began = process.hrtime.bigint();
    const outgoing = http.request({ host: '127.0.0.1', port, path, method, headers: sent, agent }, (message) => {
        const parts = [];
        message.on('data', (part) => parts.push(part)).on('error', reject).on('end', () => {
            const ms = Number(process.hrtime.bigint() - began) / 1e6;
            resolve({ status: message.statusCode, raw: Buffer.concat(parts), coding: message.headers['content-encoding'],
                cache: message.headers['cache-status'], type: message.headers['content-type'], ms });
        });
    });
    outgoing.on('error', reject).end(data);
});
const apiHeaders = (user, secret) => ({ 'Accept-Encoding': 'gzip, deflate, br', 'Cache-Control': 'no-cache',
    Authorization: `Bearer ${sign({ iss: 'bench', sub: String(user) }, secret, 900)}` });
const pictureHeaders = { Accept: 'image/avif,image/webp,image/*,*/*;q=0.8' };
/** The first page of a project's images. */
const picturesOf = (project) => [1, 2, 3, 4].map((n) => (project - 1) * 50 + n);
const thumbnailOf = (image) => `/uploads/${image}.jpg?preset=sm`;

/**
 * Runs such clients for so long. Never more than `clients` users are there at once; each waits for an answer, and then for
 * thinkMs on average. `writes`: their share of the API's requests. What comes of it:
 *
 *   latencies, writeLatencies   milliseconds to the last byte, of the API
 *   reads, writes, thumbnails   how many there were
 *   bytes, thumbnailBytes       bodies as they came
 *   kinds                       by kind of URL: how many, hits, shared with a question under way, misses by why they were
 *   stale, foreign, faults      answers that did not show what was written before; that were another's; that failed
 */
export async function run({ port, secret, users, clients, seconds, thinkMs, writes, seed, seen }) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: clients * 6 });
    const result = { latencies: [], writeLatencies: [], reads: 0, writes: 0, thumbnails: 0, bytes: 0, thumbnailBytes: 0, kinds: {}, stale: 0, foreign: 0, faults: [] };
    const end = Date.now() + seconds * 1000;
    const isOver = () => Date.now() > end;
    /** How many uploads a visit has: writes are to be this share of the API's requests, of which a visit has 19.5 without
     *  them (with its part of the first dashboard), and three for each upload. */
    const uploads = (next) => {
        const mean = (19.5 * writes) / (1 - 3 * writes);
        return Math.floor(mean) + (next() < mean % 1 ? 1 : 0);
    };

    const ask = asker(port, agent);
    function note(kind, key, answer) {
        const counts = result.kinds[kind] ??= { asked: 0, hits: 0, shared: 0, first: 0, written: 0, expired: 0 };
        const reason = seen.why(key);
        counts.asked += 1;
        if (isHit(answer.cache)) counts.hits += 1;
        else if (/; collapsed/.test(answer.cache)) counts.shared += 1;
        else counts[reason] += 1;
    }

    async function session(next) {
        const user = 1 + Math.floor(next() * users);
        const headers = apiHeaders(user, secret);
        const key = (path) => `${user} ${path}`;
        /** `judge` says, just before the question, what an answer is judged by: isOwn(value), and isNew(value) by what
         *  had been written until then. */
        const read = async (kind, path, judge) => {
            if (isOver()) return;
            await sleep(thinkMs * 2 * next());
            const { isOwn, isNew = () => true } = judge();
            const answer = await ask(`${path}?_cb=${Math.floor(next() * 1e12)}`, headers);
            note(kind, key(path), answer);
            result.reads += 1;
            result.latencies.push(answer.ms);
            result.bytes += answer.raw.length;
            if (answer.status !== 200) {
                result.faults.push(`${path}: ${answer.status}`);
                return;
            }
            const value = parsed(answer);
            if (!isOwn(value)) result.foreign += 1;
            if (!isNew(value)) result.stale += 1;
        };
        const thumbnail = async (image) => {
            if (isOver()) return;
            const path = thumbnailOf(image);
            const answer = await ask(path, pictureHeaders);
            note('thumbnails', path, answer);
            result.thumbnails += 1;
            result.thumbnailBytes += answer.raw.length;
            if (answer.status !== 200 || !answer.type.startsWith('image/')) result.faults.push(`${path}: ${answer.status} ${answer.type}`);
        };
        const own = (value) => value.user_id === user;
        const profile = () => read('profile', '/api/profile', () => ({ isOwn: own }));
        const projects = () => read('projects', '/api/projects', () => {
            const least = Array.from({ length: 10 }, (_, n) => 50 + more(`project ${(user - 1) * 10 + 1 + n}`));
            return { isOwn: (list) => list.length === 10 && list.every(own), isNew: (list) => list.every(({ id, images }) => images >= least[(id - 1) % 10]) };
        });
        const statistics = () => read('statistics', '/api/statistics', () => {
            const least = 500 + more(`user ${user}`);
            return { isOwn: ({ id }) => id === user, isNew: ({ images }) => images >= least };
        });
        const project = (id) => read('project', `/api/projects/${id}`, () => {
            const least = 50 + more(`project ${id}`);
            return { isOwn: (value) => own(value) && value.id === id, isNew: ({ images }) => images >= least };
        });
        const images = (id) => read('images', `/api/projects/${id}/images`, () => {
            const least = Math.min(100, 50 + more(`project ${id}`));  // it shows so many at most
            return { isOwn: (list) => list.every(({ project_id: of }) => of === id), isNew: (list) => list.length >= least };
        });
        const image = (id) => read('image', `/api/images/${id}`, () => ({ isOwn: (value) => own(value) && value.id === id }));
        async function dashboard() {
            await profile();
            await projects();
            await statistics();
        }
        /** It shows in four other answers; the page asks for two of them at once, for the others when it comes to them. */
        async function upload(id) {
            const made = await ask(`/api/projects/${id}/images`, headers, { method: 'POST', body: { name: `new-${process.pid}-${(serial += 1)}.tiff` } });
            result.writes += 1;
            result.writeLatencies.push(made.ms);
            if (made.status !== 201) {
                result.faults.push(`a write: ${made.status}`);
                return;
            }
            seen.write([`/api/projects/${id}`, `/api/projects/${id}/images`, '/api/projects', '/api/statistics'].map(key));
            for (const of of [`project ${id}`, `user ${user}`]) added.set(of, more(of) + 1);
            await project(id);
            await images(id);
        }

        await dashboard();
        for (let visit = 0; visit < 6 && !isOver(); visit += 1) {
            const id = (user - 1) * 10 + 1 + zipf(next);
            const pictures = picturesOf(id);
            await project(id);
            await Promise.all(pictures.map(thumbnail));
            for (let look = 0; look < 8; look += 1) {
                await images(id);
                if (look % 2 === 0) await statistics();
            }
            for (let n = 0; n < 3 && !isOver(); n += 1) {
                await image(pictures[Math.floor(next() * pictures.length)]);
            }
            for (let left = uploads(next); left > 0 && !isOver(); left -= 1) await upload(id);
            await dashboard();
        }
    }

    await Promise.all(Array.from({ length: clients }, async (_, i) => {
        const next = random(seed * 1000 + i);
        while (!isOver()) await session(next).catch((error) => result.faults.push(error.message));
    }));
    agent.destroy();
    return result;
}

/** All users open all of their projects once, what is opened most first, as long as there is time: {seconds, share}. */
export async function visitAll({ port, secret, users, clients, seconds, seen }) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: clients });
    const ask = asker(port, agent);
    const [began, end] = [Date.now(), Date.now() + seconds * 1000];
    const isOver = () => Date.now() > end;
    let [at, done] = [0, 0];
    async function client() {
        for (; at < users * 10 && !isOver(); done += 1) {
            const [rank, user] = [Math.floor(at / users), 1 + (at % users)];
            at += 1;
            const [headers, project] = [apiHeaders(user, secret), (user - 1) * 10 + 1 + rank];
            const api = [`/api/projects/${project}`, `/api/projects/${project}/images`, ...picturesOf(project).map((image) => `/api/images/${image}`)];
            if (rank === 0) api.push('/api/profile', '/api/projects', '/api/statistics');
            for (const path of api) {
                await ask(path, headers);
                seen.why(`${user} ${path}`);
            }
            for (const image of picturesOf(project)) {
                await ask(thumbnailOf(image), pictureHeaders);
                seen.why(thumbnailOf(image));
            }
        }
    }
    await Promise.all(Array.from({ length: clients }, client));
    agent.destroy();
    return { seconds: (Date.now() - began) / 1000, share: done / (users * 10) };
}
