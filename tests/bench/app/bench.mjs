#!/usr/bin/env node
// scripts/bench app: see there. Starts PostgreSQL in a directory of its own, the app, and nginx with nginx-conf/app.conf in
// front of it; everything ends with this process.
//
//   EDGE_MODULE=… node bench.mjs DIR FIRST_PORT SECONDS CLIENTS USERS
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sign } from '../../../docker/demo/jwt.mjs';
import { watchFeed } from './feed_clients.mjs';
import { childrenOf, cpuOf, median, memoryOf, nameOf, percent, quantile, sum, table, treeOf } from './figures.mjs';
import { run, Seen, visitAll } from './load.mjs';
import { pgUser, Postgres } from './postgres.mjs';

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
        ['size=512m', 'size=2g'],  // the originals of 8000 pictures come to more than a gigabyte
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

/** Bytes that a browser loads that has never been here: page, assets, the dashboard's answers. */
async function firstLoad(port, token) {
    const headers = { 'Accept-Encoding': 'gzip, deflate, br', Authorization: `Bearer ${token}` };
    const targets = ['/', '/assets/vendor-8f3a.js', '/assets/app-17bc.js', '/assets/app-55e0.css', '/api/profile', '/api/projects', '/api/statistics', '/api/projects/1', '/api/projects/1/images'];
    let bytes = 0;
    for (const target of targets) bytes += (await fetch(port, target, headers)).body.length;
    return bytes;
}

const postgres = new Postgres(dir);
const feedClients = 5;
let nginx;
let app;
async function stop() {
    await end(nginx, 'SIGTERM');
    await end(app, 'SIGTERM');
    await end(postgres.server, 'SIGINT');
}

const seen = { [appPort]: new Seen(), [edgePort]: new Seen() };
const edgeFigures = async () => JSON.parse((await fetch(edgePort, '/edge_status')).body);
/** CPU seconds so far and megabytes now, of each. */
function use() {
    const edge = treeOf(nginx.pid);
    const renders = edge.filter((pid) => /edge render/.test(nameOf(pid)));
    const workers = edge.filter((pid) => !renders.includes(pid));
    const database = treeOf(postgres.server.pid);
    return { appCpu: cpuOf(app.pid), edgeCpu: sum(workers, cpuOf), renderCpu: sum(renders, cpuOf), databaseCpu: sum(database, cpuOf),
        appMb: memoryOf(app.pid), edgeMb: sum(workers, memoryOf), renderMb: sum(renders, memoryOf) };
}

/** One run of the load against `port`, and all that was measured. */
async function phase(client, name, port, length, seed) {
    say(`${name}, ${length} s`);
    await client.query('SELECT pg_stat_statements_reset()');
    const [from, before] = [(await edgeFigures()).cache, use()];
    const feed = await watchFeed({ port, secret, clients: feedClients });
    const result = await run({ port, secret, users, clients, seconds: length, thinkMs: 10, writes: 0.05, seed, seen: seen[port] });
    const events = feed.end();
    const [after, { cache: to, zones }] = [use(), await edgeFigures()];
    const [{ calls }] = (await client.query(`SELECT sum(calls)::int AS calls FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'`)).rows;
    const requests = result.reads + result.writes;
    const throughEdge = port === edgePort;
    const allKinds = Object.values(result.kinds);
    const apiKinds = Object.entries(result.kinds).filter(([kind]) => kind !== 'thumbnails').map(([, counts]) => counts);
    const used = Object.fromEntries(['appCpu', 'edgeCpu', 'renderCpu', 'databaseCpu'].map((key) => [key, after[key] - before[key]]));
    return { name, length, requests, throughEdge, calls, events, ...used, appMb: after.appMb, edgeMb: after.edgeMb, renderMb: after.renderMb,
        zoneMb: zones[0].used_bytes / 1048576, p50: median(result.latencies), p95: quantile(result.latencies, 0.95),
        writeP50: median(result.writeLatencies), share: result.writes / requests, queries: calls / requests,
        hits: sum(allKinds, (one) => one.hits) / sum(allKinds, (one) => one.asked), refills: (to.refills - from.refills) / requests,
        api: { asked: sum(apiKinds, (one) => one.asked), hits: sum(apiKinds, (one) => one.hits), shared: sum(apiKinds, (one) => one.shared), first: sum(apiKinds, (one) => one.first),
            written: sum(apiKinds, (one) => one.written), expired: sum(apiKinds, (one) => one.expired) },
        kinds: result.kinds, apiBytes: result.bytes / result.reads, thumbnailBytes: result.thumbnailBytes / result.thumbnails, thumbnails: result.thumbnails,
        stale: result.stale, foreign: result.foreign, faults: result.faults };
}

function report(phases) {
    const [direct, , steady] = phases;
    const ratio = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : undefined);
    const onEdge = (show) => (one) => (one.throughEdge ? show(one) : undefined);
    const each = (key) => ({ requests, [key]: cpu }) => ((cpu * 1000) / requests).toFixed(3);
    const rows = [
        ['API, p50 ms', ({ p50 }) => p50.toFixed(2)], ['API, p95 ms', ({ p95 }) => p95.toFixed(2)], ['writes, p50 ms', ({ writeP50 }) => writeP50.toFixed(2)],
        ['API requests/s', ({ requests, length }) => (requests / length).toFixed(0)], ['of these writes', ({ share }) => ratio(share, 1)], [],
        ['database queries/s', ({ calls, length }) => (calls / length).toFixed(0)], ['database queries/API request', ({ queries }) => queries.toFixed(3)], [],
        ['hits, all answers', onEdge(({ hits }) => ratio(hits, 1))], ['hits, thumbnails', onEdge(({ kinds: { thumbnails } }) => ratio(thumbnails.hits, thumbnails.asked))],
        ['hits, API', onEdge(({ api }) => ratio(api.hits, api.asked))],
        ['  waited for a question under way', onEdge(({ api }) => ratio(api.shared, api.asked))],
        ['  asked for the first time', onEdge(({ api }) => ratio(api.first, api.asked))], ['  changed by a write', onEdge(({ api }) => ratio(api.written, api.asked))],
        ['  expired, or evicted', onEdge(({ api }) => ratio(api.expired, api.asked))],
        ['refills/API request', onEdge(({ refills }) => refills.toFixed(3))], [],
        ['bytes/API answer', ({ apiBytes }) => apiBytes.toFixed(0)], ['bytes/thumbnail', ({ thumbnailBytes }) => thumbnailBytes.toFixed(0)],
        ['bytes/WebSocket event', ({ events }) => (events.bytes / events.messages).toFixed(0)],
        ['  of what it says', ({ events }) => ratio(events.bytes, events.content)], ['WebSocket events/s', ({ events, length }) => (events.messages / length).toFixed(0)], [],
        ['CPU ms/API request: app', each('appCpu')], ['  PostgreSQL', each('databaseCpu')], ['  nginx', each('edgeCpu')], ['  rendering', each('renderCpu')],
        ['MB: app', ({ appMb }) => appMb.toFixed(0)], ['  nginx with its zone', ({ edgeMb }) => edgeMb.toFixed(0)], ['  in the zone', onEdge(({ zoneMb }) => zoneMb.toFixed(0))],
        ['  rendering', ({ renderMb }) => renderMb.toFixed(0)], [],
        ['stale answers after writes', ({ stale }) => String(stale)], ['answers of others', ({ foreign }) => String(foreign)],
        ['events lost', ({ events }) => String(events.missing)], ['faults', ({ faults }) => String(faults.length)],
    ];
    console.log(`\n${users} users, ${clients} at a time, Zipf 0.9 over 10 projects each, ${feedClients} watch the feed; ${seconds} s each\n`);
    console.log(table(phases, rows).join('\n'));
    for (const { faults } of phases) for (const fault of faults.slice(0, 3)) console.log(`    ${fault}`);
    console.log('\nhits in steady state by what is asked for, and the rest: shared, first time, written, expired\n');
    for (const [kind, { asked, hits, shared, first, written, expired }] of Object.entries(steady.kinds))
        console.log(`${kind.padEnd(12)} ${String(asked).padStart(7)} ${ratio(hits, asked).padStart(8)}   ${[shared, first, written, expired].map((n) => ratio(n, asked).padStart(7)).join(' ')}`);
    // By what they say: how long the outlines among them are is chance.
    const bytesOf = ({ events: { bytes, content } }) => bytes / content;
    console.log(`\nsteady state against without: API p50 ${percent(direct.p50, steady.p50)}, p95 ${percent(direct.p95, steady.p95)}, database queries ${percent(direct.queries, steady.queries)}, hits ${ratio(steady.hits, 1)}, WebSocket bytes ${percent(bytesOf(direct), bytesOf(steady))}, thumbnails ${percent(direct.thumbnailBytes, steady.thumbnailBytes)}`);
}

try {
    say(`PostgreSQL: ${users} users, ${users * 10} projects, ${users * 500} images`);
    await postgres.begin(start, waitFor);
    console.log('\nSeven indexes (migrations/001_indexes, and its rollback), ms before and after\n');
    console.log((await postgres.fill(users)).join('\n'));
    const client = await postgres.connect('app');

    const site = makeSite();
    fs.writeFileSync(path.join(dir, 'jwt.key'), secret, { mode: 0o644 });
    app = start('app', process.execPath, [path.join(here, 'server.mjs'), '--port', String(appPort), '--site', site],
        { env: { ...process.env, PGHOST: postgres.socket, PGUSER: pgUser, BENCH_SECRET: secret } });
    await waitFor('the app', () => listening(appPort));
    fs.mkdirSync(path.join(dir, 'temp'));
    fs.writeFileSync(path.join(dir, 'nginx.conf'), edgeConf(site));
    nginx = start('nginx', process.env.EDGE_NGINX ?? 'nginx', ['-p', dir, '-e', path.join(dir, 'error.log'), '-c', path.join(dir, 'nginx.conf')]);
    await waitFor('nginx', () => listening(edgePort));

    await phase(client, 'warming the app up', appPort, Math.max(2, Math.floor(seconds / 4)), 1);
    const direct = await phase(client, 'without', appPort, seconds, 2);
    const cold = await phase(client, 'edge, cold', edgePort, seconds, 3);
    // In steady state everybody has been everywhere before, within the five minutes that answers live here.
    say('everybody opens all of their projects, 120 s at most');
    const warmed = await visitAll({ port: edgePort, secret, users, clients: 2 * clients, seconds: 120, seen: seen[edgePort] });
    const steady = await phase(client, 'edge, steady', edgePort, seconds, 4);
    const again = await phase(client, 'without again', appPort, seconds, 2);
    report([direct, cold, steady, again]);

    const token = sign({ iss: 'bench', sub: '1' }, secret, 900);
    const loadDirect = await firstLoad(appPort, token);
    // Who comes first gets what is there; the files are then made as small as they can be.
    for (let i = 0; i < 8; i += 1) {
        await firstLoad(edgePort, token);
        await sleep(1000);
    }
    const loadEdge = await firstLoad(edgePort, token);
    console.log(`first load of the page: ${loadDirect} bytes without, ${loadEdge} with (${percent(loadDirect, loadEdge)}); warming up took ${warmed.seconds.toFixed(0)} s, ${(100 * warmed.share).toFixed(0)} % of all projects`);
    await client.end();
    if ([direct, cold, steady, again].some((one) => one.stale || one.foreign || one.events.missing || one.faults.length)) process.exitCode = 1;
} catch (error) {
    say(error.stack ?? error);
    process.exitCode = 1;
} finally {
    await stop();
}
