#!/usr/bin/env node
// Reloads and a killed worker under load: no answer is lost, cut short or mixed up, and what is stored is what each
// kind of reload leaves.
// log-expects: exited on signal 9
// log-expects: is too small, at least size=
import fs from 'node:fs';
import http from 'node:http';
import { assert, equal, port, request, sleep, startNginx, test, until } from './lib/e2e.mjs';
import { Load, checkLoad, startCheckedOrigin } from './lib/load.mjs';

const edge = port(0);
const origin = port(1);
const conf = (zone) => ({ workers: 2, http: `
    edge_zone main ${zone};
    add_header X-Cache $edge_cache_status;
    server {
        listen 127.0.0.1:${edge};
        location / {
            edge_cache main;
            proxy_pass http://127.0.0.1:${origin};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
        }
        location = /edge_status { edge_status json; }
        location = /pid { return 200 $pid; }
    }
    server { listen 127.0.0.1:${port(2)}; location / { proxy_pass http://127.0.0.1:${edge}; } }` });

const cacheOf = async (target) => (await request(edge, target)).headers['x-cache'];
const status = async () => JSON.parse((await request(edge, '/edge_status')).body);

/** The workers that run, as a master's children. */
function workers(master) {
    return fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).map(Number).filter((pid) => {
        try {
            const [, state, parent] = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, ') ').split(' ');
            return Number(parent) === master && state !== 'Z';
        } catch { return false; }
    });
}
const gone = (pids) => until(() => pids.every((pid) => !fs.existsSync(`/proc/${pid}`)), 'the old workers end', 15);

/** A client that reads a stored answer slowly enough for a reload to come in between. */
function slowReader(target) {
    const chunks = [];
    let incoming;
    const whole = new Promise((resolve, reject) => {
        http.get({ host: '127.0.0.1', port: edge, path: target, agent: false }, (message) => {
            incoming = message;
            message.pause();
            message.on('data', (chunk) => {
                chunks.push(chunk);
                message.pause();
                setTimeout(() => message.resume(), 20);
            });
            message.on('end', () => resolve({ complete: message.complete, headers: message.headers, body: Buffer.concat(chunks) }));
            message.on('error', reject);
        }).on('error', reject);
    });
    return { whole, begin: () => incoming.resume(), begun: () => until(() => incoming, 'the answer begins') };
}

await startCheckedOrigin(origin);
const nginx = await startNginx('edge', conf('size=48m max_object=4m'));
const load = new Load(edge);
await sleep(2500);

await test('objects survive reloads with the same zone, under load', async () => {
    await cacheOf('/large/1');
    for (let i = 0; i < 3; i += 1) {
        equal(await cacheOf('/large/1'), 'HIT', 'before the reload');
        const before = await status();
        const old = workers(nginx.pid);
        await nginx.reload();
        equal(await cacheOf('/large/1'), 'HIT', 'after the reload');
        const after = await status();
        equal(after.edge.generation, before.edge.generation + 1, 'the generation');
        assert(after.zones[0].objects >= before.zones[0].objects * 0.9, `${after.zones[0].objects} of ${before.zones[0].objects} objects are left`);
        assert(after.cache.requests.hit >= before.cache.requests.hit, 'counters went back');
        await gone(old);
        await sleep(500);
    }
    checkLoad(load, 200);
});

await test('a reload with another size begins with an empty zone, and old workers finish what they send', async () => {
    const stored = (await request(edge, '/large/2')).body;
    const slow = slowReader('/large/2');
    await slow.begun();
    const old = workers(nginx.pid);
    const before = await status();
    await nginx.reload(conf('size=64m max_object=4m'));
    await until(async () => (await status()).zones[0].capacity_bytes > before.zones[0].capacity_bytes, 'the larger zone');
    slow.begin();
    const { complete, headers, body } = await slow.whole;
    equal([complete, headers['x-cache']], [true, 'HIT'], 'the answer that was under way');
    assert(body.equals(stored), 'it has other bytes');
    await gone(old);
    const after = await status();
    assert(after.cache.requests.hit >= before.cache.requests.hit, 'counters went back');
    await until(async () => await cacheOf('/large/2') === 'HIT', 'it is stored anew');
    checkLoad(load, 300);
});

await test('a reload with another max_object begins with an empty zone that keeps to it', async () => {
    const old = workers(nginx.pid);
    await nginx.reload(conf('size=64m max_object=500k'));
    await gone(old);
    for (let i = 0; i < 3; i += 1) {
        const answer = await request(edge, '/large/1');
        equal([answer.headers['x-cache'], answer.headers['cache-status'].split('detail=')[1]], ['MISS', 'too-large']);
    }
    await until(async () => await cacheOf('/fresh/4') === 'HIT', 'smaller ones are stored');
    checkLoad(load, 400);
});

await test('and the next reload keeps that zone', async () => {
    for (let i = 0; i < 2; i += 1) {
        const old = workers(nginx.pid);
        await nginx.reload();
        equal(await cacheOf('/fresh/4'), 'HIT', 'after the reload');
        await gone(old);
    }
    checkLoad(load, 400);
});

await test('a reload nginx refuses changes nothing', async () => {
    equal(await cacheOf('/fresh/4'), 'HIT');
    nginx.write(conf('size=1k'));
    process.kill(nginx.pid, 'SIGHUP');
    await until(() => nginx.log().includes('is too small, at least size='), 'the reason in the log');
    equal(await cacheOf('/fresh/4'), 'HIT');
    nginx.write(conf('size=64m max_object=500k'));
    checkLoad(load, 400);
});

await test('a worker killed under load takes only its own connections along', async () => {
    for (let i = 0; i < 4; i += 1) {
        const [victim] = workers(nginx.pid);
        load.crashing = true;
        process.kill(victim, 'SIGKILL');
        await until(() => { const now = workers(nginx.pid); return now.length === 2 && !now.includes(victim); }, 'a new worker');
        await sleep(300);
        load.crashing = false;
        equal(await cacheOf('/fresh/4'), 'HIT', 'what was stored is still there');
        await sleep(700);
    }
    checkLoad(load, 500);
});

await test('every answer was whole, and counted', async () => {
    await load.stop();
    checkLoad(load, 500);
    const { cache, zones } = await status();
    assert(load.statuses.HIT > load.good / 4, `only ${load.statuses.HIT} hits among ${JSON.stringify(load.statuses)}`);
    for (const kind of ['MISS', 'REVALIDATED', 'UPDATING']) assert(load.statuses[kind] > 0, `no ${kind} among ${JSON.stringify(load.statuses)}`);
    await until(async () => (await status()).cache.fills.active === 0, 'nothing is being stored any more');
    const counted = Object.values(cache.requests).reduce((sum, n) => sum + n, 0);
    assert(counted >= load.good, `${counted} counted of ${load.good}`);
    await until(async () => (await status()).zones[0].dead_bytes === 0, 'nothing dead is held', 10);
    console.log(`# ${load.sent} requests, ${load.repeated} repeated, ${load.broken} broken by kills, ${JSON.stringify(load.statuses)}, ${zones[0].recoveries} recoveries`);
});
await nginx.stop();
