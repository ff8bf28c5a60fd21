#!/usr/bin/env node
// edge_cache_collapse across=redis: of all hosts that want the same at once, one asks the origin.
// log-expects: exited on signal 9
import http from 'node:http';
import { assert, equal, port, request, sleep, startNginx, startOrigin, test, until } from './lib/e2e.mjs';
import { startFaultProxy } from './lib/fault_proxy.mjs';
import { processTree } from './lib/processes.mjs';
import { startRedis } from './lib/redis.mjs';

const [origin, redisPort] = [port(0), port(1)];
const edges = [port(2), port(3), port(4)];
const times = new Map();
let pause = 300;
const bodyOf = (target) => `the body of ${target}`.repeat(target.startsWith('/large/') ? 4000 : 1);
await startOrigin(origin, (incoming, outgoing) => {
    times.set(incoming.url, (times.get(incoming.url) ?? 0) + 1);
    const [, , what] = incoming.url.split('/');
    const headers = { 'Cache-Control': what === 'nostore' ? 'no-store' : 'max-age=600', ...(what.startsWith('alone') ? {} : { 'Surrogate-Key': 'all' }) };
    setTimeout(() => outgoing.writeHead(200, headers).end(bodyOf(incoming.url)), pause);
});
const redis = await startRedis('redis', { port: redisPort });
const conf = (n, port = redisPort) => ({ workers: 2, main: 'events { worker_connections 4096; }', http: `
    edge_redis shared redis://127.0.0.1:${port} cut_off=2s timeout=200ms;
    edge_zone main size=16m;
    edge_cache main redis=shared;
    edge_cache_tag_header Surrogate-Key;
    edge_cache_key $uri;
    upstream app { server 127.0.0.1:${origin}; keepalive 32; }
    server {
        listen 127.0.0.1:${edges[n]} backlog=2048;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        add_header X-Cache "$edge_cache_status $edge_cache_level";
        location / { edge_cache_collapse on wait=5s across=redis; proxy_pass http://app; }
        location /short/ { edge_cache_collapse on wait=400ms across=redis; proxy_pass http://app; }
        location = /edge_purge { edge_purge; }
        location = /edge_status { edge_status; }
    }` });
const hosts = [];
for (const n of [0, 1]) hosts.push(await startNginx(`edge${n}`, conf(n)));
const statusOf = async (n) => JSON.parse((await request(edges[n], '/edge_status')).body).redis;
const known = (n) => until(async () => (await statusOf(n)).purge_logs[0].in_touch, 'the purges are known');
/** Answers of Redis that did not come in time, or not at all. */
const unheard = async () => (await Promise.all([0, 1].map(statusOf))).flatMap(({ nodes }) => nodes)
    .reduce((sum, { errors: { timed_out: late, lost, refused } }) => sum + late + lost + refused, 0);
const agents = edges.map(() => new http.Agent({ keepAlive: true, maxSockets: 500 }));
/** `count` requests at once, half to each host. */
const burst = (target, count) => Promise.all(Array.from({ length: count }, (_, i) => request(edges[i % 2], target, { agent: agents[i % 2] })));

await test('1000 clients of two hosts with two workers: one request reaches the origin', async () => {
    await Promise.all([known(0), known(1)]);
    let well = 0;
    for (let round = 0; well < 3; round += 1) {
        const target = `/a/cold${round}`;
        const before = await unheard();
        const answers = await burst(target, 1000);
        for (const answer of answers) equal([answer.status, answer.body.toString()], [200, bodyOf(target)]);
        // Redis gets no processor for its time-out on a machine that is loaded enough: then hosts ask, as they have to.
        if (times.get(target) !== 1 && round < 10 && await unheard() > before) continue;
        equal(times.get(target), 1, `requests for ${target} that reached the origin`);
        well += 1;
    }
});
await test('a host that Redis does not answer asks at once; another one waits for it when Redis is back', async () => {
    pause = 1500;
    await redis.pause();
    const begun = performance.now();
    const first = request(edges[0], '/a/silent');
    await until(() => times.get('/a/silent') === 1, 'the origin is asked');
    const took = performance.now() - begun;
    assert(took < 350, `the origin was asked after ${took} ms: later than one time-out`);
    await sleep(300);
    await redis.resume();
    await sleep(100);
    const answers = await Promise.all([first, request(edges[1], '/a/silent')]);
    for (const answer of answers) equal([answer.status, answer.body.toString()], [200, bodyOf('/a/silent')]);
    equal(times.get('/a/silent'), 1, 'requests that reached the origin');
    pause = 300;
});
await test('who waits for another host looks again when one answer of Redis is late', async () => {
    pause = 1500;
    const both = [request(edges[0], '/a/blink')];
    await until(() => times.get('/a/blink') === 1, 'the origin is asked');
    both.push(request(edges[1], '/a/blink'));
    await sleep(200);
    await redis.pause();
    await sleep(280);
    await redis.resume();
    for (const answer of await Promise.all(both)) equal([answer.status, answer.body.toString()], [200, bodyOf('/a/blink')]);
    equal(times.get('/a/blink'), 1, 'requests that reached the origin');
    pause = 300;
});
await test('the lead ends when the value is in Redis, however long its way there', async () => {
    const proxy = await startFaultProxy({ host: '127.0.0.1', port: redisPort }, port(5));
    const far = await startNginx('edge2', conf(2, port(5)));
    await known(2);
    proxy.slow = { over: 10_000, ms: 60 };  // one piece or two
    const first = request(edges[2], '/large/far');
    await until(() => times.get('/large/far') === 1, 'the origin is asked');
    const answers = await Promise.all([first, request(edges[1], '/large/far')]);
    for (const answer of answers) equal([answer.status, answer.body.toString() === bodyOf('/large/far')], [200, true]);
    equal(times.get('/large/far'), 1, 'requests that reached the origin');
    equal(answers[1].headers['x-cache'], 'HIT redis', 'the other host has it from Redis');
    await far.stop();
    await proxy.close();
});
await test('an answer that others may not have lets them ask for themselves at once', async () => {
    const begun = performance.now();
    const answers = await burst('/a/nostore', 10);
    for (const answer of answers) equal(answer.status, 200);
    assert(performance.now() - begun < 6 * pause, `it took ${performance.now() - begun} ms`);
    equal(times.get('/a/nostore'), 10, 'each for itself');
});
await test('after a purge the next asks at once', async () => {
    pause = 0;
    const took = [];
    for (let round = 0; round < 20; round += 1) {
        const n = round % 2;
        await request(edges[n], '/a/again');
        await request(edges[n], '/edge_purge', { method: 'POST', body: JSON.stringify({ tags: ['all'] }) });
        const begun = performance.now();
        await request(edges[n], '/a/again');
        took.push(performance.now() - begun);
    }
    equal(times.get('/a/again') >= 20, true, 'the origin was asked after each purge');
    took.sort((one, other) => one - other);
    assert(took[10] < 100, `in the median it took ${took[10]} ms`);
    pause = 300;
});
await test('the wait for another host is bounded', async () => {
    pause = 1500;
    const first = request(edges[0], '/short/slow');
    await sleep(100);
    const begun = performance.now();
    const second = await request(edges[1], '/short/slow');
    equal(second.status, 200);
    assert(performance.now() - begun < 400 + pause + 300, 'it waits for wait=, then asks');
    await first;
    equal(times.get('/short/slow'), 2);
    pause = 300;
});
await test('a leader that is killed leaves the lead to another host', async () => {
    pause = 2500;
    const lost = request(edges[0], '/a/orphan').catch(() => undefined);
    await until(() => times.get('/a/orphan') === 1, 'the first host asks');
    const other = request(edges[1], '/a/orphan');
    await sleep(100);
    equal(times.get('/a/orphan'), 1, 'the other one waits');
    pause = 50;
    for (const { pid } of processTree(hosts[0].pid).slice(1)) process.kill(pid, 'SIGKILL');
    const begun = performance.now();
    const answer = await other;
    const took = performance.now() - begun;
    equal([answer.status, answer.body.toString(), times.get('/a/orphan')], [200, 'the body of /a/orphan', 2]);
    assert(took < 2000, `it took ${took} ms: longer than the lease`);
    await lost;
    pause = 300;
});
await test('without Redis each host collapses by itself', async () => {
    await redis.kill();
    for (const target of ['/a/alone', '/a/alone2']) {
        const answers = await burst(target, 100);
        for (const answer of answers) equal([answer.status, answer.body.toString()], [200, bodyOf(target)]);
    }
    for (const target of ['/a/alone', '/a/alone2']) equal(times.get(target), 2, `requests for ${target}, one of each host`);
});
for (const agent of agents) agent.destroy();
for (const host of hosts) await host.stop();
