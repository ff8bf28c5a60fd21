// Pictures through HTTP, each rendered anew, beside a bare libvips loop, sharp, ipx and nginx's image_filter; see
// scripts/bench --help.  image_http.mjs ROUNDS SECONDS IMAGE_BENCH SOURCES PEER,...
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { cores, cpu, clients, dir, edgeUrl, fail, finish, get, here, listening, median, port, resident, sleep, start, startEdge, startOrigin, stop } from './image_servers.mjs';

const [rounds, seconds, imageBench, sources] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4], process.argv[5]];
const wanted = process.argv[6].split(',');
const peersDir = path.join(here, 'image_peers');
const installed = (name) => fs.existsSync(path.join(peersDir, 'node_modules', name));


const names = fs.readdirSync(sources).sort();
const photos = names.filter((name) => name.startsWith('photo'));
const jobs = [
    { name: 'photo → 300×300 WebP', of: photos, w: 300, h: 300, fit: 'cover', fm: 'webp', q: 80 },
    { name: 'photo → 1200 WebP', of: photos, w: 1200, fit: 'inside', fm: 'webp', q: 80 },
    { name: 'photo → 1200 JPEG', of: photos, w: 1200, fit: 'inside', fm: 'jpeg', q: 80 },
    { name: 'photo → 1200 AVIF', of: photos, w: 1200, fit: 'inside', fm: 'avif', q: 50 },
    { name: 'TIFF 16 bit → 600 WebP', of: ['deep.tif'], w: 600, fit: 'inside', fm: 'webp', q: 80 },
    { name: 'PNG alpha → 600 WebP', of: ['alpha.png'], w: 600, fit: 'inside', fm: 'webp', q: 80 },
];
const kEdgeEffort = 3;  // of AVIF, by default up to two megapixels

// Another address each time, and the very same picture: a background that a photo does not show, or a height that `inside` does
// not reach.
let serial = 0;
function edgeTarget(job) {
    serial += 1;
    const size = job.fit === 'cover' ? `w=${job.w}&h=${job.h}&bg=${(serial % 0xffffff).toString(16).padStart(6, '0')}` : `w=${job.w}&h=${3000 + (serial % 13000)}`;
    return edgeUrl(job.of[serial % job.of.length], `${size}&fit=${job.fit}&fm=${job.fm}`);
}
const sharpTarget = (effort) => (job) => {
    serial += 1;
    const more = (job.h ? `&h=${job.h}` : '') + (effort && job.fm === 'avif' ? `&effort=${effort}` : '');
    return `/${job.of[serial % job.of.length]}?w=${job.w}&fit=${job.fit}&fm=${job.fm}&q=${job.q}${more}`;
};
function ipxTarget(job) {
    serial += 1;
    const size = job.h ? `s_${job.w}x${job.h}` : `w_${job.w}`;
    return `/fit_${job.fit},${size},f_${job.fm},q_${job.q}/${job.of[serial % job.of.length]}`;
}
const filterTarget = (job) => { serial += 1; return `/${job.of[serial % job.of.length]}`; };

// --- servers ---

const origin = await startOrigin(sources);
const edge = startEdge('edge', { workers: 2, origin: origin.port });
const servers = [{ name: 'edge', child: edge, port: edge.port, target: edgeTarget, takes: () => true, isEdge: true }];
for (const name of ['sharp', 'ipx'].filter((each) => wanted.includes(each))) {
    if (!installed(name)) console.log(`${name} (scripts/setup bench) is not installed: left out`);
    else {
        const at = port();
        const child = start(name, ['node', path.join(peersDir, `${name}.mjs`), String(at), sources]);
        servers.push({ name, child, port: at, target: name === 'sharp' ? sharpTarget() : ipxTarget, takes: () => true });
        if (name === 'sharp')
            servers.push({ name: `sharp, effort ${kEdgeEffort}`, child, port: at, target: sharpTarget(kEdgeEffort), takes: (job) => job.fm === 'avif' });
    }
}
const modules = /--modules-path=(\S+)/.exec(spawnSync('nginx', ['-V']).stderr.toString())?.[1] ?? '/usr/lib/nginx/modules';
if (!wanted.includes('image_filter')) { /* as asked */ } else if (fs.existsSync(path.join(modules, 'ngx_http_image_filter_module.so'))) {
    const at = port();
    const root = path.join(dir, 'filter');
    fs.mkdirSync(root);
    fs.writeFileSync(path.join(root, 'nginx.conf'), `
        load_module ${modules}/ngx_http_image_filter_module.so;
        worker_processes 2; daemon off; pid ${root}/pid; error_log ${root}/error.log warn; events { }
        http {
            access_log off; keepalive_requests 1000000; client_body_temp_path ${root}/1; proxy_temp_path ${root}/2;
            fastcgi_temp_path ${root}/3; uwsgi_temp_path ${root}/4; scgi_temp_path ${root}/5; types { image/jpeg jpg; }
            server {
                listen 127.0.0.1:${at}; root ${sources};
                location / { image_filter resize 1200 -; image_filter_jpeg_quality 80; image_filter_interlace on; image_filter_buffer 64m; }
            }
        }`);
    const child = start('filter', ['nginx', '-p', root, '-e', `${root}/error.log`, '-c', `${root}/nginx.conf`]);
    servers.push({ name: 'image_filter', child, port: at, target: filterTarget, takes: (job) => job.fm === 'jpeg' });
} else console.log('libnginx-mod-http-image-filter is not installed: left out');
for (const server of servers) await listening(server.child, server.port);

// --- the first picture ---

async function firstPicture() {
    const begin = performance.now();
    const child = startEdge('edge-first', { workers: 2, origin: origin.port });
    await listening(child, child.port);
    const serves = performance.now();
    const timed = async () => {
        const start = performance.now();
        const answer = await get(child.port, edgeTarget(jobs[0]));
        if (answer.status !== 200) fail(`the first picture: status ${answer.status}`);
        return performance.now() - start;
    };
    const first = await timed();
    const later = [];
    for (let i = 0; i < 6; i += 1) later.push(await timed());
    await stop(child);
    fs.rmSync(path.join(dir, 'edge-first'), { recursive: true });
    return { serves: serves - begin, first, later: median(later.slice(jobs[0].of.length)) };
}
const starts = [];
for (let i = 0; i < 3; i += 1) starts.push(await firstPicture());

// --- the load ---

const samples = new Map();
const note = (job, name, sample) => {
    const key = `${job.name}|${name}`;
    if (!samples.has(key)) samples.set(key, []);
    samples.get(key).push(sample);
};
const peaks = new Map();
const spec = (job) => `${job.w}x${job.h ?? 0}:${job.fit}:${job.fm}`;
const warmed = new Set();
let edgeHits = 0;
for (let round = 1; round <= rounds; round += 1) {
    console.error(`bench image: round ${round} of ${rounds}`);
    for (const job of jobs) {
        const loop = execFileSync('taskset', ['-c', `0-${cores - 1}`, imageBench, 'bare', String(seconds), spec(job), ...job.of.map((name) => path.join(sources, name))])
            .toString().trim().split(' ').map(Number);
        note(job, 'bare', { rate: loop[0] / loop[1], cpu: loop[2] / loop[0] });
        peaks.set('bare', Math.max(peaks.get('bare') ?? 0, loop[4]));
        for (const server of servers.filter((each) => each.takes(job))) {
            const check = (answer) => {
                if (answer.headers['content-type'] !== `image/${job.fm}`) return `${answer.headers['content-type']}, not ${job.fm}`;
                if (server.isEdge && /hit/.test(answer.headers['cache-status'] ?? '')) edgeHits += 1;
                return answer.bytes > 1000 ? '' : `${answer.bytes} bytes`;
            };
            if (!warmed.has(`${job.name}|${server.name}`)) {
                for (let i = 0; i < job.of.length; i += 1) await get(server.port, server.target(job));
                warmed.add(`${job.name}|${server.name}`);
            }
            const before = cpu(server.child.pid);
            const run = await clients(server.port, seconds, () => server.target(job), check, () => {
                peaks.set(server.name, Math.max(peaks.get(server.name) ?? 0, resident(server.child.pid)));
            });
            note(job, server.name, { rate: run.images / run.seconds, cpu: (cpu(server.child.pid) - before) / run.images, bytes: run.bytes / run.images });
        }
    }
}
await sleep(3000);
const rest = new Map(servers.map((server) => [server.name, resident(server.child.pid)]));

// --- the tables ---

const of = (job, name, what) => median(samples.get(`${job.name}|${name}`).map((sample) => sample[what]));
console.log(`\nThrough HTTP, four clients, two processes on ${cores} processors, ${rounds} rounds of ${seconds} s each, medians. Each picture is
rendered anew: the edge has the source in its zone and a new address each time. Quality 80 everywhere, AVIF 50.
AVIF effort: edge ${kEdgeEffort} (its default), sharp and ipx 4 (theirs) unless said. bare: the same libvips calls, two threads.\n`);
console.log(`${'job'.padEnd(24)}${'by'.padEnd(18)}images/s  of bare  CPU s each  of bare   KB each`);
for (const job of jobs) {
    for (const name of ['bare', ...servers.filter((each) => each.takes(job)).map((each) => each.name)]) {
        const bytes = samples.get(`${job.name}|${name}`)[0].bytes === undefined ? '' : (of(job, name, 'bytes') / 1024).toFixed(0);
        console.log(`${job.name.padEnd(24)}${name.padEnd(18)}${of(job, name, 'rate').toFixed(1).padStart(8)}${(of(job, name, 'rate') / of(job, 'bare', 'rate')).toFixed(2).padStart(9)}`
            + `${of(job, name, 'cpu').toFixed(3).padStart(12)}${(of(job, name, 'cpu') / of(job, 'bare', 'cpu')).toFixed(2).padStart(9)}${bytes.padStart(10)}`);
    }
}
console.log('\nResident memory of all processes, MB; the edge without its zone');
for (const server of servers.filter((each) => rest.has(each.name) && !each.name.includes(','))) {
    const alike = servers.filter((each) => each.child === server.child).map((each) => peaks.get(each.name) ?? 0);
    console.log(`${server.name.padEnd(18)}at rest after the load ${(rest.get(server.name) / 1048576).toFixed(0).padStart(4)}, at the peak ${(Math.max(...alike) / 1048576).toFixed(0).padStart(4)}`);
}
console.log(`${'bare'.padEnd(18)}at the peak ${(peaks.get('bare') / 1048576).toFixed(0)}`);
const each = (what) => median(starts.map((one) => one[what])).toFixed(0);
console.log(`\nFrom nginx' start to its first answer ${each('serves')} ms; the first picture (300×300, a render process starts, the source is fetched) ${each('first')} ms, `
    + `a later one ${each('later')} ms`);
// Else what was measured is not what is said above.
if (edgeHits > 0) fail(`${edgeHits} pictures came from the edge's cache`);
const errors = fs.readFileSync(edge.errors, 'utf8');
if (errors) fail(`the edge complains:\n${errors.slice(0, 1000)}`);
if (origin.asked !== new Set(jobs.flatMap((job) => job.of)).size + 3 * photos.length)
    console.log(`note: the app was asked ${origin.asked} times for ${names.length} sources; some did not stay in the zone`);
await finish();
