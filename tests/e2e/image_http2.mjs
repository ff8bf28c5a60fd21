#!/usr/bin/env node
// Pictures over HTTP/2: many of them at once on one connection, streams that are reset or a connection that goes away while
// they wait for their render, and a client that takes what it gets slowly.
import fs from 'node:fs';
import http2 from 'node:http2';
import path from 'node:path';
import { assert, equal, port, request, sleep, startNginx, startOrigin, test, until } from './lib/e2e.mjs';
import { kind, shape } from './lib/picture.mjs';

const repo = process.env.EDGE_REPO;
const [edge, status, origin] = [0, 1, 2].map(port);
const photos = Object.fromEntries(['dogs', 'stream', 'dandelion'].map((name) => [name, fs.readFileSync(path.join(repo, `docker/demo/public/photos/${name}.jpg`))]));

let fetched = 0;
await startOrigin(origin, (incoming, outgoing) => {
    const bytes = photos[/(\w+)\.jpg/.exec(incoming.url)?.[1]];
    if (!bytes) return outgoing.writeHead(404).end();
    fetched += 1;
    outgoing.writeHead(200, { 'Content-Type': 'image/jpeg', 'Content-Length': bytes.length, 'Cache-Control': 'max-age=300' });
    return outgoing.end(bytes);
});
await startNginx('edge', { workers: 1, http: `
    edge_zone main size=32m;
    edge_image_processes 1;
    edge_image_limit queue=512 time=60s;
    proxy_http_version 1.1;
    server {
        listen 127.0.0.1:${edge} http2;
        edge_image on;
        edge_image_args widths=320,${Array.from({ length: 40 }, (_, n) => 601 + n)};
        location / { edge_cache main; proxy_pass http://127.0.0.1:${origin}; }
        location /uncached/ { edge_image_quality slow jpeg=90 avif_effort=6; edge_image_quality slow; proxy_pass http://127.0.0.1:${origin}; }
    }
    server { listen 127.0.0.1:${status}; location / { edge_status; } }` });
const images = async () => JSON.parse((await request(status, '/')).body).images;

const connect = (options) => new Promise((resolve, reject) => {
    const session = http2.connect(`http://127.0.0.1:${edge}`, options);
    session.on('error', () => {}).once('connect', () => resolve(session)).once('error', reject);
});
/** {status, headers, body, code: of RST_STREAM} of one request. */
function ask(session, target, headers = {}, { slowly = false } = {}) {
    const stream = session.request({ ':path': target, accept: 'image/webp,*/*', ...headers });
    const parts = [];
    const answer = new Promise((resolve) => {
        let got = {};
        stream.on('response', (lines) => { got = lines; });
        stream.on('data', (part) => {
            parts.push(part);
            if (slowly) { stream.pause(); setTimeout(() => stream.resume(), 5); }
        });
        stream.on('error', () => {}).on('close', () => resolve({ status: got[':status'], headers: got, body: Buffer.concat(parts), code: stream.rstCode }));
    });
    return Object.assign(answer, { stream });
}

await test('each stream gets its format and size, all on one connection', async () => {
    const session = await connect();
    const formats = [['image/avif,image/webp,*/*', 'avif'], ['image/webp,*/*', 'webp'], ['*/*', 'jpeg']];
    const target = '/dogs.jpg?preset=sm';
    let first;
    for (const name of ['dogs', 'dandelion']) {
        const wanted = [['?preset=sm', '150x150'], ['?w=320', name === 'dogs' ? '320x481' : '320x180'], ['']].flatMap(([args, size]) => formats.map(([accept, format]) => ({ args, size, accept, format })));
        const answers = await Promise.all(wanted.map(({ args, accept }) => ask(session, `/${name}.jpg${args}`, { accept })));
        for (const [n, { status: code, headers, body }] of answers.entries()) {
            const { args, size, accept, format } = wanted[n];
            equal([code, size ? shape(body) : kind(body), body.length], [200, size ? `${format} ${size}` : format, Number(headers['content-length'])], `${name}${args} for ${accept}`);
            if (!size && format === 'jpeg') assert(body.equals(photos[name]), `${name} is the original`);
        }
        first ??= answers[0];
    }
    equal(fetched, 2, 'fetches of sources');
    const accept = formats[0][0];
    const again = await ask(session, target, { accept });
    assert(again.body.equals(first.body) && /hit/.test(again.headers['cache-status']), 'and again, from the edge');
    equal((await ask(session, target, { accept, 'if-none-match': first.headers.etag })).status, 304, 'who has it gets a 304');
    const head = await ask(session, target, { ':method': 'HEAD', accept });
    equal([head.status, head.headers['content-length'], head.body.length], [200, first.headers['content-length'], 0], 'HEAD');
    equal((await ask(session, '/dogs.jpg?w=321')).status, 400, 'a size that is not listed');
    session.close();
});

await test('streams that are reset while they wait are not rendered, the others on the connection are', async () => {
    const session = await connect();
    const before = await images();
    const asked = Array.from({ length: 20 }, (_, n) => ask(session, `/uncached/dogs.jpg?w=${601 + n}`, { accept: 'image/avif,*/*' }));
    await until(async () => { const now = await images(); return now.queue.interactive >= 10 && now.processes.rendering === 1; }, 'most of them wait', 20);
    const gone = asked.filter((_, n) => n % 5 !== 4);
    for (const { stream } of gone) stream.close(http2.constants.NGHTTP2_CANCEL);
    const answers = await Promise.all(asked.filter((_, n) => n % 5 === 4));
    // On a busy machine some may have waited for too long: those get the original.
    equal(answers.filter(({ status: code, body }) => code === 200 && (kind(body) === 'avif' || body.equals(photos.dogs))).length, 4, 'the others');
    assert(answers.some(({ body }) => kind(body) === 'avif'), 'none was rendered');
    const after = await until(async () => { const now = await images(); return now.queue.interactive === 0 && now.processes.rendering === 0 && now; }, 'nothing is left to render', 20);
    const cancelled = after.requests.cancelled - before.requests.cancelled;
    assert(cancelled >= 10, `${cancelled} were cancelled`);
    const rendered = after.renders.avif - before.renders.avif;
    assert(rendered <= 20 - cancelled, `${rendered} were rendered, ${cancelled} cancelled`);
    equal((await ask(session, '/dogs.jpg?preset=sm')).status, 200, 'the connection goes on');
    session.close();
});

await test('a connection that goes away takes all that waited for it along', async () => {
    const session = await connect();
    const before = await images();
    const asked = Array.from({ length: 12 }, (_, n) => ask(session, `/uncached/dogs.jpg?w=${621 + n}`, { accept: 'image/avif,*/*' }));
    await until(async () => (await images()).queue.interactive >= 6, 'most of them wait', 20);
    session.destroy();
    await Promise.all(asked);
    await until(async () => (await images()).requests.cancelled - before.requests.cancelled >= 6, 'they are counted', 20);
    await until(async () => { const now = await images(); return now.queue.interactive === 0 && now.processes.rendering === 0; }, 'nothing is left to render', 20);
});

await test('one source is fetched and one picture made for many streams', async () => {
    const session = await connect();
    const before = await images();
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(session, '/stream.jpg?preset=xl&crowd=1')));
    equal(new Set(answers.map(({ status: code, body }) => `${code} ${body.toString('latin1')}`)).size, 1, 'different answers');
    equal((await images()).renders.webp - before.renders.webp, 1, 'renders');
    session.close();
});

await test('who takes a picture slowly gets it whole', async () => {
    const session = await connect({ settings: { initialWindowSize: 4096 } });
    const quick = await ask(session, '/uncached/stream.jpg?preset=xl');
    const [slow, original] = await Promise.all([ask(session, '/uncached/stream.jpg?preset=xl', {}, { slowly: true }), ask(session, '/uncached/stream.jpg', { accept: '*/*' }, { slowly: true })]);
    assert(slow.body.equals(quick.body) && slow.code === 0, `${slow.body.length} of ${quick.body.length} bytes`);
    assert(original.body.equals(photos.stream), 'the original too');
    const late = ask(session, '/uncached/dandelion.jpg?preset=xl', {}, { slowly: true });
    await sleep(20);
    late.stream.close(http2.constants.NGHTTP2_CANCEL);
    await late;
    equal((await ask(session, '/dogs.jpg?preset=sm')).status, 200, 'and the connection outlives a reset in the middle of it');
    session.close();
});
