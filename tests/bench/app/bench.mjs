#!/usr/bin/env node
// scripts/bench app: see there. Starts PostgreSQL in a directory of its own, the app, and nginx with nginx-conf/app.conf in
// front of it; everything ends with this process.
//
//   EDGE_MODULE=… node bench.mjs DIR FIRST_PORT SECONDS CLIENTS USERS
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { run } from './load.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const repo = path.resolve(here, '../../..');
const [dir, firstPort, seconds, clients, users] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const [appPort, edgePort, filesPort, plainPort] = [0, 1, 2, 3].map((n) => firstPort + n);
const secret = 'a secret of more than 32 bytes, known to the app';
const say = (text) => console.error(`bench app: ${text}`);
const children = [];
process.on('exit', () => { for (const child of children) child.kill('SIGKILL'); });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop().finally(() => process.exit(1)));

function start(name, command, args, options = {}) {
    const out = fs.openSync(path.join(dir, `${name}.log`), 'a');
    const child = spawn(command, args, { stdio: ['ignore', out, out], ...options });
    child.ended = new Promise((resolve) => { child.on('exit', resolve).on('error', resolve); });
    children.push(child);
    return child;
}
async function end(child, signal) {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await Promise.race([child.ended, sleep(10000)]);
}
async function waitFor(what, attempt) {
    for (let tries = 0; tries < 300; tries += 1) {
        if (await attempt().catch(() => false)) return;
        await sleep(100);
    }
    throw new Error(`${what} did not start; see the logs in ${dir}`);
}
const listening = (port) => new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
    socket.on('error', () => resolve(false));
});

// --- PostgreSQL: not as root, which it refuses, on a socket in its own directory ---
const bin = fs.readdirSync('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`).sort().pop();
const pgUser = process.getuid() === 0 ? 'postgres' : process.env.USER ?? 'postgres';
const ids = process.getuid() === 0 ? { uid: Number(execFileSync('id', ['-u', pgUser])), gid: Number(execFileSync('id', ['-g', pgUser])) } : {};
const cluster = path.join(dir, 'postgres');
let database;
async function startPostgres() {
    fs.mkdirSync(cluster, { mode: 0o700 });
    if (ids.uid !== undefined) fs.chownSync(cluster, ids.uid, ids.gid);
    execFileSync(`${bin}/initdb`, ['-D', `${cluster}/data`, '-U', pgUser, '--auth=trust', '-E', 'UTF8', '--locale=C', '--no-sync'], { ...ids, stdio: 'pipe', cwd: '/' });
    const settings = { listen_addresses: '', unix_socket_directories: cluster, shared_preload_libraries: 'pg_stat_statements',
        'pg_stat_statements.track_utility': 'off', shared_buffers: '128MB', fsync: 'off', max_connections: '40', jit: 'off', dynamic_shared_memory_type: 'mmap' };
    database = start('postgres', `${bin}/postgres`, ['-D', `${cluster}/data`, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])], { ...ids, cwd: '/' });
    await waitFor('PostgreSQL', async () => { const client = await connect('postgres'); await client.end(); return true; });
}
async function connect(name) {
    const client = new pg.Client({ host: cluster, user: pgUser, database: name });
    client.on('error', () => {});  // it ends with the server
    await client.connect();
    return client;
}
const psql = (file, name = 'app') => execFileSync('psql', ['-q', '-v', 'ON_ERROR_STOP=1', '-v', `users=${users}`, '-h', cluster, '-U', pgUser, '-f', file, name], { stdio: 'pipe' });

/** What the queries that the indexes are for cost: planner's cost and plan, milliseconds (median of 5). */
async function explain(client) {
    const cases = [
        ['sign in by e-mail', 'SELECT * FROM users WHERE email = $$user77@example.org$$'],
        ['users near their limit', `SELECT id FROM users WHERE storage_used_bytes > ${Math.floor(users * 100 * 1000003 * 0.999)} AND storage_limit_bytes > 0`],
        ['images of a project', 'SELECT * FROM images WHERE project_id = 777 ORDER BY id LIMIT 100'],
        ['file of a project', 'SELECT * FROM images WHERE project_id = 777 AND storage_filename = $$x$$'],
        ['image by name', 'SELECT * FROM images WHERE name = $$image-4242.tiff$$'],
        ['name taken in a project', 'SELECT 1 FROM images WHERE project_id = 777 AND name = $$x$$'],
        ['active refresh tokens', 'SELECT count(*) FROM refresh_tokens WHERE user_id = 77 AND NOT revoked AND expires_at > now()'],
        ['profile of a user', 'SELECT * FROM user_profiles WHERE user_id = 77'],
    ];
    const rows = [];
    for (const [name, text] of cases) {
        const times = [];
        let plan;
        for (let i = 0; i < 5; i += 1) {
            const [{ 'QUERY PLAN': [found] }] = (await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`)).rows;
            plan = found;
            times.push(found['Execution Time']);
        }
        let node = plan.Plan;
        while (node.Plans && !node['Index Name'] && node['Node Type'] !== 'Seq Scan') [node] = node.Plans;
        rows.push({ name, scan: node['Index Name'] ?? node['Node Type'], ms: median(times) });
    }
    return rows;
}
const sorted = (list) => [...list].sort((a, b) => a - b);
const quantile = (list, q) => sorted(list)[Math.min(list.length - 1, Math.floor(list.length * q))] ?? 0;
const median = (list) => quantile(list, 0.5);

// --- the front end: what a bundler leaves, of code that is at hand ---
function makeSite() {
    const site = path.join(dir, 'site');
    fs.mkdirSync(path.join(site, 'assets'), { recursive: true });
    const modules = path.join(here, 'node_modules');
    const code = fs.readdirSync(modules, { recursive: true })
        .filter((file) => file.endsWith('.js') && fs.statSync(path.join(modules, file)).isFile()).sort().slice(0, 160)
        .map((file) => fs.readFileSync(path.join(modules, file), 'utf8')).join('\n');
    const chunks = [code.slice(0, 420_000), code.slice(420_000, 560_000)];
    const css = Array.from({ length: 900 }, (_, i) => `.block-${i}{display:flex;margin:${i % 32}px;padding:${i % 7}rem;color:#${(i * 7919).toString(16).padStart(6, '0').slice(-6)}}`).join('\n');
    const files = { 'index.html': '<!doctype html><html lang="en"><head><title>App</title></head><body><div id="root"></div></body></html>\n',
        'assets/vendor-8f3a.js': chunks[0], 'assets/app-17bc.js': chunks[1], 'assets/app-55e0.css': css };
    for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(site, name), content);
    return site;
}

// --- nginx with the configuration that is shipped ---
function edgeConf(site) {
    let content = /^http \{\n(.*)\}\s*$/ms.exec(fs.readFileSync(path.join(repo, 'nginx-conf/app.conf'), 'utf8'))[1];
    const changes = [['include mime.types', 'include /etc/nginx/mime.types'], ['access_log logs/access.log edge;', `access_log ${dir}/access.log edge buffer=64k;`],
        ['listen 8080;', `listen 127.0.0.1:${plainPort};`], ['listen 8443 ssl http2;', `listen 127.0.0.1:${edgePort};`], ['127.0.0.1:3000', `127.0.0.1:${appPort}`],
        ['127.0.0.1:8079', `127.0.0.1:${filesPort}`], ['/srv/app', site], ['key_file=tls/jwt.key', `key_file=${dir}/jwt.key`]];
    for (const [from, to] of changes) {
        if (!content.includes(from)) throw new Error(`nginx-conf/app.conf has no "${from}" any more`);
        content = content.replaceAll(from, to);
    }
    content = content.replace(/^ *ssl_.*$/gm, '');  // loopback: what TLS costs is nginx's, and the same with and without the edge
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/temp/${kind};`).join(' ');
    return `load_module ${process.env.EDGE_MODULE};\nworker_processes 1; daemon off; pid ${dir}/nginx.pid; error_log ${dir}/error.log warn;\n`
        + `worker_rlimit_nofile 4096; events { worker_connections 1024; }\nhttp { ${temp}\n${content}\n}\n`;
}
const fetch = (port, target, headers = {}) => new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path: target, headers, agent: false }, (message) => {
        const parts = [];
        message.on('data', (part) => parts.push(part)).on('end', () => resolve({ headers: message.headers, body: Buffer.concat(parts) })).on('error', reject);
    }).on('error', reject);
});
const cpuOf = (pid) => {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
};
const childrenOf = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(/\s+/).filter(Boolean);

/** Bytes that a browser loads that has never been here: page, assets, the dashboard's answers. */
async function firstLoad(port, token) {
    const headers = { 'Accept-Encoding': 'gzip, deflate, br', Authorization: `Bearer ${token}` };
    const targets = ['/', '/assets/vendor-8f3a.js', '/assets/app-17bc.js', '/assets/app-55e0.css', '/api/profile', '/api/projects', '/api/statistics', '/api/projects/1', '/api/projects/1/images'];
    let bytes = 0;
    for (const target of targets) bytes += (await fetch(port, target, headers)).body.length;
    return bytes;
}

let nginx;
let app;
async function stop() {
    await end(nginx, 'SIGTERM');
    await end(app, 'SIGTERM');
    await end(database, 'SIGINT');
}
const percent = (from, to) => `${to <= from ? '-' : '+'}${Math.abs(100 - (100 * to) / from).toFixed(0)} %`;

try {
    say(`PostgreSQL: ${users} users, ${users * 10} projects, ${users * 500} images`);
    await startPostgres();
    const admin = await connect('postgres');
    await admin.query('CREATE DATABASE app');
    await admin.end();
    psql(path.join(here, 'schema.sql'));
    const client = await connect('app');
    const before = await explain(client);
    psql(path.join(here, 'migrations/001_indexes.up.sql'));
    await client.query('ANALYZE');
    const after = await explain(client);
    psql(path.join(here, 'migrations/001_indexes.down.sql'));
    const left = (await client.query(`SELECT count(*)::int AS n FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%_pkey'`)).rows[0].n;
    if (left !== 0) throw new Error(`the rollback leaves ${left} indexes`);
    psql(path.join(here, 'migrations/001_indexes.up.sql'));
    await client.query('ANALYZE');
    console.log('\nSeven indexes (migrations/001_indexes, and its rollback), ms\n');
    for (const [i, { name, scan, ms }] of before.entries())
        console.log(`${name.padEnd(26)} ${ms.toFixed(3).padStart(9)} ${scan.padEnd(16)} ${after[i].ms.toFixed(3).padStart(9)} ${after[i].scan}`);

    const site = makeSite();
    fs.writeFileSync(path.join(dir, 'jwt.key'), secret, { mode: 0o644 });
    app = start('app', process.execPath, [path.join(here, 'server.mjs'), '--port', String(appPort), '--site', site],
        { env: { ...process.env, PGHOST: cluster, PGUSER: pgUser, BENCH_SECRET: secret } });
    await waitFor('the app', () => listening(appPort));
    fs.mkdirSync(path.join(dir, 'temp'));
    fs.writeFileSync(path.join(dir, 'nginx.conf'), edgeConf(site));
    nginx = start('nginx', process.env.EDGE_NGINX ?? 'nginx', ['-p', dir, '-e', path.join(dir, 'error.log'), '-c', path.join(dir, 'nginx.conf')]);
    await waitFor('nginx', () => listening(edgePort));

    const status = async () => JSON.parse((await fetch(edgePort, '/edge_status')).body).cache;
    const appPid = app.pid;
    const [worker] = childrenOf(nginx.pid);
    async function phase(name, port, length, seed) {
        say(`${name}, ${length} s`);
        await client.query('SELECT pg_stat_statements_reset()');
        const [from, cpu, edgeCpu] = [await status(), cpuOf(appPid), cpuOf(worker)];
        const result = await run({ port, secret, users, clients, seconds: length, thinkMs: 10, writes: 0.05, seed });
        const to = await status();
        const [{ calls }] = (await client.query(`SELECT sum(calls)::int AS calls FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'`)).rows;
        const requests = result.reads + result.writes;
        const sum = (counters, names) => names.reduce((n, key) => n + counters.requests[key], 0);
        const hitNames = ['hit', 'stale', 'updating', 'revalidated'];
        const asked = sum(to, [...hitNames, 'miss', 'expired']) - sum(from, [...hitNames, 'miss', 'expired']);
        return { name, requests, p50: median(result.latencies), p95: quantile(result.latencies, 0.95), writeP50: median(result.writeLatencies),
            queries: calls / requests, perSecond: requests / length, hits: asked ? (sum(to, hitNames) - sum(from, hitNames)) / asked : undefined,
            bytes: result.bytes / (requests + result.thumbnails), writes: result.writes / requests, stale: result.stale, faults: result.faults,
            appCpu: ((cpuOf(appPid) - cpu) * 1000) / requests, edgeCpu: ((cpuOf(worker) - edgeCpu) * 1000) / requests };
    }
    await phase('warming the app up', appPort, Math.max(2, Math.floor(seconds / 4)), 1);
    const direct = await phase('without the edge', appPort, seconds, 2);
    const cold = await phase('with it, cold', edgePort, seconds, 3);
    await phase('settling', edgePort, 2 * seconds, 5);
    const steady = await phase('with it, in steady state', edgePort, seconds, 4);
    const again = await phase('without the edge again', appPort, seconds, 2);

    const { sign } = await import('../../../docker/demo/jwt.mjs');
    const token = sign({ iss: 'bench', sub: '1' }, secret, 900);
    const loadDirect = await firstLoad(appPort, token);
    // Who comes first gets what is there; the files are then made as small as they can be.
    for (let i = 0; i < 8; i += 1) {
        await firstLoad(edgePort, token);
        await sleep(1000);
    }
    const loadEdge = await firstLoad(edgePort, token);

    const rssOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) / 1024;
    console.log(`\n${users} users, ${clients} at a time, Zipf 0.9 over 10 projects each, ${(100 * direct.writes).toFixed(1)} % writes; ${seconds} s each\n`);
    console.log(`${''.padEnd(28)} ${'API p50 ms'.padStart(10)} ${'p95 ms'.padStart(8)} ${'write ms'.padStart(9)} ${'queries/request'.padStart(16)} ${'requests/s'.padStart(11)} ${'hits'.padStart(7)} ${'bytes/answer'.padStart(13)} ${'app CPU ms'.padStart(11)} ${'edge'.padStart(6)} ${'stale'.padStart(6)} ${'faults'.padStart(7)}`);
    for (const one of [direct, cold, steady, again]) {
        console.log(`${one.name.padEnd(28)} ${one.p50.toFixed(2).padStart(10)} ${one.p95.toFixed(2).padStart(8)} ${one.writeP50.toFixed(2).padStart(9)} ${one.queries.toFixed(3).padStart(16)} ${one.perSecond.toFixed(0).padStart(11)} ${(one.hits === undefined ? '-' : `${(100 * one.hits).toFixed(1)} %`).padStart(7)} ${one.bytes.toFixed(0).padStart(13)} ${one.appCpu.toFixed(3).padStart(11)} ${one.edgeCpu.toFixed(3).padStart(6)} ${String(one.stale).padStart(6)} ${String(one.faults.length).padStart(7)}`);
        for (const fault of one.faults.slice(0, 3)) console.log(`    ${fault}`);
    }
    console.log(`\nsteady state against without: API p50 ${percent(direct.p50, steady.p50)}, p95 ${percent(direct.p95, steady.p95)}, database queries ${percent(direct.queries, steady.queries)}, hits ${(100 * steady.hits).toFixed(1)} %`);
    console.log(`first load of the page: ${loadDirect} bytes without, ${loadEdge} with (${percent(loadDirect, loadEdge)})`);
    console.log(`memory: app ${rssOf(appPid).toFixed(0)} MB, nginx worker ${rssOf(worker).toFixed(0)} MB`);
    await client.end();
    if ([direct, cold, steady].some((one) => one.stale || one.faults.length)) process.exitCode = 1;
} catch (error) {
    say(error.stack ?? error);
    process.exitCode = 1;
} finally {
    await stop();
}
