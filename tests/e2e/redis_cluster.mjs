#!/usr/bin/env node
// One cache in a Redis Cluster of six: keys spread over it, slots that move, masters that die, replicas that are read from.
// Through all of it no client sees an error or a wrong body, and Redis is used before and again after each fault.
import { assert, equal, port, request, sleep, startNginx, test, until } from './lib/e2e.mjs';
import { KeyLoad, keyEdge, purgeLog, purgeReaches, startKeyOrigin } from './lib/key_load.mjs';
import { startCluster } from './lib/redis.mjs';

const [edge, origin, second, third] = [port(0), port(1), port(2), port(3)];
const cluster = await startCluster('node', Array.from({ length: 12 }, (_, n) => port(10 + n)));
await startKeyOrigin(origin);
const nginx = await startNginx('edge', keyEdge(edge, origin, `${cluster.urls.slice(0, 3).join(' ')} cluster=on timeout=300ms cut_off=8s`));
const other = await startNginx('other', keyEdge(third, origin, `${cluster.urls[4]} cluster=on timeout=300ms cut_off=8s`));
const load = new KeyLoad(edge);

/** Purges on one host reach the other, both ways. */
async function purgesGoOn(what) {
    await until(async () => (await Promise.all([edge, third].map(purgeLog))).every((one) => one.in_touch && one.lag === 0), `${what}: the hosts are in touch`, 20);
    await purgeReaches(edge, third, what);
    await purgeReaches(third, edge, what);
}

/** Sums a number of INFO over those that run. */
const sum = async (servers, read) => (await Promise.all(servers.filter(({ running }) => running).map(read))).reduce((a, b) => a + b, 0);
const errors = (servers, code) => sum(servers, async (server) => Number(/count=(\d+)/.exec((await server.info('errorstats'))[`errorstat_${code}`] ?? '')?.[1] ?? 0));
const gets = (servers) => sum(servers, (server) => server.calls('get'));

/** What the status page says of a server. */
async function node(server) {
    const { redis } = JSON.parse((await request(edge, '/edge_status')).body);
    return redis.nodes.find(({ name }) => name === `127.0.0.1:${server.port}`);
}
/** From now on answers come out of Redis. */
async function redisIsUsed(what, least = 20) {
    const since = Date.now();
    await until(() => load.figures(since).redis.count >= least, `${what}: answers from Redis (${JSON.stringify(load.figures(since))})`, 15);
}
/** Until every master has answered a GET since. */
async function allMastersAreAsked(what) {
    const masters = (await cluster.masters()).map(({ server }) => server);
    equal(masters.length, 3, 'masters');
    const before = await Promise.all(masters.map((server) => server.calls('get')));
    await until(async () => (await Promise.all(masters.map((server) => server.calls('get')))).every((n, i) => n > before[i] + 5),
        `${what}: each master is asked`, 15);
}

await test('keys spread over the masters, and nobody is asked for what another has', async () => {
    await redisIsUsed('at first', 100);
    await allMastersAreAsked('at first');
    for (const { server } of await cluster.masters()) assert(await server.command('DBSIZE') > 50, `${server.name} has few keys`);
    await purgesGoOn('at first');
    equal(await errors(cluster.servers, 'MOVED'), 0, 'redirections');
    for (const { server } of await cluster.masters()) {
        const { connections, breakers_open: open, round_trip: trips } = await node(server);
        assert(connections > 0 && open === 0 && trips.count > 50, `the status page says of ${server.name}: ${connections} ${open} ${JSON.stringify(trips)}`);
    }
    load.check(500);
});

/** The slot with the most keys of a master. */
async function fullestSlot(master) {
    let best = { count: 0 };
    for (const [first, last] of master.slots) {
        for (let slot = first; slot <= last; slot += 1) {
            const count = await master.server.command('CLUSTER', 'COUNTKEYSINSLOT', slot);
            if (count > best.count) best = { slot, count };
        }
    }
    return best;
}

await test('slots that move under load: what has moved is asked for there (ASK, then MOVED)', async () => {
    const [from, to] = await cluster.masters();
    const slots = [];
    for (const key of (await from.server.command('SCAN', 0, 'COUNT', 400))[1]) {
        const slot = await from.server.command('CLUSTER', 'KEYSLOT', key);
        if (!slots.includes(slot)) slots.push(slot);
    }
    const moves = [];
    for (const slot of slots.slice(0, 150)) moves.push(await cluster.beginMove(slot, to.server));
    const since = Date.now();
    let moved = 0;
    for (const move of moves) moved += await cluster.moveKeys(move);
    assert(moved >= 100, `only ${moved} keys have moved`);
    await until(async () => await errors([from.server], 'ASK') > 20 && await to.server.calls('asking') > 20, 'ASK is answered, and followed', 20);
    equal(await errors(cluster.servers, 'MOVED'), 0, 'redirections before the end');
    for (const move of moves) await cluster.endMove(move);
    await until(async () => await errors([from.server], 'MOVED') > 0, 'MOVED is answered', 20);
    await until(async () => {
        const before = await errors(cluster.servers, 'MOVED');
        const since = Date.now();
        await redisIsUsed('meanwhile', 300);
        await sleep(Math.max(0, 1200 - (Date.now() - since)));
        return await errors(cluster.servers, 'MOVED') === before;
    }, 'nobody is redirected any more', 20);
    await allMastersAreAsked('afterwards');
    load.check(800);
    assert(load.figures(since).redis.count > 100, `answers from Redis meanwhile: ${JSON.stringify(load.figures(since))}`);
});

await test('the slot with the log of purges moves: it is read there from its keys on (ASK), and no purge is lost', async () => {
    const slot = await cluster.servers[0].command('CLUSTER', 'KEYSLOT', 'edge:{purges}:log');
    const from = await cluster.ownerOf(slot);
    const to = (await cluster.masters()).find(({ server }) => server !== from.server);
    const halts = () => [nginx, other].map((host) => host.log().split('no purges through redis').length - 1);
    const before = halts();
    // Purges all the while, in turn on each host, of keys that only these touch.
    let [moving, purges] = [true, 0];
    const always = [[edge, third], [third, edge]].map(async ([one, another]) => {
        for (; moving; purges += 1) await purgeReaches(one, another, 'meanwhile');
    });
    const seen = await request(edge, '/edge_status').then(({ body }) => JSON.parse(body).redis.purge_logs[0].applied);
    const move = await cluster.beginMove(slot, to.server);
    await purgesGoOn('before its keys move');
    while (await cluster.moveKeys(move));
    const since = Date.now();
    await purgesGoOn('when its keys have moved');
    assert(Date.now() - since < 6000, `that took ${Date.now() - since} ms: after cut_off all would have been asked of the app`);
    for (let n = 0; n < 3; n += 1) await purgesGoOn('while it is at neither end');
    await sleep(3000);
    for (const host of [edge, third]) assert((await purgeLog(host)).in_touch, `port ${host} is in touch without the end of the move`);
    await cluster.endMove(move);
    await purgesGoOn('afterwards');
    moving = false;
    await Promise.all(always);
    const applied = JSON.parse((await request(edge, '/edge_status')).body).redis.purge_logs[0].applied - seen;
    assert(purges > 10 && applied >= purges, `${applied} purges were applied, ${purges} made`);
    equal(halts(), before, 'lines of purges that do not go on');
    load.check(800);
});

await test('a master is killed, the one with the log of purges: its replica takes over', async () => {
    const victim = await cluster.ownerOf(await cluster.servers[0].command('CLUSTER', 'KEYSLOT', 'edge:{purges}:log'));
    const since = Date.now();
    const { openings } = await node(victim.server);
    await victim.server.kill();
    // Once another is master this one is no node of theirs any more, and not each worker has failed often enough by then.
    await until(async () => (await node(victim.server)).openings > openings, 'a worker has given it up', 10);
    await until(async () => { const now = await cluster.masters(); return now.length === 3 && !now.some(({ server }) => server === victim.server); }, 'another master', 20);
    await allMastersAreAsked('after the failover');
    await redisIsUsed('after the failover', 100);
    await purgesGoOn('after the failover');
    load.check(1000);
    console.log(`# a master killed: ${JSON.stringify(load.figures(since))}`);
    await victim.server.start();
    await cluster.whole();
    await until(async () => (await node(victim.server)).breakers_open === 0, 'it answers again', 15);
});

await test('all masters are killed: memory and the origin go on; Redis is used when they are back', async () => {
    await redisIsUsed('before');
    const masters = (await cluster.masters()).map(({ server }) => server);
    const since = Date.now();
    await Promise.all(masters.map((server) => server.kill()));
    // No majority is left that could choose others.
    await sleep(4000);
    load.check(1200);
    const dead = load.figures(since + 1500);
    assert(dead.zone.count > 50 && dead.miss.count > 50, `answers meanwhile: ${JSON.stringify(dead)}`);
    await Promise.all(masters.map((server) => server.start()));
    await until(async () => (await cluster.masters()).length === 3, 'three masters', 20);
    await cluster.whole();
    await allMastersAreAsked('when they are back');
    await redisIsUsed('when they are back', 100);
    await purgesGoOn('when they are back');
    load.check(1500);
    console.log(`# all masters killed: ${JSON.stringify(dead)}`);
});

await test('replicas=on: reads go to replicas, writes to masters', async () => {
    const replicas = (await cluster.nodes()).filter(({ master }) => master).map(({ server }) => server);
    equal(replicas.length, 3, 'replicas');
    const unread = await gets(replicas);
    await redisIsUsed('meanwhile', 50);
    equal(await gets(replicas), unread, 'GETs at replicas without replicas=on');
    const reader = await startNginx('reader', keyEdge(second, origin, `${cluster.urls[5]} cluster=on replicas=on timeout=300ms`));
    const before = await Promise.all(replicas.map((server) => server.calls('get')));
    const redirected = await errors(replicas, 'MOVED');
    const more = new KeyLoad(second);
    try {
        await until(async () => (await Promise.all(replicas.map((server) => server.calls('get')))).every((n, i) => n > before[i] + 20),
            'each replica is asked', 15);
        await until(() => more.figures().redis.count > 100, 'answers from replicas', 15);
        equal(await errors(replicas, 'MOVED'), redirected, 'redirections of replicas');
        const since = Date.now();
        await replicas[0].kill();
        await sleep(1500);
        more.check(300);
        assert(more.figures(since).redis.count > 20, `answers from Redis without one replica: ${JSON.stringify(more.figures(since))}`);
    } finally {
        await more.stop();
    }
    more.check(300);
    await replicas[0].start();
    await cluster.whole();
    await reader.stop();
});

await test('not one answer was wrong or missing', async () => {
    await load.stop();
    load.check(2000);
    const figures = load.figures();
    console.log(`# ${load.sent} requests, ${JSON.stringify(figures)}`);
    const log = nginx.log().split('\n').filter((line) => line.includes('edge: redis'));
    assert(log.length < 400, `${log.length} lines about Redis in the log`);
});
await test('replicas=on with across=redis: who has the lock, or waits for it, asks the master', async () => {
    const reader = await startNginx('across', keyEdge(second, origin, `${cluster.urls[5]} cluster=on replicas=on timeout=300ms`,
        { cache: 'edge_cache_collapse on across=redis;' }));
    const masters = (await cluster.masters()).map(({ server }) => server);
    const replicas = cluster.servers.filter((server) => !masters.includes(server));
    const before = { masters: await gets(masters), replicas: await gets(replicas) };
    for (let n = 0; n < 20; n += 1) equal((await request(second, `/k/${3_000_000 + n}`)).status, 200);
    const after = { masters: await gets(masters), replicas: await gets(replicas) };
    assert(after.replicas > before.replicas && after.masters - before.masters >= 20, `GETs: ${JSON.stringify({ before, after })}`);
    await reader.stop();
});
await nginx.stop();
await other.stop();
