#!/usr/bin/env node
// What a worker does with the sources of pictures: it takes them in small pieces, keeps those that were read last for a
// moment, and leaves it to the supervisor to free them.
// timeout: 240
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { assert, equal, port, request, skip, sleep, startNginx, startOrigin, test, until } from './lib/e2e.mjs';
import { shape } from './lib/picture.mjs';

const edge = port(0);
const origin = port(1);
const dir = process.env.EDGE_DIR;

/** An uncompressed picture in one colour. */
function bmp(width, height, colour) {
    const file = Buffer.alloc(54 + 3 * width * height, colour);
    file.fill(0, 0, 54).write('BM', 'latin1');
    for (const [at, number] of [[2, file.length], [10, 54], [14, 40], [18, width], [22, height]]) file.writeUInt32LE(number, at);
    file.writeUInt16LE(1, 26);
    file.writeUInt16LE(24, 28);
    return file;
}
const large = bmp(1600, 1200, 200);  // 5.8 MB
let wide = bmp(800, 400, 100);  // 1 MB
fs.mkdirSync(path.join(dir, 'files'));
fs.chmodSync(path.join(dir, 'files'), 0o755);
for (let n = 0; n < 6; n += 1) fs.writeFileSync(path.join(dir, 'files', `${n}.bmp`), large, { mode: 0o644 });

let asked = 0;
await startOrigin(origin, (incoming, outgoing) => {
    asked += 1;
    const bytes = incoming.url.includes('wide') ? wide : large;
    outgoing.writeHead(200, { 'Content-Type': 'image/bmp', 'Content-Length': bytes.length, 'Cache-Control': 'max-age=300' }).end(bytes);
});

const counters = path.join(dir, 'loop_bytes');
const library = path.join(dir, 'loop_bytes.so');
execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, path.join(process.env.EDGE_REPO, 'tests/e2e/lib/loop_bytes.c')]);
fs.writeFileSync(counters, Buffer.alloc(16));
const nginx = await startNginx('edge', { workers: 1, env: { LD_PRELOAD: library, EDGE_LOOP_BYTES: counters }, http: `
    edge_zone main size=128m;
    edge_image_processes 2;
    proxy_http_version 1.1;
    server {
        listen 127.0.0.1:${edge};
        edge_image on;
        edge_image_limit time=60s;
        edge_image_args widths=16,32,48,64,80,96,112,128,144;
        add_header X-Cache $edge_cache_status;
        location / { proxy_pass http://127.0.0.1:${origin}; }
        location /kept/ { edge_cache main; edge_purge; proxy_pass http://127.0.0.1:${origin}; }
        location /files/ { root ${dir}; default_type image/bmp; }
    }` });
const read = (file) => { try { return fs.readFileSync(file, 'latin1'); } catch { return ''; } };
const child = (name) => until(() => read(`/proc/${nginx.pid}/task/${nginx.pid}/children`).trim().split(' ')
    .flatMap((pid) => [pid, ...read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean)])
    .find((pid) => read(`/proc/${pid}/cmdline`).includes(name)), name);
const worker = await child('worker process');
const get = (target, headers = { Accept: 'image/webp,*/*' }) => request(edge, target, { headers });
const picture = async (target) => {
    const answer = await get(target);
    equal(answer.status, 200, target);
    return shape(answer.body);
};
/** How many sources a process holds. */
const held = (pid) => new Set(fs.readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
        const file = `/proc/${pid}/fd/${fd}`;
        return fs.readlinkSync(file).startsWith('/memfd:edge image source') ? [fs.statSync(file).ino] : [];
    } catch { return []; }
})).size;

await get('/kept/first?w=16');  // the zone's first object has no number that tells it from others
const supervisor = await until(() => fs.readdirSync('/proc').find((pid) => /^\d+$/.test(pid)
    && read(`/proc/${pid}/cmdline`).startsWith('nginx: edge render supervisor') && read(`/proc/${pid}/environ`) === ''
    && fs.readlinkSync(`/proc/${pid}/fd/2`) === path.join(nginx.dir, 'error.log')), 'a supervisor');

// What an upstream has sent ahead, and what a cache has whole, could be taken at once.
const kMost = 128 * 1024;
for (const [what, target, width, requests] of [['sources that an origin sends', '/new-', 16, 6], ['sources that a cache takes in', '/kept/new-', 16, 6],
    ['sources that a cache has', '/kept/new-', 32, 0], ['sources that are files', '/files/', 16, 0]]) {
    const name = `${what} are taken a little in each turn of the event loop`;
    // The sanitizers' own library is preloaded then.
    if (process.env.EDGE_SANITIZED) { skip(name, 'under the sanitizers system calls are not counted'); continue; }
    await test(name, async () => {
        await until(() => held(worker) === 0, 'no source is left of before', 20);
        const before = asked;
        fs.writeFileSync(counters, Buffer.alloc(16), { flag: 'r+' });
        const answers = await Promise.all(Array.from({ length: 6 }, (_, n) => picture(`${target}${n}.bmp?w=${width}`)));
        equal(answers, Array(6).fill(`webp ${width}x${0.75 * width}`), 'answers');
        equal(asked - before, requests, 'requests at the origin');
        const both = fs.readFileSync(counters);
        const [received, written] = [0, 8].map((at) => Number(both.readBigUInt64LE(at)));
        assert(written > 4096, `${written} bytes: the measurement is of something else`);
        console.error(`${what}: ${received} bytes received and ${written} written in one turn at most`);
        assert(received <= kMost && written <= kMost, `${received} bytes received and ${written} written in one turn`);
    });
}

await test('a source that was read is kept for the other sizes, and let go soon', async () => {
    await until(() => held(worker) === 0, 'no source is left of before', 20);
    equal(await picture('/kept/wide?w=16'), 'webp 16x8');
    // The first one came from the origin: which body of the zone it is was not known yet.
    equal(await picture('/kept/wide?w=32'), 'webp 32x16');
    const before = held(worker);
    equal(before, 1, 'sources kept');
    fs.writeFileSync(counters, Buffer.alloc(16), { flag: 'r+' });
    for (const width of [48, 64]) equal(await picture(`/kept/wide?w=${width}`), `webp ${width}x${width / 2}`);
    const written = Number(fs.readFileSync(counters).readBigUInt64LE(8));
    // A copy would have been written in pieces of more than that.
    assert(written < 4096, `${written} bytes were written in one turn: it was copied again`);
    await until(() => held(worker) === 0, 'it is let go', 20);
});

await test('another body under the same address is another source', async () => {
    equal(await picture('/kept/wide?w=16'), 'webp 16x8');
    equal(await picture('/kept/wide?w=32'), 'webp 32x16');
    wide = bmp(400, 800, 50);
    equal((await request(edge, '/kept/wide', { method: 'PURGE' })).status, 200, 'purge');
    for (const width of [16, 32, 48, 64]) equal(await picture(`/kept/wide?w=${width}`), `webp ${width}x${2 * width}`);
});

await test('the supervisor closes them after the worker', async () => {
    await until(() => held(worker) === 0, 'no source is left of before', 20);
    const both = (width) => Promise.all([0, 1].map((n) => picture(`/kept/new-${n}.bmp?w=${width}`)));
    // On a busy machine the first may have been let go when the second has its answer.
    for (let width = 80; held(worker) < 2 && width < 160; width += 16) equal(await both(width), Array(2).fill(`webp ${width}x${0.75 * width}`), 'answers');
    equal(held(worker), 2, 'sources kept');
    const sockets = () => fs.readdirSync(`/proc/${supervisor}/fdinfo`)
        .reduce((sum, fd) => sum + Number(/^scm_fds:\s*(\d+)/m.exec(read(`/proc/${supervisor}/fdinfo/${fd}`))?.[1] ?? 0), 0);
    await sleep(200);  // nothing is under way
    process.kill(Number(supervisor), 'SIGSTOP');
    try {
        await until(() => held(worker) === 0, 'the worker lets go', 20);
        equal(sockets(), 2, 'files on their way to the supervisor');
    } finally {
        process.kill(Number(supervisor), 'SIGCONT');
    }
    await until(() => sockets() === 0 && held(supervisor) === 0, 'the supervisor closes them', 20);
    equal(await picture('/kept/new-2.bmp?w=48'), 'webp 48x36');
});
