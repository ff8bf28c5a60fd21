#!/usr/bin/env node
// The demo app behind nginx-conf/minimal.conf, with the clients that such an app has: a browser, socket.io, WebSockets,
// and two users whose answers must never mix, also when the app has its bad habits.
// timeout: 240
import fs from 'node:fs';
import path from 'node:path';
import { io } from 'socket.io-client';
import WebSocket from 'ws';
import { Chromium } from './lib/chromium.mjs';
import { assert, equal, port, request, start, startNginx, test, until, waitPort } from './lib/e2e.mjs';

const repo = process.env.EDGE_REPO;
const photo = path.join(repo, 'docker/demo/public/photos/dandelion.jpg');
const users = ['alice', 'bob'];

/** The demo app and nginx-conf/minimal.conf in front of it, changed only in its ports. */
async function startEdge(name, first, args = []) {
    const [edge, app] = [port(first), port(first + 1)];
    start(`${name}-app`, 'node', [path.join(repo, 'docker/demo/server.mjs'), '--port', String(app), ...args]);
    const shipped = fs.readFileSync(path.join(repo, 'nginx-conf/minimal.conf'), 'utf8');
    const http = /^http \{\n(.*)\}\s*$/ms.exec(shipped)[1].replace('listen 8080', `listen 127.0.0.1:${edge}`).replaceAll('127.0.0.1:3000', `127.0.0.1:${app}`);
    assert(http.includes(`listen 127.0.0.1:${edge};`) && http.includes(`http://127.0.0.1:${app};`), 'minimal.conf has the ports it should');
    await waitPort(app);
    await startNginx(name, { http });
    return edge;
}
const edge = await startEdge('plain', 0);
const habits = await startEdge('habits', 2, ['--habits']);

/** What has reached the app: {requests: {"GET /": n}, queries: n}. */
const counts = async (number = edge) => JSON.parse((await request(number, '/api/debug/counts')).body);

async function logIn(number, name) {
    const answer = await request(number, '/api/auth/login', {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ email: `${name}@example.org`, password: 'demo' }),
    });
    equal(answer.status, 200, `${name} signs in`);
    return { Authorization: `Bearer ${JSON.parse(answer.body).token}` };
}

// --- a browser ---
const browser = await Chromium.start();
const shown = '[...document.images].filter((image) => image.complete && image.naturalWidth > 0).length';

await test('a browser shows the gallery; the next visitor gets it from the edge', async () => {
    const visits = [];
    for (let n = 0; n < 2; n += 1) {
        const page = await browser.newVisitor();
        await page.goto(`http://127.0.0.1:${edge}/`);
        await page.waitFor(`${shown} >= 5`);
        equal(page.errors, [], 'errors of scripts');
        visits.push({ page, how: await page.evaluate('document.getElementById("how").textContent') });
    }
    const files = ['/', '/style.css', '/gallery.js', '/api/gallery', ...['stream', 'dogs', 'dandelion', 'dragonfly', 'nuthatch'].map((name) => `/photos/${name}.jpg`)];
    for (const file of files) {
        const [first, second] = visits.map(({ page }) => page.responses.find((response) => response.path === file));
        assert(first?.headers['cache-status'].startsWith('edge; fwd=uri-miss; fwd-status=200; stored'), `${file}: ${first?.headers['cache-status']}`);
        assert(second?.headers['cache-status'].startsWith('edge; hit; ttl='), `${file} again: ${second?.headers['cache-status']}`);
        assert(/^\d+$/.test(second.headers.age), `${file} again: Age ${second.headers.age}`);
    }
    const { requests } = await counts();
    for (const file of files) equal(requests[`GET ${file}`], 1, `requests for ${file} that reached the app`);
    assert(visits[0].how.includes('fwd=uri-miss') && visits[1].how.includes('hit; ttl='), `the page says ${visits.map(({ how }) => how)}`);
});

await test('photos come in the format the client accepts, and as thumbnails', async () => {
    for (const [accept, type] of [['image/avif,image/webp,*/*', 'image/avif'], ['image/webp,*/*', 'image/webp'], ['*/*', 'image/jpeg']]) {
        const answer = await request(edge, '/photos/dogs.jpg?preset=sm', { headers: { Accept: accept } });
        equal([answer.status, answer.headers['content-type'], answer.headers.vary], [200, type, 'Accept'], accept);
        assert(answer.body.length < 15000, `${accept}: ${answer.body.length} bytes for a thumbnail`);
    }
    equal((await counts()).requests['GET /photos/dogs.jpg'], 1, 'requests for the photo that reached the app');
});

await test('a browser signs in and sees its upload', async () => {
    const page = await browser.newVisitor();
    await page.goto(`http://127.0.0.1:${edge}/`);
    await page.evaluate('document.querySelector("#login button").click()');
    await page.waitFor('document.getElementById("who").textContent.startsWith("Alice, 2 projects, 0 kB")');
    await page.chooseFile('#upload input', photo);
    await page.evaluate('document.querySelector("#upload button").click()');
    await page.waitFor('[...document.querySelectorAll("#images img")].some((image) => image.complete && image.naturalWidth === 1200)');
    equal(await page.evaluate('document.getElementById("who").textContent'), `Alice, 2 projects, ${Math.round(fs.statSync(photo).size / 1024)} kB uploaded`, 'the page says');
    equal(page.errors, [], 'errors of scripts');
});

await test('a browser shows the live feed', async () => {
    const page = await browser.newVisitor();
    await page.goto(`http://127.0.0.1:${edge}/feed.html`);
    await page.waitFor('/^websocket: .* [1-9]\\d{2,} in all/.test(document.getElementById("state").textContent)');
    const state = await page.evaluate('document.getElementById("state").textContent');
    assert(state.endsWith(' 0 out of order'), state);
    equal(page.errors, [], 'errors of scripts');
});
await browser.close();

// --- two users ---
for (const [name, number] of [['the app', edge], ['the app with its bad habits', habits]]) {
    await test(`${name}: answers to two users never mix`, async () => {
        const headers = await Promise.all(users.map((user) => logIn(number, user)));
        const targets = ['/api/users/me', '/api/projects', '/api/projects/1', '/api/projects/3', '/api/projects/3/images', '/api/debug/error'];
        // What the app itself says to each of them and to a stranger.
        const askers = [...headers, {}];
        const wanted = await Promise.all(askers.map((asker) => Promise.all(targets.map((target) => request(number + 1, target, { headers: asker })))));
        equal(JSON.parse(wanted[0][0].body).name, 'Alice', 'the first user');
        equal(JSON.parse(wanted[1][0].body).name, 'Bob', 'the second user');
        equal([wanted[0][3], wanted[1][3], wanted[2][3]].map(({ status }) => status), [404, 200, 401], 'Bob\'s project for Alice, Bob and a stranger');
        equal(wanted[0][1].headers['cache-control'], number === habits ? 'public, max-age=300' : undefined, 'Cache-Control of private answers');
        await Promise.all(Array.from({ length: 24 }, async (_, worker) => {
            for (let turn = 0; turn < 25; turn += 1) {
                const who = (worker + turn) % askers.length;
                const what = (worker * 7 + turn) % targets.length;
                const answer = await request(number, targets[what], { headers: askers[who] });
                equal(answer.status, wanted[who][what].status, `status of ${targets[what]} for user ${who}`);
                equal(answer.body.toString(), wanted[who][what].body.toString(), `${targets[what]} for user ${who}`);
                if (who < 2) assert(!/hit/.test(answer.headers['cache-status']), `${targets[what]}: ${answer.headers['cache-status']}`);
            }
        }));
    });
}

await test('the bad habits are those of the real app', async () => {
    const headers = await logIn(habits, 'alice');
    const [first, second] = [await request(habits, '/api/projects', { headers }), await request(habits, '/api/projects', { headers })];
    equal(first.headers.vary, 'Accept-Encoding, Authorization', 'Vary');
    equal(first.body, second.body, 'the same answer');
    assert(first.headers.etag.startsWith('W/"') && first.headers.etag !== second.headers.etag, 'with another ETag');
    equal((await request(habits, '/api/projects/99', { headers })).headers['cache-control'], 'public, max-age=300', 'Cache-Control of a 404');
    const heavy = await request(habits, '/api/projects/1/polygons', { headers });
    assert(heavy.body.length > 2_000_000, `the heavy answer has ${heavy.body.length} bytes`);
    equal(heavy.headers['cache-control'], undefined, 'its Cache-Control');
    const cors = (number) => request(number, '/api/config', { headers: { Origin: 'https://gallery.example' } });
    for (const number of [habits, edge]) {
        const { headers: got, body } = await cors(number + 1);
        equal(got['access-control-allow-origin'], 'https://gallery.example', 'CORS');
        equal(JSON.parse(body).origin, 'https://gallery.example', 'a body that depends on it');
        equal(got.vary, number === edge ? 'Origin' : undefined, 'Vary: Origin');
    }
});

// --- ETags, uploads ---
await test('weak ETags: the edge answers 304 itself, and asks the app with them', async () => {
    const before = (await counts()).requests['GET /api/gallery'];
    const stored = await request(edge, '/api/gallery');
    const { etag } = stored.headers;
    assert(etag.startsWith('W/"'), etag);
    const unchanged = await request(edge, '/api/gallery', { headers: { 'If-None-Match': etag } });
    equal([unchanged.status, unchanged.body.length, unchanged.headers.etag], [304, 0, etag], 'the conditional answer');
    equal((await counts()).requests['GET /api/gallery'], before, 'requests that reached the app');
    const asked = await request(edge, '/api/gallery', { headers: { 'Cache-Control': 'max-age=0' } });
    equal(asked.status, 200, 'an answer to max-age=0');
    assert(asked.headers['cache-status'].startsWith('edge; fwd=request; fwd-status=304; stored'), asked.headers['cache-status']);
    equal(asked.body, stored.body, 'its body');
    equal((await counts()).requests['GET /api/gallery'], before + 1, 'requests that reached the app');
    // socket.io's client script has max-age=0 and an ETag.
    await request(edge, '/socket.io/socket.io.js');
    const script = await request(edge, '/socket.io/socket.io.js');
    assert(script.headers['cache-status'].startsWith('edge; fwd=stale; fwd-status=304'), script.headers['cache-status']);
    // What is not stored is between the client and the app.
    const headers = await logIn(edge, 'bob');
    const own = await request(edge, '/api/projects', { headers });
    equal((await request(edge, '/api/projects', { headers: { ...headers, 'If-None-Match': own.headers.etag } })).status, 304, 'status for the owner');
});

await test('an upload is there at once, for its owner, and its file comes from the edge', async () => {
    const [alice, bob] = await Promise.all(users.map((user) => logIn(edge, user)));
    const json = async (target, headers) => JSON.parse((await request(edge, target, { headers })).body);
    const before = await json('/api/projects/3/images', bob);
    const bytes = fs.readFileSync(photo);
    const upload = (headers) => request(edge, '/api/projects/3/images?name=seeds.jpg', { method: 'POST', headers: { ...headers, 'Content-Type': 'image/jpeg' }, body: bytes });
    equal((await upload(alice)).status, 404, 'an upload to someone else\'s project');
    const answer = await upload(bob);
    equal(answer.status, 201, 'status of the upload');
    const made = JSON.parse(answer.body);
    equal(await json('/api/projects/3/images', bob), [...before, made], 'the list of images');
    equal((await json('/api/projects', bob))[0].images, before.length + 1, 'the count in the list of projects');
    equal((await json('/api/users/me', bob)).bytes_used, bytes.length, 'bytes used');
    const files = [await request(edge, made.src), await request(edge, made.src)];
    for (const file of files) assert(file.body.equals(bytes), 'the file is what was sent');
    assert(files[1].headers['cache-status'].startsWith('edge; hit; ttl=8'), files[1].headers['cache-status']);
    equal((await counts()).requests[`GET ${made.src}`], 1, 'requests for it that reached the app');
    equal((await request(edge, `/api/images/${made.id}`, { method: 'DELETE', headers: bob })).status, 204, 'status of its removal');
    equal(await json('/api/projects/3/images', bob), before, 'the list of images after that');
});

// --- the feed ---
/** Fails unless these are messages without a gap, of all sizes, in order. */
function checkFeed(messages) {
    messages.forEach(({ seq }, n) => equal(seq, messages[0].seq + n, `the number of message ${n}`));
    assert(messages.some(({ polygons }) => JSON.stringify(polygons ?? '').length > 4000), 'there are large ones');
    const rate = (1000 * messages.length) / (messages.at(-1).came - messages[0].came);
    assert(rate > 20, `${Math.round(rate)} a second`);
}
async function collect(listen, count = 400) {
    const messages = [];
    listen((message) => messages.push({ ...message, came: Date.now() }));
    await until(() => messages.length >= count, `${count} messages of the feed`, 60);
    return messages.slice(0, count);
}

await test('a plain WebSocket gets the feed in order', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${edge}/feed`);
    const messages = await collect((take) => {
        socket.on('message', (data) => take(JSON.parse(data)));
        socket.on('error', (error) => { throw error; });
    });
    socket.close(1000, 'enough');
    const code = await new Promise((resolve) => socket.once('close', resolve));
    equal(code, 1000, 'the code that the app closes with');
    checkFeed(messages);
});

const connect = (options = {}) => io(`http://127.0.0.1:${edge}`, { forceNew: true, reconnection: false, ...options });
for (const [name, options] of [
    ['socket.io by WebSocket alone', { transports: ['websocket'] }],
    ['socket.io as it comes, which begins with polling', {}],
    ['socket.io by polling alone', { transports: ['polling'] }],
]) {
    await test(`${name}: the feed in order`, async () => {
        const socket = connect(options);
        const messages = await collect((take) => {
            socket.on('progress', take);
            socket.on('polygons', take);
            socket.on('connect_error', (error) => { throw error; });
        });
        equal(socket.io.engine.transport.name, options.transports?.[0] ?? 'websocket', 'transport');
        socket.disconnect();
        checkFeed(messages);
    });
}

await test('socket.io tells of changes to the owner only, through the edge', async () => {
    const tokens = await Promise.all(users.map((user) => logIn(edge, user)));
    const heard = [[], []];
    const sockets = tokens.map(({ Authorization }, n) => {
        const socket = connect({ transports: ['websocket'], auth: { token: Authorization.replace('Bearer ', '') } });
        socket.on('changed', (event) => heard[n].push(event));
        return socket;
    });
    await until(() => sockets.every(({ connected }) => connected), 'both are connected');
    const made = await request(edge, '/api/projects', { method: 'POST', headers: { ...tokens[1], 'Content-Type': 'application/json' }, body: '{"title":"New"}' });
    await until(() => heard[1].length, 'Bob hears of it');
    equal(heard, [[], [{ project: JSON.parse(made.body).id }]], 'what each has heard');
    for (const socket of sockets) socket.disconnect();
});
