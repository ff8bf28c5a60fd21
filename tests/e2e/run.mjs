#!/usr/bin/env node
// scripts/run as a person uses it: what it prints is true, each way of starting it works, each failure is one line, and
// afterwards nothing is left.
// timeout: 240
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import WebSocket from 'ws';
import { assert, equal, port, request, startOrigin, test as bareTest, until } from './lib/e2e.mjs';
import { alive, processTree } from './lib/processes.mjs';
import { shape } from './lib/picture.mjs';
import { startRedis } from './lib/redis.mjs';

const repo = process.env.EDGE_REPO;
const dir = process.env.EDGE_DIR;
const edge = port(0);
const demo = port(10);
let serial = 0;

/** One run of the script, with a directory for temporary files of its own. */
class Run {
    constructor(args, { env = {}, script = path.join(repo, 'scripts/run') } = {}) {
        this.temp = path.join(dir, `tmp${serial += 1}`);
        fs.mkdirSync(this.temp);
        fs.chmodSync(this.temp, 0o755);
        this.out = '';
        this.err = '';
        this.child = spawn(script, args, {
            // A group of its own, as a terminal makes one: Ctrl-C is for all of it.
            detached: true, stdio: ['ignore', 'pipe', 'pipe'], cwd: dir,
            env: { ...process.env, TMPDIR: this.temp, EDGE_DEMO_PORT: String(demo), ...env },
        });
        this.child.stdout.on('data', (data) => { this.out += data; });
        this.child.stderr.on('data', (data) => { this.err += data; });
        this.ended = new Promise((resolve) => this.child.once('close', (code, signal) => resolve(code ?? signal)));
        Run.all.push(this);
    }
    async ready() {
        await until(() => {
            if (this.child.exitCode !== null) throw new Error(`it ended with ${this.child.exitCode}: ${this.err}`);
            return this.out.includes('Ctrl-C stops it.');
        }, 'scripts/run is ready', 90);
        this.processes = processTree(this.child.pid);
        return this;
    }
    /** The command of the nth thing to try. */
    command(n) {
        return new RegExp(`^ +${n}\\. (.*)$`, 'm').exec(this.out)[1];
    }
    interrupt() {
        process.kill(-this.child.pid, 'SIGINT');
        return this.ended;
    }
    /** Fails when it left anything behind. */
    async leftNothing({ ports = [edge, demo] } = {}) {
        const left = (this.processes ?? []).filter(alive);
        equal(left.map(({ pid, command }) => `${pid} ${command}`), [], 'processes left');
        equal(fs.readdirSync(this.temp), [], 'temporary files left');
        for (const number of ports) assert(await isFree(number), `port ${number} is still in use`);
    }
    static all = [];
}
/** scripts/run stops what it started when it is told to; also when a test fails half-way or is ended itself. */
function stopAll() {
    const running = Run.all.filter(({ child }) => child.exitCode === null && child.signalCode === null);
    for (const run of running) run.child.kill('SIGTERM');
    return Promise.all(running.map(({ ended }) => ended));
}
process.on('exit', stopAll);
async function test(name, body) {
    await bareTest(name, body);
    await stopAll();
}

const isFree = (number) => new Promise((resolve) => {
    const socket = net.connect(number, '127.0.0.1', () => { socket.destroy(); resolve(false); });
    socket.on('error', () => resolve(true));
});

function shell(command) {
    return new Promise((resolve) => {
        let out = '';
        const child = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] });
        child.stdout.on('data', (data) => { out += data; });
        child.once('close', () => resolve(out));
    });
}
const field = (headers, name) => new RegExp(`^${name}: (.*?)\\r?$`, 'im').exec(headers)?.[1];

async function demoIsAsPrinted(run) {
    assert(run.out.includes(`The edge answers on http://127.0.0.1:${edge} for the demo app at http://127.0.0.1:${demo}.`), `it says where: ${run.out}`);
    const [first, second] = [await shell(run.command(1)), await shell(run.command(1))];
    const printed = [...run.out.matchAll(/"Cache-Status: (.*?)"/g)].map(([, value]) => value);
    equal(printed.length, 2, 'answers that are foretold');
    equal(field(first, 'Cache-Status'), printed[0], 'the first answer');
    assert(printed[1].endsWith('...'), printed[1]);
    const hit = field(second, 'Cache-Status');
    assert(hit.startsWith(printed[1].slice(0, -3)), `the second answer says ${hit}`);
    assert(/^\d+$/.test(field(second, 'Age')), `its Age is ${field(second, 'Age')}`);
    const target = /(\/api\/[\w/]*)$/.exec(run.command(1))[1];
    const counts = () => shell(run.command(2)).then(JSON.parse);
    equal((await counts()).requests[`GET ${target}`], 1, 'requests that reached the app');
    for (let n = 0; n < 5; n += 1) await shell(run.command(1));
    const after = await counts();
    equal(after.requests[`GET ${target}`], 1, 'requests that reached the app after five more');
    equal(after.queries, 1, 'queries they took');
    for (const [page] of run.out.matchAll(/http:\/\/\S+\/(?= in a browser)|http:\/\/\S+feed\.html/g)) {
        const answer = await request(edge, new URL(page).pathname);
        assert(answer.status === 200 && answer.headers['content-type'].startsWith('text/html'), `${page}: ${answer.status}`);
    }
    const socket = new WebSocket(`ws://127.0.0.1:${edge}/feed`);
    const message = await new Promise((resolve, reject) => socket.once('message', resolve).once('error', reject));
    assert(JSON.parse(message).type, `a message of the feed: ${message}`);
    socket.terminate();
    const status = JSON.parse((await request(edge, new URL(/http:\S+edge_status/.exec(run.out)[0]).pathname)).body);
    assert(status.cache.requests.hit >= 6, `${status.cache.requests.hit} hits are counted`);
}

await test('the demo: what it prints is true; Ctrl-C stops all of it', async () => {
    const run = await new Run(['--port', String(edge), '--foreground']).ready();
    await demoIsAsPrinted(run);
    const thumbnail = await request(edge, '/photos/dogs.jpg?preset=sm', { headers: { Accept: 'image/webp,*/*' } });
    equal([thumbnail.status, shape(thumbnail.body)], [200, 'webp 150x150'], 'a thumbnail');
    await until(() => /"GET \/api\/gallery HTTP\/1\.1" 200 \d+ HIT/.test(run.out), '--foreground shows the requests');
    const names = run.processes.map(({ command }) => command);
    for (const name of ['nginx', 'node']) assert(names.includes(name), `its processes are ${names}`);
    equal(await run.interrupt(), 0, 'exit code');
    assert(run.out.includes('run: stopped'), 'it says that it stopped');
    equal(run.err, '', 'errors');
    assert(!/\[(error|crit|alert|emerg)\]/.test(run.out), `no error in nginx's log: ${run.out}`);
    await run.leftNothing();
});

await test('a SIGTERM to the script alone stops all of it too', async () => {
    const run = await new Run(['--port', String(edge)]).ready();
    run.child.kill('SIGTERM');
    equal(await run.ended, 0, 'exit code');
    await run.leftNothing();
});

await test('when the demo app ends, it says so and stops the rest', async () => {
    const run = await new Run(['--port', String(edge)]).ready();
    process.kill(run.processes.find(({ command }) => command === 'node').pid, 'SIGKILL');
    equal(await run.ended, 1, 'exit code');
    assert(/^run: the demo app ended/m.test(run.err), run.err);
    await run.leftNothing();
});

await test('--redis: two edges share what they have stored', async () => {
    let times = 0;
    await startOrigin(port(11), (incoming, response) => response.writeHead(200, { 'Cache-Control': 'max-age=600' }).end(`${times += 1}`));
    const url = `redis://127.0.0.1:${port(12)}`;
    const upstream = ['--upstream', `http://127.0.0.1:${port(11)}`];
    await fails([...upstream, '--port', String(edge), '--redis', url], [new RegExp(`^run: no Redis answers at 127\\.0\\.0\\.1:${port(12)}: start it first`)]);
    const redis = await startRedis('shared', { port: port(12) });
    const runs = [];
    for (const number of [edge, port(13)]) runs.push(await new Run([...upstream, '--port', String(number), '--redis', url]).ready());
    const at = (number) => request(number, '/', { headers: { Host: 'shop.test' } });
    equal((await at(edge)).body.toString(), '1');
    const values = async () => (await redis.command('KEYS', 'edge:{*')).filter((key) => !key.includes('{purges}'));
    await until(async () => (await values()).length === 1, 'it is in Redis');
    const second = await at(port(13));
    equal([second.body.toString(), times], ['1', 1]);
    assert(/^edge; hit; ttl=\d+; detail=redis$/.test(second.headers['cache-status']), second.headers['cache-status']);
    for (const run of runs) await run.interrupt();
    for (const run of runs) await run.leftNothing({ ports: [edge, port(13)] });
});

let asked = 0;
await startOrigin(port(1), (incoming, response) => {
    asked += 1;
    response.writeHead(200, { 'Cache-Control': 'max-age=600', ETag: '"one"', 'X-Host': incoming.headers.host, 'X-Target': incoming.url }).end('my app\n');
});

await test('--upstream: another app, hits do not reach it, what is printed is true', async () => {
    const run = await new Run(['--upstream', `http://127.0.0.1:${port(1)}/`, '--port', String(edge)]).ready();
    assert(run.out.includes(`The edge answers on http://127.0.0.1:${edge} for http://127.0.0.1:${port(1)}.`), run.out);
    const [first, second] = [await shell(run.command(1)), await shell(run.command(1))];
    const printed = [...run.out.matchAll(/"Cache-Status: (.*?)\.\.\."/g)].map(([, value]) => value);
    assert(field(first, 'Cache-Status').startsWith(printed[0]), `the first answer says ${field(first, 'Cache-Status')}`);
    assert(field(second, 'Cache-Status').startsWith(printed[1]), `the second answer says ${field(second, 'Cache-Status')}`);
    assert(/^\d+$/.test(field(second, 'Age')), 'with an Age');
    equal(field(second, 'X-Host'), `127.0.0.1:${edge}`, 'the Host that the app sees');
    equal(asked, 1, 'requests that reached the app');
    equal(await shell(run.command(2)), '304\n', 'the second thing to try');
    equal(JSON.parse(await shell(run.command(3))).zones[0].objects, 1, 'objects on the status page');
    equal(asked, 1, 'requests that reached the app at the end');
    // Names that pictures have as arguments are the app's own everywhere else, also for a browser's <img>.
    for (const target of ['/api/list?page=2&q=two+words&w=x', '/?preset=dark&page=last'])
        equal(field(await shell(`curl -s -D - -o /dev/null -H 'Accept: image/webp,*/*' 'http://127.0.0.1:${edge}${target}'`), 'X-Target'), target, 'the target that the app sees');
    equal(run.processes.some(({ command }) => command === 'node'), false, 'a demo app runs');
    equal(await run.interrupt(), 0, 'exit code');
    await run.leftNothing();
});

const conf = (name, text) => {
    const file = path.join(dir, name);
    fs.writeFileSync(file, text);
    return file;
};
const http = (more = '') => `http {
    edge_zone main size=8m; access_log off;
    server {
        listen 127.0.0.1:${edge}; # not listen 1;
        location / { edge_cache main; proxy_http_version 1.1; proxy_pass http://127.0.0.1:${port(1)}; }
        ${more}
    }
}
`;

await test('--conf: a file that leaves all to scripts/run, and one that says all itself', async () => {
    const own = path.join(dir, 'own');
    fs.mkdirSync(own);
    const files = {
        'least.conf': `events {}\n${http()}`,
        'most.conf': `load_module modules/ngx_http_edge_module.so; daemon off; pid ${own}/pid; error_log ${own}/error.log;
            worker_processes 1; events { worker_connections 64; }\n${http('location = /edge_status { edge_status; }')}`,
    };
    for (const [name, text] of Object.entries(files)) {
        conf(name, text);
        // By a name relative to where it is started.
        const run = await new Run(['--conf', name]).ready();
        const [, second] = [await shell(run.command(1)), await shell(run.command(1))];
        assert(field(second, 'Cache-Status').startsWith('edge; hit; ttl='), `${name}: ${second}`);
        const third = run.command(3);
        if (name === 'most.conf') assert(JSON.parse(await shell(third)).cache.requests.hit === 1, third);
        else assert(third.startsWith('location = /edge_status'), third);
        equal(await run.interrupt(), 0, 'exit code');
        await run.leftNothing();
    }
});

/** Runs what must fail: with code 1, these lines and no other on stderr, and nothing left. */
async function fails(args, lines, { ports, ...options } = {}) {
    const run = new Run(args, options);
    const timer = setTimeout(() => run.child.kill('SIGTERM'), 90_000);
    const code = await run.ended;
    clearTimeout(timer);
    const got = run.err.trimEnd().split('\n');
    assert(got.length === lines.length && lines.every((line, n) => line.test(got[n])), `scripts/run ${args.join(' ')} says: ${run.err}`);
    equal(code, 1, `exit code of scripts/run ${args.join(' ')}`);
    assert(!run.out.includes('The edge answers'), run.out);
    await run.leftNothing({ ports });
}

await test('wrong arguments: one line each', async () => {
    await fails(['--fast'], [/^run: unknown argument '--fast'; see scripts\/run --help$/]);
    await fails(['--port'], [/^run: --port needs a value/]);
    for (const number of ['0', '65536', '80a', '-1']) await fails(['--port', number], [/^run: --port \S+: give a number from 1 to 65535$/]);
    for (const url of ['127.0.0.1:3000', 'ftp://host', 'http://host/path', 'http://host:123456']) {
        await fails(['--upstream', url], [/^run: --upstream \S+: give it as http:\/\/host:port, without a path$/]);
    }
    for (const url of ['127.0.0.1:6379', 'redis://a b', 'redis://a;b', 'http://127.0.0.1']) {
        await fails(['--redis', url], [/^run: --redis .*: give it as redis:\/\/host:port, rediss:\/\/host:port or unix:\/path$/]);
    }
    await fails(['--conf', 'least.conf', '--port', '1'], [/^run: --conf names upstream, port and Redis itself: leave out --upstream, --port and --redis$/]);
    await fails(['--conf', 'nothing.conf'], [/^run: can't read nothing\.conf$/]);
});

await test('a port in use: one line', async () => {
    const server = net.createServer().listen(edge, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    await fails(['--port', String(edge)], [new RegExp(`^run: port ${edge} is in use: .* another with --port N$`)], { ports: [demo] });
    await fails(['--conf', 'least.conf'], [new RegExp(`^run: port ${edge} is in use: .* change "listen" in .*least\\.conf$`)], { ports: [demo] });
    await new Promise((resolve) => server.close(resolve));
});

await test('an app that does not answer, or not TLS: one line', async () => {
    await fails(['--port', String(edge), '--upstream', `http://127.0.0.1:${port(2)}`],
        [new RegExp(`^run: nothing answers at http://127\\.0\\.0\\.1:${port(2)}: start the app first, or correct --upstream$`)]);
    await fails(['--port', String(edge), '--upstream', 'http://nowhere.invalid:80'], [/^run: nothing answers at http:\/\/nowhere\.invalid:80: /]);
    await fails(['--port', String(edge), '--upstream', `https://127.0.0.1:${port(1)}`], [/^run: https:\S+ does not speak TLS: try --upstream http:/]);
});

await test('a configuration that nginx refuses: its line, and one of ours', async () => {
    conf('wrong.conf', `events {}\n${http('edge_cache nowhere;')}`);
    await fails(['--conf', 'wrong.conf'], [/^\[emerg\] .*"nowhere".* in \S+wrong\.conf:\d+$/, /^run: nginx refuses the configuration, see above$/]);
});

await test('a missing tool: one line', async () => {
    // All there is but nginx.
    const bin = path.join(dir, 'bin');
    fs.mkdirSync(bin);
    for (const from of process.env.PATH.split(':').filter((each) => fs.existsSync(each))) {
        for (const name of fs.readdirSync(from)) {
            if (name !== 'nginx' && !fs.existsSync(path.join(bin, name))) fs.symlinkSync(path.join(from, name), path.join(bin, name));
        }
    }
    await fails(['--port', String(edge)], [/^run: nginx is not installed: run scripts\/setup run$/], { env: { PATH: bin } });
});

await test('packages of the demo app that cannot be had: one line', async () => {
    const tree = path.join(dir, 'tree');
    for (const part of ['scripts', 'nginx-conf', 'docker']) {
        fs.cpSync(path.join(repo, part), path.join(tree, part), { recursive: true, filter: (file) => !file.includes('node_modules') });
    }
    const npm = { npm_config_registry: `http://127.0.0.1:${port(3)}/`, npm_config_cache: path.join(dir, 'npm'), npm_config_fetch_retries: '0' };
    await fails(['--port', String(edge)], [/^run: npm could not install the packages of docker\/demo \(.*\): check the network, then run it again$/],
        { script: path.join(tree, 'scripts/run'), env: npm });
    equal(fs.existsSync(path.join(tree, 'docker/demo/node_modules')), false, 'half of them are left');
});
