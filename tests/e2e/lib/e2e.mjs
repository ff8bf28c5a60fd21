// For tests in JavaScript; the environment is described in tests/e2e/run. A test is
//
//   #!/usr/bin/env node
//   import { test, startNginx, port, equal } from './lib/e2e.mjs';
//   await test('a stored answer is sent again', async () => { ... });
//
// Processes and servers started here end with the test; and node with its file.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual, inspect } from 'node:util';

const dir = process.env.EDGE_DIR;
if (!dir) {
    console.error('run this by tests/e2e/run FILE');
    process.exit(1);
}
const children = [];
const servers = [];
let bad = false;

export { sleep };
/** The test's own port number n, 0 to 39. */
export const port = (n) => Number(process.env.EDGE_PORT) + n;

const oneLine = (text) => String(text).replace(/\s+/g, ' ').trim().slice(0, 500);
export function ok(name) { console.log(`ok ${name}`); }
export function notOk(name, reason) {
    bad = true;
    console.log(`not ok ${name} - ${oneLine(reason)}`);
}
export function skip(name, reason) { console.log(`skip ${name} - ${oneLine(reason)}`); }

/** Throws unless both are deeply equal. */
export function equal(got, wanted, what = 'value') {
    if (!isDeepStrictEqual(got, wanted)) throw new Error(`${what}: got ${inspect(got)}, not ${inspect(wanted)}`);
}
export function assert(condition, what) {
    if (!condition) throw new Error(what);
}

/** Prints ok when body returns, not ok with its message when it throws. */
export async function test(name, body) {
    try {
        await body();
        ok(name);
    } catch (error) {
        notOk(name, error?.message ?? error);
        if (error?.stack) console.error(error.stack);
    }
}

/** Until something accepts connections there. */
export async function waitPort(number, seconds = 10) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
        const open = await new Promise((resolve) => {
            const socket = net.connect(number, '127.0.0.1', () => { socket.destroy(); resolve(true); });
            socket.on('error', () => resolve(false));
        });
        if (open) return;
        if (Date.now() > end) throw new Error(`nothing listens on port ${number}`);
        await sleep(50);
    }
}

/** Calls condition until it returns something true, and returns that. */
export async function until(condition, what, seconds = 10) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
        const value = await condition();
        if (value) return value;
        if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
        await sleep(20);
    }
}

/** A process in the background, its output in EDGE_DIR/name.log. */
export function start(name, command, args = [], options = {}) {
    const out = fs.openSync(path.join(dir, `${name}.log`), 'a');
    const child = spawn(command, args, { stdio: ['ignore', out, out], ...options });
    child.on('error', (error) => console.error(`${name}: ${error.message}`));
    child.unref();
    children.push(child);
    fs.closeSync(out);
    return child;
}

/** An HTTP server for requests to fall through to; handler(request, response). */
export async function startOrigin(number, handler) {
    const server = http.createServer(handler);
    server.keepAliveTimeout = 60000;
    await new Promise((resolve, reject) => server.once('error', reject).listen(number, '127.0.0.1', resolve));
    server.unref();
    server.on('connection', (socket) => socket.unref());
    servers.push(server);
    return server;
}

export class Nginx {
    constructor(name) {
        this.name = name;
        this.dir = path.join(dir, name);
    }
    /** http: the content of the http block; main: directives outside of it; env (at the start): what its environment has more. */
    write({ http: content, main = '', workers = 2 }) {
        for (const sub of ['temp', 'logs', 'html']) fs.mkdirSync(path.join(this.dir, sub), { recursive: true });
        const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
            .map((kind) => `    ${kind}_temp_path ${this.dir}/temp/${kind};`).join('\n');
        fs.writeFileSync(path.join(this.dir, 'nginx.conf'), [
            `load_module ${process.env.EDGE_MODULE};`,
            `daemon off; pid ${this.dir}/nginx.pid; error_log ${this.dir}/error.log info;`,
            `worker_processes ${workers};`,
            /\bevents\s*\{/.test(main) ? '' : 'events { worker_connections 1024; }',
            main, 'http {', `    access_log ${this.dir}/access.log;`, temp, content, '}', ''].join('\n'));
    }
    async start(conf) {
        this.write(conf);
        this.child = start(`${this.name}-stderr`, process.env.EDGE_NGINX,
            ['-p', this.dir, '-e', path.join(this.dir, 'error.log'), '-c', path.join(this.dir, 'nginx.conf')],
            { env: { ...process.env, ...conf.env } });
        await until(() => {
            if (this.child.exitCode !== null) throw new Error(`nginx does not start: ${this.firstError()}`);
            return this.pid > 0;
        }, 'nginx starts');
        return this;
    }
    get pid() {
        try { return Number(fs.readFileSync(path.join(this.dir, 'nginx.pid'), 'utf8')); } catch { return 0; }
    }
    log() {
        try { return fs.readFileSync(path.join(this.dir, 'error.log'), 'utf8'); } catch { return ''; }
    }
    firstError() {
        let stderr = '';
        try { stderr = fs.readFileSync(path.join(dir, `${this.name}-stderr.log`), 'utf8'); } catch { /* none yet */ }
        return (stderr + this.log()).split('\n').find((line) => line.includes('[emerg]')) ?? 'no reason in its log';
    }
    #generations() { return this.log().split('start worker process ').length; }
    /** With a new conf when given; returns when workers of the new generation run. */
    async reload(conf) {
        if (conf) this.write(conf);
        const before = this.#generations();
        process.kill(this.pid, 'SIGHUP');
        await until(() => this.#generations() > before, 'nginx reloads');
    }
    /** Returns when it is gone. */
    async stop(signal = 'SIGQUIT') {
        const { pid } = this;
        process.kill(pid, signal);
        await until(() => { try { process.kill(pid, 0); return false; } catch { return true; } }, 'nginx ends', 20);
    }
}
export const startNginx = (name, conf) => new Nginx(name).start(conf);

/**
 * One request to 127.0.0.1: {status, headers, rawHeaders, body (Buffer), complete}.
 * Without an agent of the caller's each request has a connection of its own.
 */
export function request(number, target, { method = 'GET', headers = {}, body, agent = false, timeout = 20000 } = {}) {
    return new Promise((resolve, reject) => {
        const outgoing = http.request({ host: '127.0.0.1', port: number, path: target, method, headers, agent }, (incoming) => {
            const chunks = [];
            const done = () => resolve({ status: incoming.statusCode, headers: incoming.headers,
                rawHeaders: incoming.rawHeaders, body: Buffer.concat(chunks), complete: incoming.complete });
            incoming.on('data', (chunk) => chunks.push(chunk));
            incoming.on('end', done);
            incoming.on('error', done);
        });
        outgoing.setTimeout(timeout, () => outgoing.destroy(new Error(`no answer to ${target} in ${timeout} ms`)));
        outgoing.on('error', reject);
        outgoing.end(body);
    });
}

async function finish() {
    for (const server of servers) {
        server.closeAllConnections?.();
        server.close();
    }
    for (const child of children.reverse()) {
        if (child.exitCode !== null || child.signalCode !== null || !child.pid) continue;
        child.ref();
        child.kill('SIGTERM');
        child.kill('SIGCONT');
        const ended = new Promise((resolve) => child.once('exit', resolve));
        const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
        await ended;
        clearTimeout(timer);
    }
    process.exit(bad ? 1 : 0);
}
process.on('SIGTERM', () => finish());
process.on('uncaughtException', (error) => { notOk('uncaught', error.message); console.error(error.stack); finish(); });
// Nothing started here keeps node's loop alive: it runs dry at the end of the file.
process.on('beforeExit', finish);
