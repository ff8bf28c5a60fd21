#!/usr/bin/env node
// Pictures with several processes: what a browser shows, killed render processes and supervisors under load, reloads, a
// new binary, clients that go away, and that nothing is left when nginx ends.
// timeout: 240
// log-expects: exited on signal 9
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Chromium } from './lib/chromium.mjs';
import { Nginx, assert, equal, port, request, sleep, startOrigin, test, until } from './lib/e2e.mjs';
import { kind } from './lib/picture.mjs';

const repo = process.env.EDGE_REPO;
const edge = port(0);
const origin = port(1);
const files = new Map();
for (const dir of ['docker/demo/public/photos', 'tests/render/images', 'tests/render/images/exif']) {
    for (const name of fs.readdirSync(path.join(repo, dir))) {
        if (/\.(jpg|png|gif|tif|bmp)$/.test(name)) files.set(name, fs.readFileSync(path.join(repo, dir, name)));
    }
}
const types = { jpg: 'image/jpeg', png: 'image/png', gif: 'image/gif', tif: 'image/tiff', bmp: 'image/bmp' };
const page = `<!doctype html><meta charset="utf-8"><body>${[...files.keys()].filter((name) => /orient|dogs|alpha|grey16/.test(name))
    .map((name) => `<img id="${name}" src="/p/${name}${/dogs|grey16/.test(name) ? '?preset=sm' : ''}">`).join('')}</body>`;

let asked = 0;
await startOrigin(origin, (incoming, outgoing) => {
    const { pathname } = new URL(incoming.url, 'http://origin');
    if (pathname === '/page') return outgoing.writeHead(200, { 'Content-Type': 'text/html' }).end(page);
    const name = path.basename(pathname);
    const bytes = files.get(name);
    if (!bytes) return outgoing.writeHead(404).end();
    asked += 1;
    outgoing.writeHead(200, { 'Content-Type': types[name.split('.').pop()], 'Content-Length': bytes.length, 'Cache-Control': 'max-age=300', ETag: `"${name}"` });
    return outgoing.end(bytes);
});

const conf = { workers: 2, http: `
    edge_zone main size=64m;
    edge_image_processes 2;
    proxy_http_version 1.1;
    server {
        listen 127.0.0.1:${edge};
        edge_image on;
        edge_image_limit time=60s;
        edge_image_args widths=64,512;
        add_header X-Format $edge_image_format;
        location / { proxy_pass http://127.0.0.1:${origin}; }
        location /p/ { edge_cache main; proxy_pass http://127.0.0.1:${origin}; }
        location = /edge_status { edge_status; }
        location = /tiny { return 200 tiny; }
    }` };
const nginx = new Nginx('edge');
nginx.write(conf);
// nginx takes USR2 only when it is no longer its parent's child: not with "daemon off".
const file = path.join(nginx.dir, 'nginx.conf');
fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('daemon off;', ''));
const started = spawnSync(process.env.EDGE_NGINX, ['-p', nginx.dir, '-e', path.join(nginx.dir, 'error.log'), '-c', file]);
equal(started.status, 0, `nginx starts: ${started.stderr}`);
await until(() => nginx.pid > 0, 'nginx starts');

const webp = { Accept: 'image/webp,*/*' };
const get = (target, headers = webp) => request(edge, target, { headers });
const images = async () => JSON.parse((await get('/edge_status')).body).images;
const read = (file) => { try { return fs.readFileSync(file, 'latin1'); } catch { return ''; } };
const link = (file) => { try { return fs.readlinkSync(file); } catch { return ''; } };
const alive = (pid) => { const stat = read(`/proc/${pid}/stat`); return stat !== '' && !/^.*\) Z/s.test(stat); };
const parent = (pid) => Number(read(`/proc/${pid}/stat`).replace(/^.*\) /s, '').split(' ')[1]);
const processes = () => fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).map(Number).filter(alive);
/** The supervisors of this nginx: they write to its error log. */
const supervisors = () => processes().filter((pid) => read(`/proc/${pid}/cmdline`).startsWith('nginx: edge render supervisor')
    && link(`/proc/${pid}/fd/2`) === path.join(nginx.dir, 'error.log'));
const renders = () => supervisors().flatMap((supervisor) => processes().filter((pid) => parent(pid) === supervisor));
const workers = (master) => processes().filter((pid) => parent(pid) === master && read(`/proc/${pid}/cmdline`).includes('worker process'));
const one = async () => (await until(() => supervisors().length === 1 && supervisors(), 'there is one supervisor'))[0];

/** Clients that ask for pictures nobody has, all the time. */
class Load {
    answers = [];
    errors = [];
    #stopped = false;
    #clients;

    constructor(clients) {
        this.#clients = Array.from({ length: clients }, (_, n) => this.#run(n));
    }
    async #run(client) {
        for (let n = 0; !this.#stopped; n += 1) {
            const name = ['dogs', 'stream', 'dandelion', 'dragonfly', 'nuthatch'][n % 5];
            try {
                const answer = await get(`/${client}/${name}.jpg?preset=${['sm', 'md', 'lg'][n % 3]}&n=${client}-${n}`);
                this.answers.push({ status: answer.status, kind: kind(answer.body), whole: answer.complete && answer.body.length === Number(answer.headers['content-length']),
                    original: answer.body.equals(files.get(`${name}.jpg`)) });
            } catch (error) { this.errors.push(error.message); }
        }
    }
    async stop() {
        this.#stopped = true;
        await Promise.all(this.#clients);
    }
    check(what) {
        equal(this.errors, [], `${what}: failed requests`);
        const bad = this.answers.filter(({ status, whole, kind: is, original }) => status !== 200 || !whole || !(is === 'webp' || original));
        equal(bad, [], `${what}: bad answers`);
        assert(this.answers.length > 10, `${what}: ${this.answers.length} answers are no load`);
        assert(this.answers.some(({ kind: is }) => is === 'webp'), `${what}: there were no pictures`);
    }
}

await test('a browser shows AVIF, upright and in the right size', async () => {
    const browser = await Chromium.start();
    try {
        const visitor = await browser.newVisitor();
        await visitor.goto(`http://127.0.0.1:${edge}/page`);
        await visitor.waitFor('[...document.images].length > 8 && [...document.images].every((image) => image.complete)', 60);
        const shown = await visitor.evaluate('JSON.stringify(Object.fromEntries([...document.images].map((image) => [image.id, [image.naturalWidth, image.naturalHeight]])))');
        const sizes = JSON.parse(shown);
        const [width, height] = sizes['orient-1.jpg'];
        assert(width > 0 && height > width, `an upright portrait, not ${width}x${height}`);
        for (let n = 2; n <= 8; n += 1) equal(sizes[`orient-${n}.jpg`], [width, height], `orient-${n}.jpg`);
        equal(sizes['dogs.jpg'], [150, 150], 'a preset');
        assert(sizes['grey16-12bit.tif'][0] > 0, 'a TIFF is shown');
        for (const name of ['dogs.jpg', 'orient-3.jpg', 'grey16-12bit.tif']) {
            const answer = visitor.responses.find((response) => response.path.startsWith(`/p/${name}`));
            assert(/^image\/(avif|webp)$/.test(answer.headers['content-type']), `${name} is ${answer.headers['content-type']}`);
        }
        // The same picture in all eight: pixels as the browser decodes them.
        const distances = JSON.parse(await visitor.evaluate(`JSON.stringify((() => {
            const pixels = (id) => { const c = document.createElement('canvas'), i = document.getElementById(id); c.width = i.naturalWidth; c.height = i.naturalHeight;
                const g = c.getContext('2d'); g.drawImage(i, 0, 0); return g.getImageData(0, 0, c.width, c.height).data; };
            const first = pixels('orient-1.jpg');
            return [2, 3, 4, 5, 6, 7, 8].map((n) => { const other = pixels('orient-' + n + '.jpg'); let sum = 0; for (let k = 0; k < first.length; k += 1) sum += Math.abs(first[k] - other[k]); return sum / first.length; });
        })())`));
        assert(distances.every((distance) => distance < 5), `mean distances of pixels ${distances}`);
    } finally {
        await browser.close();
    }
});

await test('many clients, two workers: one source, one render', async () => {
    const before = await images();
    const sources = asked;
    const answers = await Promise.all(Array.from({ length: 24 }, () => get('/p/stream.jpg?preset=xl&crowd=1')));
    equal(new Set(answers.map(({ body }) => body.toString('latin1'))).size, 1, 'different answers');
    equal(kind(answers[0].body), 'webp', 'the answer');
    equal(asked - sources, 1, 'requests for the source');
    equal((await images()).renders.webp - before.renders.webp, 1, 'renders');
});

await test('render processes are killed under load: pictures or originals, no failed request', async () => {
    const before = await images();
    const load = new Load(4);
    for (let n = 0; n < 20; n += 1) {
        await sleep(150);
        const victims = renders();
        if (victims.length > 0) process.kill(victims[Math.floor(Math.random() * victims.length)], 'SIGKILL');
    }
    await load.stop();
    load.check('render processes killed');
    await until(async () => (await images()).process_ends.crashed > before.process_ends.crashed, 'crashes are counted');
    await until(async () => kind((await get('/dogs.jpg?preset=sm&after=1')).body) === 'webp', 'there are pictures again', 30);
});

await test('the supervisor is killed under load: another one takes over', async () => {
    const first = await one();
    const load = new Load(4);
    await sleep(500);
    process.kill(first, 'SIGKILL');
    await sleep(2500);
    const second = await one();
    await until(async () => kind((await get(`/dogs.jpg?preset=sm&then=${Date.now()}`)).body) === 'webp', 'there are pictures again', 20);
    await load.stop();
    load.check('supervisor killed');
    assert(second !== first, 'it is the same');
    assert((await images()).process_ends.supervisors_started >= 2, 'it is counted');
});

await test('clients that go away are not waited for', async () => {
    const before = await images();
    for (let n = 0; n < 12; n += 1) {
        const outgoing = http.get({ host: '127.0.0.1', port: edge, path: `/gone/stream.jpg?n=${n}`, headers: { Accept: 'image/avif' }, agent: false });
        outgoing.on('error', () => {});
        setTimeout(() => outgoing.destroy(), 60);
    }
    await until(async () => (await images()).requests.cancelled >= before.requests.cancelled + 6, 'they are counted');
    await until(async () => { const { queue, processes: running } = await images(); return queue.interactive === 0 && running.rendering === 0; }, 'nothing is left to render', 20);
});

await test('reloads under load: no request fails, old supervisors end', async () => {
    const load = new Load(3);
    for (let n = 0; n < 3; n += 1) {
        const old = await one();
        const gone = workers(nginx.pid);
        await nginx.reload();
        await until(() => gone.every((pid) => !alive(pid)), 'the old workers end', 20);
        await until(() => !alive(old), 'the old supervisor ends', 20);
    }
    await load.stop();
    load.check('reloads');
    equal(supervisors().length, 1, 'supervisors');
});

await test('a new binary has a supervisor of its own', async () => {
    const old = nginx.pid;
    const [first] = supervisors();
    process.kill(old, 'SIGUSR2');
    await until(() => fs.existsSync(`${nginx.dir}/nginx.pid.oldbin`) && nginx.pid > 0 && nginx.pid !== old, 'a new master writes its pid');
    await until(() => supervisors().length === 2, 'there are two supervisors');
    const fresh = nginx.pid;
    process.kill(old, 'SIGQUIT');
    await until(() => !alive(old) && !alive(first), 'the old one ends with its supervisor', 20);
    equal(kind((await get('/dogs.jpg?preset=sm&binary=new')).body), 'webp', 'the new one renders');
    equal(nginx.pid, fresh, 'the new master stays');
});

await test('nginx is killed: nothing is left', async () => {
    await get('/dogs.jpg?preset=sm&last=1');
    const all = [nginx.pid, ...workers(nginx.pid)];
    const others = [...supervisors(), ...renders()];
    assert(others.length >= 2, `only ${others.length} processes render`);
    for (const pid of all) process.kill(pid, 'SIGKILL');
    await until(() => !others.some(alive), 'supervisor and render processes end', 20);
});

// When a test before has failed half-way.
for (const name of ['nginx.pid', 'nginx.pid.oldbin']) {
    const pid = Number(read(path.join(nginx.dir, name)));
    if (pid && alive(pid)) process.kill(pid, 'SIGTERM');
    else fs.rmSync(path.join(nginx.dir, name), { force: true });  // one that was killed leaves its file
}
