#!/usr/bin/env node
// One cache in a Redis that Sentinels watch: the master dies, is taken out of office, or is stopped, all under load. No client sees
// an error or a wrong body, and the new master is used.
import { assert, equal, port, startNginx, test, until } from './lib/e2e.mjs';
import { KeyLoad, keyEdge, purgeLog, purgeReaches, startKeyOrigin } from './lib/key_load.mjs';
import { startSentinelSet } from './lib/redis.mjs';

const [edge, origin, second, third] = [port(0), port(1), port(2), port(3)];
const set = await startSentinelSet('shop', Array.from({ length: 6 }, (_, n) => port(10 + n)));
await startKeyOrigin(origin);
const nginx = await startNginx('edge', keyEdge(edge, origin, `${set.urls.join(' ')} sentinel=shop timeout=300ms cut_off=1s`));
const other = await startNginx('other', keyEdge(third, origin, `${set.urls.join(' ')} sentinel=shop timeout=300ms cut_off=1s`));
const load = new KeyLoad(edge, { pause: 12 });

/** Purges on one host reach the other, both ways, when both have found the new master. */
async function purgesGoOn(what) {
    await until(async () => (await Promise.all([edge, third].map(purgeLog))).every((one) => one.in_touch && one.lag === 0), `${what}: the hosts are in touch`, 20);
    await purgeReaches(edge, third, what);
    await purgeReaches(third, edge, what);
}

async function isUsed(server, what) {
    load.keys += 500;  // some that nobody has yet
    const [gets, sets] = [await server.calls('get'), await server.calls('set')];
    const since = Date.now();
    await until(async () => await server.calls('get') > gets + 30 && await server.calls('set') > sets + 5 && load.figures(since).redis.count > 30,
        `${what}: ${server.name} is read and written`, 20);
}

await test('the master that the Sentinels name is read and written, its replicas are not', async () => {
    await isUsed(await set.master(), 'at first');
    await purgesGoOn('at first');
    for (const replica of set.servers.slice(1)) equal(await replica.calls('get'), 0, `GETs at ${replica.name}`);
    load.check(300);
});

await test('the master is killed: the one that the Sentinels choose is used', async () => {
    const master = await set.master();
    const since = Date.now();
    await master.kill();
    const next = await set.failedOver(master);
    await isUsed(next, 'after the failover');
    await purgesGoOn('after the failover');
    load.check(600);
    console.log(`# master killed: ${JSON.stringify(load.figures(since))}`);
    await master.start();
    await until(async () => (await master.info('replication')).role === 'slave', 'it comes back as a replica', 20);
});

await test('a failover by hand, the old master living on as a replica', async () => {
    const master = await set.master();
    await until(() => set.sentinels[0].command('SENTINEL', 'FAILOVER', 'shop').then(() => true, () => false), 'SENTINEL FAILOVER', 20);
    const next = await set.failedOver(master);
    await isUsed(next, 'after the failover');
    await purgesGoOn('after the failover by hand');
    load.check(900);
});

await test('the master is stopped (SIGSTOP) and wakes up when another is in office', async () => {
    const master = await set.master();
    master.pause();
    const next = await set.failedOver(master);
    await isUsed(next, 'after the failover');
    master.resume();
    await until(async () => (await master.info('replication')).role === 'slave', 'it becomes a replica', 20);
    await isUsed(next, 'afterwards');
    await purgesGoOn('afterwards');
    load.check(1200);
});

await test('one Sentinel is enough to go on', async () => {
    await Promise.all([set.sentinels[0].kill(), set.sentinels[1].kill()]);
    await isUsed(await set.master(), 'with one Sentinel');
    await nginx.reload();
    await isUsed(await set.master(), 'after a reload');
    load.check(1500);
    await Promise.all([set.sentinels[0].start(), set.sentinels[1].start()]);
});

await test('replicas=on: reads go to replicas', async () => {
    const master = await set.master();
    const replicas = set.servers.filter((server) => server !== master);
    await until(async () => (await Promise.all(replicas.map((server) => server.info('replication')))).every((info) => info.master_link_status === 'up'),
        'the replicas follow', 20);
    const reader = await startNginx('reader', keyEdge(second, origin, `${set.urls.join(' ')} sentinel=shop replicas=on timeout=300ms`));
    const before = await Promise.all(replicas.map((server) => server.calls('get')));
    const more = new KeyLoad(second);
    try {
        await until(async () => (await Promise.all(replicas.map((server) => server.calls('get')))).every((n, i) => n > before[i] + 30),
            'each replica is asked', 20);
        await until(() => more.figures().redis.count > 50, 'answers from replicas', 15);
        await replicas[0].kill();
        const since = Date.now();
        await until(() => more.figures(since).redis.count > 50, 'answers from the other replica', 15);
    } finally {
        await more.stop();
    }
    more.check(200);
    await replicas[0].start();
    await reader.stop();
});

await test('not one answer was wrong or missing', async () => {
    await load.stop();
    load.check(1500);
    console.log(`# ${load.sent} requests, ${JSON.stringify(load.figures())}`);
    const log = nginx.log().split('\n').filter((line) => line.includes('edge: redis'));
    assert(log.length < 300, `${log.length} lines about Redis in the log`);
});
await nginx.stop();
await other.stop();
