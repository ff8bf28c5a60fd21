// Common to the parts of scripts/bench image that speak HTTP: servers, what their processes use, and load.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = path.dirname(fileURLToPath(import.meta.url));
export const repo = path.resolve(here, '../..');
export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
export const cores = Math.min(2, os.cpus().length);

let next = Number(process.env.EDGE_BENCH_PORT ?? 20300);
export function port() { next += 1; return next - 1; }

function base() {
    const room = fs.existsSync('/dev/shm') && fs.statfsSync('/dev/shm');
    return room && room.bavail * room.bsize > 400e6 ? '/dev/shm' : os.tmpdir();
}
export const dir = fs.mkdtempSync(path.join(base(), 'nginx-edge-bench.'));
fs.chmodSync(dir, 0o755);

export function fail(text) {
    console.error(`bench image: ${text}`);
    process.exit(1);
}

// --- processes ---

const children = new Set();
/** Runs on the first two processors; ended with this process at the latest. */
export function start(name, command, { env = {}, log = path.join(dir, `${name}.log`) } = {}) {
    const out = fs.openSync(log, 'a');
    const child = spawn('taskset', ['-c', `0-${cores - 1}`, ...command], { stdio: ['ignore', out, out], env: { ...process.env, ...env } });
    fs.closeSync(out);
    children.add(child);
    child.on('exit', () => { children.delete(child); child.gone = true; });
    child.log = log;
    return child;
}
export async function stop(child) {
    for (let i = 0; i < 100 && !child.gone; i += 1) {
        if (i % 20 === 0) child.kill('SIGTERM');
        await sleep(50);
    }
    child.kill('SIGKILL');
}
export async function finish(code = 0) {
    await Promise.all([...children].map(stop));
    fs.rmSync(dir, { recursive: true, force: true });
    process.exit(code);
}
process.on('exit', () => {
    // A master that is killed leaves its workers.
    for (const pid of [...children].flatMap((child) => tree(child.pid))) {
        try { process.kill(pid, 'SIGKILL'); } catch { /* it has ended */ }
    }
    fs.rmSync(dir, { recursive: true, force: true });
});
process.on('SIGINT', () => finish(130));
process.on('SIGTERM', () => finish(143));

export async function listening(child, at) {
    for (let i = 0; i < 600 && !child.gone; i += 1) {
        const up = await new Promise((resolve) => {
            http.get({ port: at, host: '127.0.0.1', path: '/', agent: false }, (answer) => { answer.resume(); resolve(true); })
                .on('error', () => resolve(false));
        });
        if (up) return;
        await sleep(10);
    }
    fail(`a server did not start:\n${fs.readFileSync(child.log, 'utf8').slice(-1000)}`);
}

const read = (file) => { try { return fs.readFileSync(file, 'latin1'); } catch { return ''; } };
/** A process with all below it. */
export function tree(pid) {
    const below = read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
    return [pid, ...below.flatMap(tree)];
}
const ticksPerSecond = 100;  // Linux' USER_HZ
/** Seconds of processor time so far, of those that have ended too. */
export function cpu(pid) {
    let ticks = 0;
    for (const each of tree(pid)) {
        const fields = read(`/proc/${each}/stat`).replace(/^.*\) /s, '').split(' ').map(Number);
        for (const i of [11, 12, 13, 14]) ticks += fields[i] || 0;
    }
    return ticks / ticksPerSecond;
}
/** Bytes: what each process has for itself, its program and libraries (counted in each), and the memory files it holds. Not
 * the zone, which is as large as it is configured. */
export function resident(pid) {
    let bytes = 0;
    const files = new Map();
    for (const each of tree(pid)) {
        for (const [, kilobytes] of read(`/proc/${each}/status`).matchAll(/^Rss(?:Anon|File):\s+(\d+)/gm)) bytes += 1024 * Number(kilobytes);
        let fds = [];
        try { fds = fs.readdirSync(`/proc/${each}/fd`); } catch { /* it has ended */ }
        for (const fd of fds) {
            const file = `/proc/${each}/fd/${fd}`;
            try {
                if (fs.readlinkSync(file).startsWith('/memfd:')) { const status = fs.statSync(file); files.set(status.ino, status.blocks * 512); }
            } catch { /* closed meanwhile */ }
        }
    }
    for (const size of files.values()) bytes += size;
    return bytes;
}

// --- the edge ---

const kinds = { jpg: 'image/jpeg', png: 'image/png', tif: 'image/tiff' };
export const typeOf = (name) => kinds[name.split('.').pop()];

/** The app behind the edge: NAME, and as many other addresses as wanted of the same, /n/NUMBER/NAME. */
export function startOrigin(directory) {
    const state = { port: port(), asked: 0 };
    const files = new Map(fs.readdirSync(directory).map((name) => [name, fs.readFileSync(path.join(directory, name))]));
    state.server = http.createServer((request, response) => {
        const name = path.basename(request.url.split('?')[0]);
        const bytes = files.get(name);
        if (!bytes) return response.writeHead(404).end();
        state.asked += 1;
        return response.writeHead(200, { 'Content-Type': typeOf(name), 'Content-Length': bytes.length, 'Cache-Control': 'max-age=86400', ETag: `"${name}"` })
            .end(bytes);
    });
    return new Promise((resolve) => { state.server.listen(state.port, '127.0.0.1', () => resolve(state)); });
}

const key = 'a key of the benchmark, 32 bytes or more';
/** `parameters` in the URL of `name`, signed. */
export function edgeUrl(name, parameters) {
    const url = `/${name}?${parameters}`;
    return `${url}&sig=${createHmac('sha256', key).update(url).digest('hex')}`;
}

/** Where the edge is from: this tree and machine, or the file system of another one. */
const system = process.env.EDGE_BENCH_ROOT ?? '';
const edgeModule = system ? '/usr/lib/nginx/modules/ngx_http_edge_module.so' : `${repo}/build/ngx_http_edge_module.so`;
// The mounts vanish with the process; /dev/shm is how both see the edge's files.
const enter = system ? ['unshare', '--mount', '--propagation', 'private', 'bash', '-c',
    'mount --rbind /proc "$1/proc" && mount --rbind /dev "$1/dev" && exec chroot "$1" /usr/sbin/nginx "${@:2}"', 'edge', system] : ['nginx'];
if (system) {
    if (!dir.startsWith('/dev/')) fail('--root needs 400 MB in /dev/shm');
    for (const each of ['proc', 'dev']) fs.mkdirSync(path.join(system, each), { recursive: true });
}

export function startEdge(name, { workers, origin, http: more = '', env = {} }) {
    const at = port();
    const root = path.join(dir, name);
    fs.mkdirSync(root);
    fs.writeFileSync(path.join(root, 'key'), `${key}\n`, { mode: 0o644 });
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${root}/${kind};`).join(' ');
    fs.writeFileSync(path.join(root, 'nginx.conf'), `
        load_module ${edgeModule};
        worker_processes ${workers}; daemon off; pid ${root}/pid; error_log ${root}/error.log warn;
        events { worker_connections 512; }
        http {
            ${temporary} access_log off; keepalive_requests 1000000; keepalive_timeout 600s;
            edge_zone bench size=384m max_object=64m;
            edge_image_processes 2;
            proxy_http_version 1.1;
            ${more}
            server {
                listen 127.0.0.1:${at};
                edge_image on;
                edge_image_quality bench jpeg=80 webp=80 avif=50;
                edge_image_quality bench;
                edge_image_limit time=60s;
                edge_image_sign secret_file=${root}/key;
                location / { edge_cache bench; proxy_pass http://127.0.0.1:${origin}; }
                location = /tiny { return 200 tiny; }
                location /plain/ { edge_image off; proxy_max_temp_file_size 0; proxy_pass http://127.0.0.1:${origin}; }
            }
        }`);
    const child = start(name, [...enter, '-p', root, '-e', `${root}/error.log`, '-c', `${root}/nginx.conf`], { env });
    child.port = at;
    child.errors = `${root}/error.log`;
    return child;
}

// --- load ---

/** One answer: { status, headers, bytes }. */
export function get(at, url, agent) {
    return new Promise((resolve, reject) => {
        http.get({ host: '127.0.0.1', port: at, path: url, agent, headers: { Accept: 'image/avif,image/webp,*/*' } }, (answer) => {
            let bytes = 0;
            answer.on('data', (piece) => { bytes += piece.length; });
            answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, bytes }));
            answer.on('error', reject);
        }).on('error', reject);
    });
}

/** Four clients that ask one after the other for `seconds`; what is under way then is waited for and counts. `url` makes the
 * next address, `check` says what is wrong with an answer. */
export async function clients(at, seconds, url, check, during = () => {}) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
    const begin = performance.now();
    let images = 0;
    let bytes = 0;
    let going = true;
    const one = async () => {
        while (performance.now() - begin < 1000 * seconds) {
            const target = url();
            const answer = await get(at, target, agent);
            const wrong = answer.status === 200 ? check(answer) : `status ${answer.status}`;
            if (wrong) fail(`${target}: ${wrong}`);
            images += 1;
            bytes += answer.bytes;
        }
    };
    const watch = (async () => { while (going) { during(); await sleep(50); } })();
    await Promise.all([one(), one(), one(), one()]);
    const taken = (performance.now() - begin) / 1000;
    going = false;
    await watch;
    agent.destroy();
    return { images, seconds: taken, bytes };
}

export function median(list) {
    const sorted = [...list].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
