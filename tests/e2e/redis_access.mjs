#!/usr/bin/env node
// The ways to a Redis: users and databases, TLS both ways, names that change.
import { assert, equal, port, request, startNginx, startOrigin, test, until } from './lib/e2e.mjs';
import { startDns } from './lib/dns.mjs';
import { certificates, startRedis } from './lib/redis.mjs';

const edge = port(2);
let asked = 0;
let size = 0;  // of the bodies
await startOrigin(port(1), (incoming, outgoing) => {
    asked += 1;
    outgoing.writeHead(200, { 'Cache-Control': 'max-age=60' });
    outgoing.end(`body of ${incoming.url}`.padEnd(size, 'x'));
});
// Two zones in one nginx are as good as two hosts here.
const conf = (redis, { http = '' } = {}) => ({ workers: 1, http: `
    edge_zone one size=8m;
    edge_zone two size=8m;
    ${http}
    edge_redis shared ${redis};
    proxy_http_version 1.1;
    server {
        listen 127.0.0.1:${edge};
        add_header X-Cache "$edge_cache_status $edge_cache_level" always;
        location /one/ { rewrite ^/one(/.*) $1 break; edge_cache one redis=shared redis_part=1m; edge_cache_key $arg_k; proxy_pass http://127.0.0.1:${port(1)}; }
        location /two/ { rewrite ^/two(/.*) $1 break; edge_cache two redis=shared redis_part=1m; edge_cache_key $arg_k; proxy_pass http://127.0.0.1:${port(1)}; }
        location = /status { edge_status; }
    }` });
let key = 0;
/** What the second zone says of what the first has just stored. */
async function shared(redis) {
    key += 1;
    const stored = redis ? await redis.command('DBSIZE') : 0;
    const first = await request(edge, `/one/?k=${key}`);
    equal(first.status, 200);
    if (redis) await until(async () => (await redis.command('DBSIZE')) >= stored + 1, 'it comes to Redis');
    const second = await request(edge, `/two/?k=${key}`);
    equal([second.status, second.body.toString()], [200, first.body.toString()]);
    return second.headers['x-cache'].trim();
}
async function withNginx(name, redis, options, body) {
    const nginx = await startNginx(name, conf(redis, options));
    try {
        return await body(nginx);
    } finally {
        await nginx.stop();
        const bad = nginx.log().split('\n').filter((line) => /\[(alert|emerg|crit)\]/.test(line));
        equal(bad, [], `alerts of ${name}`);
    }
}

await test('an ACL user that may do no more than it has to, in a database of its own', async () => {
    const redis = await startRedis('acl', { port: port(0), login: { username: 'default', password: 'root' }, conf: { requirepass: 'root' } });
    await redis.command('ACL', 'SETUSER', 'edge', 'on', '>pa:ss@word/', 'resetkeys', '~shop:*', '-@all', '+get', '+set', '+unlink', '+ping', '+select');
    await withNginx('acl-edge', `redis://edge:pa%3Ass%40word%2F@127.0.0.1:${port(0)}/3 prefix=shop:`, {}, async (nginx) => {
        equal(await shared(), 'HIT redis');
        const keyspace = await redis.command('INFO', 'keyspace');
        assert(/db3:keys=[1-9]/.test(keyspace) && !/db0/.test(keyspace), keyspace);
        assert(!nginx.log().includes('pa:ss'), 'no password in the log');
    });
    await withNginx('acl-wrong', `redis://edge:wrong@127.0.0.1:${port(0)} prefix=shop:`, {}, async (nginx) => {
        equal(await shared(), 'MISS');
        await until(() => nginx.log().includes('it refuses the greeting: WRONGPASS'), 'the log tells why');
        assert(!nginx.log().includes('wrong@'), 'but not the password');
    });
    // It may read what it may not write.
    await redis.command('ACL', 'SETUSER', 'edge', '-set');
    await withNginx('acl-less', `redis://edge:pa%3Ass%40word%2F@127.0.0.1:${port(0)}/3 prefix=shop:`, {}, async () => {
        equal(await shared(), 'MISS');
        const { redis: { nodes: [node] } } = JSON.parse((await request(edge, '/status')).body);
        assert(node.errors.error_reply > 0 && node.breakers_open === 0, JSON.stringify(node));
    });
    await redis.kill();
});

await test('TLS: authority, own certificate, name and SNI', async () => {
    const tls = certificates('shop', 'DNS:redis.test');
    const redis = await startRedis('tls', { port: port(3), tls: { ...tls, clients: 'yes' } });
    const own = `tls_certificate=${tls.client.cert} tls_key=${tls.client.key}`;
    const url = `rediss://127.0.0.1:${port(3)}`;
    await withNginx('tls-well', `${url} tls_ca=${tls.ca} ${own} tls_name=redis.test`, {}, async () => {
        equal(await shared(redis), 'HIT redis');
        // Larger than many TLS records, both ways.
        size = 600_000;
        equal(await shared(redis), 'HIT redis', 'a large one');
        size = 0;
    });
    for (const [name, how, why] of [
        ['tls-name', `tls_ca=${tls.ca} ${own} tls_name=other.test`, 'the certificate is for another name'],
        ['tls-address', `tls_ca=${tls.ca} ${own}`, 'the certificate is for another name'],
        ['tls-authority', `${own} tls_name=redis.test`, 'unable to get local issuer certificate|self-signed|self signed'],
        ['tls-nobody', `tls_ca=${tls.ca} tls_name=redis.test`, 'TLS|closed the connection|can\'t read'],
    ]) {
        await withNginx(name, `${url} ${how}`, {}, async (nginx) => {
            equal(await shared(), 'MISS', name);
            await until(() => new RegExp(`edge: redis 127\\.0\\.0\\.1:\\d+: .*(${why})`).test(nginx.log()), `${name}: the log tells why: ${nginx.log().slice(-600)}`);
        });
    }
    await withNginx('tls-unverified', `${url} ${own} tls_verify=off`, {}, async () => equal(await shared(redis), 'HIT redis'));
    await redis.kill();
});

await test('a name is followed to another address, and none is needed at the start', async () => {
    const dns = await startDns(port(4));
    const resolver = `resolver 127.0.0.1:${port(4)} ipv6=off;`;
    const first = await startRedis('first', { port: port(5), conf: { bind: '127.0.0.2 127.0.0.1' } });
    await withNginx('named', `redis://redis.shop.test:${port(5)} timeout=500ms`, { http: resolver }, async (nginx) => {
        equal(await shared(), 'MISS', 'nobody knows the name yet');
        dns.names.set('redis.shop.test', ['127.0.0.2']);
        await until(async () => (await shared()) === 'HIT redis', 'it is found', 15);
        assert((await first.command('DBSIZE')) > 0, 'at the first address');
        dns.names.set('redis.shop.test', ['127.0.0.4']);
        // Nothing listens there: requests go on, and the connection to the first address is given up.
        await until(async () => (await first.command('CLIENT', 'LIST')).split('\n').filter((line) => line.includes('laddr=127.0.0.2')).length === 0,
            'the old connections are closed', 15);
        equal(await shared(), 'MISS');
        dns.names.set('redis.shop.test', ['127.0.0.2']);
        await until(async () => (await shared()) === 'HIT redis', 'it is back', 25);
        dns.mode = 'fail';
        await until(() => nginx.log().includes('could not be resolved'), 'the log tells', 15);
        equal(await shared(), 'HIT redis', 'an address that was good is good enough');
    });
    dns.close();
    await first.kill();
});

await test('a name that nobody knows is refused at the start when there is no resolver', async () => {
    const { execFileSync } = await import('node:child_process');
    const nginx = await startNginx('known', conf(`redis://localhost:${port(7)}`));
    await nginx.stop();
    nginx.write(conf(`redis://no.such.name.invalid:${port(7)}`));
    let said = '';
    try {
        execFileSync(process.env.EDGE_NGINX, ['-t', '-p', nginx.dir, '-e', '/dev/null', '-c', `${nginx.dir}/nginx.conf`], { stdio: 'pipe' });
    } catch (error) { said = error.stderr.toString(); }
    assert(/edge_redis "shared": host not found in "no\.such\.name\.invalid:\d+", and there is no resolver at http level to ask later/.test(said), said);
});
assert(asked > 0, 'the origin was asked');
