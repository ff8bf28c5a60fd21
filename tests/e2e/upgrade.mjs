#!/usr/bin/env node
// A new binary under load (USR2): old and new serve side by side, each from its own zone, and no answer is lost, cut
// short or mixed up, whether the old one goes (QUIT) or the new one is taken back.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Nginx, assert, equal, port, request, sleep, test, until } from './lib/e2e.mjs';
import { Load, checkLoad, startCheckedOrigin } from './lib/load.mjs';

const edge = port(0);
const origin = port(1);
const conf = { workers: 2, http: `
    edge_zone main size=32m;
    add_header X-Cache $edge_cache_status;
    server {
        listen 127.0.0.1:${edge};
        location / {
            edge_cache main;
            proxy_pass http://127.0.0.1:${origin};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            add_header X-Pid $pid;
            add_header X-Cache $edge_cache_status;
        }
        location = /edge_status { edge_status json; }
    }` };

const nginx = new Nginx('edge');
const file = path.join(nginx.dir, 'nginx.conf');
const oldPidFile = path.join(nginx.dir, 'nginx.pid.oldbin');
const running = (pid) => { try { process.kill(pid, 0); return true; } catch { return false; } };
const parentOf = (pid) => Number(fs.readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ')[1]);
const workersOf = (master) => fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).map(Number).filter((pid) => {
    try { return parentOf(pid) === master && fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('worker'); } catch { return false; }
});

/** Starts the new binary; returns the pids of both masters when both have their workers. */
async function upgrade() {
    const old = nginx.pid;
    process.kill(old, 'SIGUSR2');
    await until(() => fs.existsSync(oldPidFile) && nginx.pid > 0 && nginx.pid !== old, 'a new master writes its pid');
    const fresh = nginx.pid;
    await until(() => workersOf(old).length === 2 && workersOf(fresh).length === 2, 'both have two workers');
    return { old, fresh };
}
async function quit(master) {
    const all = [master, ...workersOf(master)];
    process.kill(master, 'SIGQUIT');
    await until(() => !all.some(running), 'its processes end', 20);
}

/** Asks until both masters' workers have answered, or `only` one has for a while; what they said of the cache. */
async function answers(target, masters) {
    const seen = new Map();
    for (let i = 0; i < 300 && seen.size < masters.length; i += 1) {
        const { headers } = await request(edge, target);
        const master = masters.find((m) => running(Number(headers['x-pid'])) && parentOf(Number(headers['x-pid'])) === m);
        if (!seen.has(master)) seen.set(master, headers['x-cache']);
    }
    return seen;
}

nginx.write(conf);
// nginx takes USR2 only when it is no longer its parent's child: not with "daemon off".
fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('daemon off;', ''));
await startCheckedOrigin(origin);
try {
    const started = spawnSync(process.env.EDGE_NGINX, ['-p', nginx.dir, '-e', path.join(nginx.dir, 'error.log'), '-c', file]);
    equal(started.status, 0, `nginx starts: ${started.stderr}`);
    await until(() => nginx.pid > 0, 'nginx starts');
    const load = new Load(edge);
    await sleep(2000);

    await test('a new binary that is taken back leaves the old one what it had stored', async () => {
        await until(async () => (await request(edge, '/large/1')).headers['x-cache'] === 'HIT', 'a stored object');
        const { old, fresh } = await upgrade();
        await sleep(1000);
        await quit(fresh);
        await until(() => nginx.pid === old, 'the old master takes its pid file back');
        equal([...await answers('/large/1', [old])], [[old, 'HIT']], 'the old one answers');
        checkLoad(load, 200);
    });

    await test('old and new serve side by side, each from its own zone, and the new one goes on alone', async () => {
        const { old, fresh } = await upgrade();
        const seen = await answers('/large/1', [old, fresh]);
        equal([...seen.keys()].sort(), [old, fresh].sort(), 'both answer');
        equal(seen.get(old), 'HIT', 'the old one answers from its zone');
        await sleep(1500);
        await quit(old);
        assert(!fs.existsSync(oldPidFile), 'the old pid file is gone');
        const status = JSON.parse((await request(edge, '/edge_status')).body);
        equal(status.edge.generation, 1, 'the new one counts from the start');
        await until(async () => (await request(edge, '/large/1')).headers['x-cache'] === 'HIT', 'the new zone fills');
        equal([...await answers('/large/1', [fresh])], [[fresh, 'HIT']], 'the new one answers');
        await sleep(1500);
        checkLoad(load, 500);
    });

    await test('every answer was whole', async () => {
        await load.stop();
        checkLoad(load, 500);
        assert(load.statuses.HIT > load.good / 4, `only ${load.statuses.HIT} hits among ${JSON.stringify(load.statuses)}`);
        console.log(`# ${load.sent} requests, ${load.repeated} repeated, ${JSON.stringify(load.statuses)}`);
    });
} finally {
    for (const pidFile of [oldPidFile, path.join(nginx.dir, 'nginx.pid')]) {
        const pid = Number(fs.existsSync(pidFile) && fs.readFileSync(pidFile, 'utf8'));
        if (pid && running(pid)) await quit(pid);
    }
}
