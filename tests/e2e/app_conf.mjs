#!/usr/bin/env node
// nginx-conf/app.conf as shipped, changed only in its addresses and paths, in front of the demo app with its bad habits
// and of a front end made of files: what its comments promise.
// timeout: 180
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import zlib from 'node:zlib';
import { io } from 'socket.io-client';
import { assert, equal, port, request, start, startNginx, test, until, waitPort } from './lib/e2e.mjs';
import { kind, shape } from './lib/picture.mjs';

const repo = process.env.EDGE_REPO;
const dir = process.env.EDGE_DIR;
const [plain, tls, app, files] = [0, 1, 2, 3].map(port);
const secret = 'a secret of more than 32 bytes, known to the app';

// --- what the configuration names ---
const site = path.join(dir, 'site');
fs.mkdirSync(path.join(site, 'assets'), { recursive: true });
fs.mkdirSync(path.join(dir, 'tls'));
const page = `<!doctype html><title>App</title><script src="/assets/app-3f2a1b.js"></script>${'<p>An app.</p>'.repeat(100)}\n`;
const script = Array.from({ length: 4000 }, (_, i) => `export function part${i}(state) { return state.items[${i * 7919 % 1009}]?.name ?? 'none ${i % 17}'; }`).join('\n');
fs.writeFileSync(path.join(site, 'index.html'), page);
fs.writeFileSync(path.join(site, 'assets/app-3f2a1b.js'), script);
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-keyout', path.join(dir, 'tls/app.key'), '-out', path.join(dir, 'tls/app.crt')], { stdio: 'ignore' });
fs.writeFileSync(path.join(dir, 'tls/jwt.key'), secret, { mode: 0o644 });

const shipped = fs.readFileSync(path.join(repo, 'nginx-conf/app.conf'), 'utf8');
let http = /^http \{\n(.*)\}\s*$/ms.exec(shipped)[1];
for (const [from, to] of [
    ['include mime.types', 'include /etc/nginx/mime.types'], ['access_log logs/access.log edge;', `access_log ${dir}/access.log edge;`],
    ['listen 8080;', `listen 127.0.0.1:${plain};`], ['listen 8443 ssl http2;', `listen 127.0.0.1:${tls} ssl http2;`],
    ['127.0.0.1:3000', `127.0.0.1:${app}`], ['127.0.0.1:8079', `127.0.0.1:${files}`], ['/srv/app', site],
    ['tls/app.crt', `${dir}/tls/app.crt`], ['tls/app.key', `${dir}/tls/app.key`], ['key_file=tls/jwt.key', `key_file=${dir}/tls/jwt.key`],
]) {
    assert(http.includes(from), `app.conf has ${from}`);
    http = http.replaceAll(from, to);
}
async function startDemo(name, more) {
    const child = start(name, 'node', [path.join(repo, 'docker/demo/server.mjs'), '--port', String(app)],
        { env: { ...process.env, DEMO_HABITS: '1', DEMO_JWT_SECRET: secret, ...more } });
    await waitPort(app);
    return child;
}
const demo = await startDemo('app', {});
await startNginx('edge', { http, main: 'worker_shutdown_timeout 30s;' });
await waitPort(tls);

// --- a client ---
const agent = new https.Agent({ keepAlive: true, rejectUnauthorized: false });
let serial = 0;
/** {status, headers, body: Buffer, cache, json()}; adds what such an app's client adds. */
function ask(target, { method = 'GET', token, body, headers = {}, bust = true } = {}) {
    const sent = { 'Cache-Control': 'no-cache', Pragma: 'no-cache', 'Accept-Encoding': 'gzip, deflate, br', ...headers };
    if (token) sent.Authorization = `Bearer ${token}`;
    const data = Buffer.isBuffer(body) || body === undefined ? body : Buffer.from(JSON.stringify(body));
    if (data !== undefined) sent['Content-Length'] = data.length;
    if (data !== body) sent['Content-Type'] = 'application/json';
    const where = method === 'GET' && bust ? `${target}${target.includes('?') ? '&' : '?'}_cb=${(serial += 1)}` : target;
    return new Promise((resolve, reject) => {
        const outgoing = https.request({ host: '127.0.0.1', port: tls, path: where, method, headers: sent, agent }, (message) => {
            const parts = [];
            message.on('data', (part) => parts.push(part)).on('error', reject).on('end', () => {
                const raw = Buffer.concat(parts);
                const coding = message.headers['content-encoding'];
                const decoded = coding === 'br' ? zlib.brotliDecompressSync(raw) : coding === 'gzip' ? zlib.gunzipSync(raw) : raw;
                const [, hit] = /^edge; (hit|fwd=[a-z-]+)/.exec(message.headers['cache-status'] ?? '') ?? [];
                resolve({ status: message.statusCode, headers: message.headers, raw, body: decoded, cache: hit, coding, json: () => JSON.parse(decoded) });
            });
        });
        outgoing.on('error', reject);
        outgoing.end(data);
    });
}
async function logIn(name) {
    const answer = await ask('/api/auth/login', { method: 'POST', body: { email: `${name}@example.org`, password: 'demo' } });
    equal(answer.status, 200, `${name} signs in`);
    return answer.json().token;
}
const queries = async () => JSON.parse((await request(app, '/api/debug/counts')).body).queries;
const alice = await logIn('alice');
const bob = await logIn('bob');

await test('HTTP goes to HTTPS, health does not', async () => {
    const answer = await request(plain, '/projects/7?a=b', { headers: { Host: 'app.example' } });
    equal([answer.status, answer.headers.location], [308, 'https://app.example/projects/7?a=b'], 'the redirect');
    equal((await request(plain, '/health')).body.toString(), 'ok\n', 'health');
    equal((await ask('/health', { bust: false })).body.toString(), 'ok\n', 'health over TLS');
    equal((await ask('/api/health')).json(), { status: 'ok' }, 'the app\'s own');
});

await test('TLS speaks HTTP/2', async () => {
    const session = http2.connect(`https://127.0.0.1:${tls}`, { rejectUnauthorized: false });
    const stream = session.request({ ':path': '/assets/app-3f2a1b.js', 'accept-encoding': 'br' });
    let size = 0;
    const headers = await new Promise((resolve, reject) => stream.on('response', resolve).on('error', reject));
    stream.on('data', (part) => { size += part.length; });
    await new Promise((resolve) => { stream.on('end', resolve); });
    session.close();
    equal(headers[':status'], 200, 'the status');
    assert(size > 0, 'a body');
});

await test('security headers are on every answer, once', async () => {
    for (const answer of [await ask('/'), await ask('/api/projects'), await ask('/api/nothing'), await ask('/api/projects', { token: alice })]) {
        for (const name of ['strict-transport-security', 'x-content-type-options', 'x-frame-options', 'referrer-policy', 'content-security-policy'])
            assert(answer.headers[name] && !answer.headers[name].includes(', nosniff'), `${name} with ${answer.status}: ${answer.headers[name]}`);
        assert(!answer.headers.server?.includes('/'), `a version: ${answer.headers.server}`);
    }
});

await test('assets are for ever, and as small as they can be', async () => {
    const first = await ask('/assets/app-3f2a1b.js');
    equal(first.headers['cache-control'], 'public, max-age=31536000, immutable', 'Cache-Control');
    const best = zlib.brotliCompressSync(script, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
    const answer = await until(async () => {
        const one = await ask('/assets/app-3f2a1b.js');
        return one.coding === 'br' && one.raw.length <= best * 1.02 && one;
    }, `brotli's ${best} bytes`, 30);
    equal([answer.cache, answer.body.toString() === script], ['hit', true], 'a hit, and the same');
    equal(answer.headers.vary, 'Accept-Encoding', 'Vary');
    const zipped = await until(async () => {
        const one = await ask('/assets/app-3f2a1b.js', { headers: { 'Accept-Encoding': 'gzip' } });
        return one.headers.etag?.endsWith('-gzip"') && one;
    }, 'gzip');
    equal(zipped.body.toString() === script, true, 'the same');
});

await test('paths of the page\'s own router get the page, which is asked about each time', async () => {
    for (const target of ['/', '/projects/7', '/login?next=x']) {
        const answer = await ask(target);
        equal([answer.status, answer.headers['content-type'], answer.headers['cache-control']], [200, 'text/html', 'no-cache'], target);
        equal(answer.body.toString(), page, target);
    }
    fs.writeFileSync(path.join(site, 'index.html'), page.replace('An app', 'A new app'));
    assert((await ask('/')).body.includes('A new app'), 'a new version is seen at once');
    const { headers } = await ask('/');
    equal((await ask('/', { headers: { 'If-None-Match': headers.etag } })).status, 304, 'who has it gets a 304');
});

await test('what users ask for again does not reach the app, whatever it and its clients say', async () => {
    const targets = ['/api/projects', '/api/projects/1', '/api/projects/1/images', '/api/projects/1/polygons', '/api/profile', '/api/users/me', '/api/statistics', '/api/shares'];
    const first = new Map();
    for (const target of targets) first.set(target, (await ask(target, { token: alice })).body.toString());
    const before = await queries();
    for (const target of targets) {
        const answer = await ask(target, { token: alice, headers: { 'If-None-Match': 'W/"random"' } });
        equal([answer.status, answer.cache, answer.body.toString() === first.get(target)], [200, 'hit', true], target);
    }
    equal(await queries(), before, 'queries');
    const heavy = await until(async () => {
        const one = await ask('/api/projects/1/polygons', { token: alice });
        return one.coding === 'br' && one;
    }, 'the heaviest one is encoded');
    assert(heavy.raw.length < heavy.body.length / 2, `${heavy.raw.length} of ${heavy.body.length} bytes`);
});

await test('nobody gets what is another one\'s', async () => {
    equal((await ask('/api/projects/1', { token: bob })).status, 404, 'Bob asks for Alice\'s project');
    equal((await ask('/api/projects', { token: bob })).json().map(({ id }) => id), [3], 'Bob\'s projects');
    equal((await ask('/api/profile', { token: bob })).json().name, 'Bob', 'Bob\'s profile');
    for (const token of [undefined, 'nonsense', `${alice}x`]) equal((await ask('/api/projects', { token })).status, 401, 'without a valid token');
});

const upload = async (token, project, name) => {
    const answer = await ask(`/api/projects/${project}/images?name=${name}`, { method: 'POST', token, body: randomBytes(2000), headers: { 'Content-Type': 'image/png' } });
    equal(answer.status, 201, 'an upload');
    return answer.json();
};
await test('a write shows in all that it changes, to whoever wrote', async () => {
    const counts = async () => [
        (await ask('/api/projects', { token: alice })).json().find(({ id }) => id === 1).images,
        (await ask('/api/projects/1', { token: alice })).json().images,
        (await ask('/api/projects/1/images', { token: alice })).json().length,
        (await ask('/api/statistics', { token: alice })).json().images,
    ];
    for (let n = 1; n <= 3; n += 1) {
        await upload(alice, 1, `image-${n}.png`);
        equal(await counts(), [n, n, n, n], `after upload ${n}`);
        equal(await counts(), [n, n, n, n], 'and again, from the edge');
        equal((await ask('/api/users/me', { token: alice })).json().bytes_used, 2000 * n, 'bytes used');
    }
    const [image] = (await ask('/api/projects/1/images', { token: alice })).json();
    const file = await ask(image.src, { bust: false });
    equal([file.status, (await ask(image.src, { bust: false })).cache], [200, 'hit'], 'its file');
    equal((await ask(`/api/images/${image.id}`, { token: alice })).status, 200, 'the image');
    equal((await ask(`/api/images/${image.id}`, { method: 'DELETE', token: alice })).status, 204, 'a deletion');
    equal(await counts(), [2, 2, 2, 2], 'after it');
    equal((await ask(`/api/images/${image.id}`, { token: alice })).status, 404, 'the image is gone');
    equal((await ask(image.src, { bust: false })).status, 404, 'and its file');
});

await test('what a write made old is here again before its writer asks', async () => {
    const targets = ['/api/projects/1', '/api/projects/1/images', '/api/projects', '/api/statistics'];
    for (let n = 0; n < 3; n += 1) for (const target of targets) await ask(target, { token: alice });
    const before = await queries();
    const { id } = await upload(alice, 1, 'refilled.png');
    await until(async () => (await queries()) >= before + 5, 'the upload and four answers');
    await sleep(200);
    const after = await queries();
    for (const target of targets) equal((await ask(target, { token: alice })).cache, 'hit', target);
    equal((await ask('/api/projects/1/images', { token: alice })).json().length, 3, 'the new one is there');
    equal(await queries(), after, 'queries');
    equal((await ask(`/api/images/${id}`, { method: 'DELETE', token: alice })).status, 204, 'a deletion');
});

const put = async (name, type, bytes) => {
    const answer = await ask(`/api/projects/2/images?name=${name}`, { method: 'POST', token: alice, body: bytes, headers: { 'Content-Type': type } });
    equal(answer.status, 201, `an upload of ${name}`);
    return answer.json();
};
const pictureOf = (name) => fs.readFileSync(path.join(repo, name));
const see = async (target, accept, headers = {}) => {
    const answer = await ask(target, { headers: { ...(accept ? { Accept: accept } : {}), ...headers }, bust: false });
    equal(answer.status, 200, `${target} for ${accept}`);
    return answer;
};
await test('uploads: each client gets its format, and thumbnails in their sizes', async () => {
    const bytes = pictureOf('docker/demo/public/photos/dogs.jpg');
    const { src } = await put('dogs.jpg', 'image/jpeg', bytes);
    const [avif, webp, plain, page] = [await see(src, 'image/avif,image/webp,image/*,*/*;q=0.8'), await see(src, 'image/webp,*/*'), await see(src), await see(src, 'text/html,image/avif,image/webp,*/*;q=0.8')];
    equal([kind(avif.body), kind(webp.body), plain.body.equals(bytes), page.body.equals(bytes)], ['avif', 'webp', true, true], 'formats');
    assert(avif.body.length < bytes.length * 0.7 && webp.body.length < bytes.length * 0.9, `AVIF ${avif.body.length}, WebP ${webp.body.length} of ${bytes.length} bytes`);
    for (const answer of [avif, webp]) assert(/\bAccept\b/.test(answer.headers.vary), `Vary: ${answer.headers.vary}`);
    for (const [args, size] of [['preset=sm', '150x150'], ['preset=md', '300x300'], ['preset=lg', '600x600'], ['w=320', '320x481']]) {
        equal(shape((await see(`${src}?${args}`, 'image/webp,*/*')).body), `webp ${size}`, args);
        equal((await see(`${src}?${args}`, 'image/webp,*/*')).cache, 'hit', `${args}, again`);
    }
    equal(shape((await see(`${src}?preset=sm`)).body), 'jpeg 150x150', 'a thumbnail for who names no format');
    for (const args of ['w=321', 'preset=sm&q=100', 'preset=huge']) equal((await ask(`${src}?${args}`, { bust: false })).status, 400, args);
    const busted = await ask(`${src}?preset=sm`, { headers: { Accept: 'image/webp' } });
    equal([busted.cache, shape(busted.body)], ['hit', 'webp 150x150'], 'with the app\'s own _cb it is the same picture');
    const thumbnail = await see(`${src}?preset=sm`, 'image/webp,*/*');
    equal((await ask(`${src}?preset=sm`, { headers: { Accept: 'image/webp,*/*', 'If-None-Match': thumbnail.headers.etag }, bust: false })).status, 304, 'who has it');
});
await test('uploads: TIFF and BMP can be seen, and fetched as they are', async () => {
    for (const [name, type, size] of [['zstack-8p-grey16.tif', 'image/tiff', '64x64'], ['palette.bmp', 'image/bmp', '150x150']]) {
        const bytes = pictureOf(`tests/render/images/${name}`);
        const { src } = await put(name, type, bytes);
        equal(shape((await see(`${src}?preset=sm`, 'image/webp,*/*')).body), `webp ${size}`, name);
        equal(kind((await see(src, 'image/avif,*/*')).body), 'avif', name);
        const original = await see(src);
        equal([original.body.equals(bytes), original.headers['content-type']], [true, type], `${name} as it is`);
    }
});
await test('uploads: a deleted image takes its pictures along', async () => {
    const image = await put('stream.jpg', 'image/jpeg', pictureOf('docker/demo/public/photos/stream.jpg'));
    const targets = [image.src, `${image.src}?preset=sm`, `${image.src}?preset=md`, `${image.src}?w=640`];
    for (const target of targets) equal((await see(target, 'image/webp,*/*'), await see(target, 'image/webp,*/*')).cache, 'hit', target);
    equal((await ask(`/api/images/${image.id}`, { method: 'DELETE', token: alice })).status, 204, 'a deletion');
    for (const target of targets) equal((await ask(target, { headers: { Accept: 'image/webp,*/*' }, bust: false })).status, 404, target);
});

await test('segmentations and profiles are seen as they were written', async () => {
    const [image] = (await ask('/api/projects/1/images', { token: alice })).json();
    const target = `/api/images/${image.id}/segmentation`;
    for (const polygons of [[[1, 2]], [[3, 4], [5, 6]]]) {
        equal((await ask(target, { method: 'PUT', token: alice, body: { polygons } })).status, 204, 'a write');
        equal((await ask(target, { token: alice })).json().polygons, polygons, 'then');
        equal((await ask(target, { token: alice })).cache, 'hit', 'again');
    }
    equal((await ask('/api/statistics', { token: alice })).json().segmented, 1, 'statistics');
    equal((await ask('/api/profile', { method: 'PUT', token: alice, body: { name: 'Alicia' } })).status, 200, 'a new name');
    equal((await ask('/api/profile', { token: alice })).json().name, 'Alicia', 'the profile');
    equal((await ask('/api/users/me', { token: alice })).json().name, 'Alicia', 'and where else it shows');
});

await test('who shares a project sees at once what others do in it', async () => {
    equal((await ask('/api/shares', { token: bob })).json(), [], 'nothing is shared yet');
    equal((await ask('/api/projects/1/shares', { method: 'POST', token: alice, body: { email: 'bob@example.org' } })).status, 204, 'sharing');
    equal((await ask('/api/projects/1/shares', { token: alice })).json(), ['bob@example.org'], 'with whom');
    equal((await ask('/api/shares', { token: bob })).json().map(({ id }) => id), [1], 'Bob\'s list');
    equal((await ask('/api/projects', { token: bob })).json().map(({ id }) => id), [1, 3], 'and the other one');
    const seen = async (token) => (await ask('/api/projects/1/images', { token })).json().length;
    equal([await seen(alice), await seen(bob)], [2, 2], 'images');
    await upload(bob, 1, 'of-bob.png');
    equal([await seen(alice), await seen(bob)], [3, 3], 'after Bob\'s upload');
    await upload(alice, 1, 'of-alice.png');
    equal([await seen(bob), await seen(alice)], [4, 4], 'after Alice\'s');
    equal((await ask('/api/projects/1/shares', { method: 'DELETE', token: alice, body: { email: 'bob@example.org' } })).status, 204, 'no longer');
    equal((await ask('/api/projects/1/images', { token: bob })).status, 404, 'Bob sees nothing of it');
    equal((await ask('/api/shares', { token: bob })).json(), [], 'nor in his list');
});

await test('a logout takes along what its user had, and signing in is never stored', async () => {
    for (const token of [alice, bob]) {
        await ask('/api/profile', { token });
        equal((await ask('/api/profile', { token })).cache, 'hit', 'before');
    }
    equal((await ask('/api/auth/logout', { method: 'POST', token: alice })).status, 204, 'a logout');
    assert((await ask('/api/profile', { token: alice })).cache.startsWith('fwd='), 'her answers are gone');
    equal((await ask('/api/profile', { token: bob })).cache, 'hit', 'Bob\'s are not');
});

await test('socket.io goes through, together and compressed', async () => {
    const socket = io(`https://127.0.0.1:${tls}`, { transports: ['websocket'], rejectUnauthorized: false, auth: { token: alice } });
    let progress = 0;
    let changed;
    socket.on('progress', () => { progress += 1; }).on('changed', (event) => { changed = event; });
    await until(() => progress > 100, 'progress', 20);
    await upload(alice, 2, 'seen.png');
    await until(() => changed?.project === 2, 'the event of the upload');
    socket.disconnect();
    const { data } = (await ask('/api/metrics/performance/websocket', { bust: false })).json();
    assert(data.batcherEnabled && data.metrics.messages > 100 && data.metrics.batches < data.metrics.messages, JSON.stringify(data));
    assert(data.metrics.saved > 30, `${data.metrics.saved} % of the bytes are saved`);
});

await test('the pages that the app\'s dashboard asks for', async () => {
    const pageOf = async (name) => {
        const answer = await ask(`/api/metrics/performance/${name}`, { bust: false });
        equal([answer.status, answer.headers['content-type'], answer.headers['cache-control']], [200, 'application/json', 'no-store'], name);
        const { success, data, timestamp, ...more } = answer.json();
        equal([success, more], [true, {}], `${name}: what there is`);
        assert(Math.abs(Date.parse(timestamp) - Date.now()) < 5000, `${name}: ${timestamp}`);
        return data;
    };
    const memory = await pageOf('memory');
    assert(memory.limit > 0 && memory.used > 0 && memory.used < memory.limit, JSON.stringify(memory));
    assert(Math.abs(memory.percentage - (100 * memory.used) / memory.limit) < 0.01, JSON.stringify(memory));
    const { available, stats } = await pageOf('cache');
    assert(available === true && stats.keys > 10 && stats.hits > 20 && stats.misses > 10, JSON.stringify(stats));
    assert(Math.abs(stats.hitRate - (100 * stats.hits) / (stats.hits + stats.misses)) < 0.01, JSON.stringify(stats));
    const all = await pageOf('metrics');
    equal(Object.keys(all), ['memory', 'cache', 'websocket'], 'metrics');
    equal(all.cache.stats.hits, stats.hits, 'the same figures');
    equal((await ask('/api/metrics/performance/nothing', { bust: false })).status, 404, 'another page');
});

await test('purging is for this machine, and works', async () => {
    const before = await ask('/uploads/nothing', { bust: false });
    equal(before.status, 404, 'nothing there');
    await ask('/api/profile', { token: bob });
    equal((await ask('/api/profile', { token: bob })).cache, 'hit', 'before');
    const answer = await ask('/edge_purge', { method: 'POST', body: { tags: ['user:2'] } });
    equal([answer.status, answer.json().purged.tags], [200, 1], 'the purge');
    assert((await ask('/api/profile', { token: bob })).cache.startsWith('fwd='), 'Bob\'s answers are gone');
    for (const place of ['/edge_purge', '/edge_status', '/metrics', '/api/metrics/performance/memory'])
        assert(new RegExp(`location = ${place} \\{ edge_\\w+[^;]*; allow 127\\.0\\.0\\.1; deny all; \\}`).test(shipped), `${place} is restricted`);
});

await test('an app that is down is not seen where the edge has something', async () => {
    const targets = [['/api/projects/3', bob], ['/api/gallery'], ['/api/projects/3/images', bob]];
    for (const [target, token] of targets) equal((await ask(target, { token })).status, 200, target);
    demo.kill('SIGKILL');
    await until(() => demo.signalCode !== null, 'the app ends');
    for (const [target, token] of targets) {
        const answer = await ask(target, { token });
        equal([answer.status, answer.cache], [200, 'hit'], target);
    }
    equal((await ask('/')).status, 200, 'the page');
    equal((await ask('/api/config')).status, 502, 'what nobody had asked for');
});

await test('lists of others are exact too where the app says what they depend on', async () => {
    const again = await startDemo('app-groups', { DEMO_GROUPS: '1' });
    equal((await ask('/edge_purge', { method: 'POST', body: { all: true } })).status, 200, 'a purge');
    const counts = async () => [
        (await ask('/api/projects', { token: bob })).json().find(({ id }) => id === 1)?.images,
        (await ask('/api/shares', { token: bob })).json()[0]?.images,
        (await ask('/api/statistics', { token: bob })).json().images,
    ];
    equal(await counts(), [undefined, undefined, 0], 'before');
    equal((await ask('/api/projects/1/shares', { method: 'POST', token: alice, body: { email: 'bob@example.org' } })).status, 204, 'sharing');
    equal(await counts(), [0, 0, 0], 'shared');
    for (let n = 1; n <= 3; n += 1) {
        const { id } = await upload(alice, 1, `shared-${n}.png`);
        equal(await counts(), [n, n, n], `Bob's lists after Alice's upload ${n}`);
        equal((await ask(`/api/images/${id}/segmentation`, { method: 'PUT', token: alice, body: { polygons: [[1, 2]] } })).status, 204, 'a segmentation');
        equal((await ask('/api/statistics', { token: bob })).json().segmented, n, 'and after her segmentation');
        const cached = [];
        for (const target of ['/api/projects', '/api/shares', '/api/statistics']) cached.push((await ask(target, { token: bob })).cache);
        equal([await counts(), cached[2]], [[n, n, n], 'hit'], 'they are stored all the same');
    }
    const mine = (await ask('/api/projects', { token: bob })).headers;
    assert(!mine['cache-group-invalidation'], 'a list invalidates nothing');
    await upload(alice, 2, 'elsewhere.png');
    equal((await ask('/api/shares', { token: bob })).cache, 'hit', 'what does not depend on it stays');
    again.kill('SIGTERM');
});
agent.destroy();
