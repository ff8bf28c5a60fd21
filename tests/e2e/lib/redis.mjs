// Real Redis servers of a test's own, one of them or a set with Sentinel or Cluster. They keep their files in EDGE_DIR and
// end with the test. EDGE_REDIS_SERVER: the server's program, as of another release, or of Valkey; redis-server by default.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { assert, start, until } from './e2e.mjs';
import { Connection } from './resp.mjs';

const root = process.env.EDGE_DIR;
const program = process.env.EDGE_REDIS_SERVER ?? 'redis-server';

export class Redis {
    /**
     * port: 0 for none, with socket: a path. conf: further directives, {name: value or [values]}, '' is an empty one.
     * login: {username, password} of the test's own connections. tls: certificates(); the port is then a TLS one.
     */
    constructor(name, { port = 0, host = '127.0.0.1', socket, conf = {}, login, tls, args = [], env = {} } = {}) {
        Object.assign(this, { name, port, host, socket, login, tls, args, env, dir: path.join(root, name) });
        fs.mkdirSync(this.dir, { recursive: true });
        this.conf = { bind: host, port, 'protected-mode': 'no', dir: this.dir, save: '', appendonly: 'no',
            loglevel: 'notice', 'repl-diskless-sync-delay': 0, 'repl-ping-replica-period': 1, ...conf };
        if (socket) this.conf.unixsocket = socket;
        if (tls) {
            Object.assign(this.conf, { port: 0, 'tls-port': port, 'tls-cert-file': tls.server.cert, 'tls-key-file': tls.server.key,
                'tls-ca-cert-file': tls.ca, 'tls-auth-clients': tls.clients ?? 'no', 'tls-replication': 'yes' });
        }
    }
    get file() { return path.join(this.dir, 'redis.conf'); }
    get running() { return this.child && this.child.exitCode === null && this.child.signalCode === null; }
    log() { try { return fs.readFileSync(path.join(root, `${this.name}.log`), 'utf8'); } catch { return ''; } }

    async start() {
        // Sentinel and replicas that were promoted have written theirs.
        if (!fs.existsSync(this.file)) {
            fs.writeFileSync(this.file, Object.entries(this.conf).flatMap(([name, values]) => [values].flat()
                .map((value) => `${name} ${value === '' ? '""' : value}\n`)).join(''));
        }
        this.child = start(this.name, program, [this.file, ...this.args], { env: { ...process.env, ...this.env } });
        await this.ready();
        return this;
    }
    /** Until it answers; also that it is loading or in need of a password. */
    async ready(seconds = 15) {
        await until(async () => {
            assert(this.running, `redis-server ${this.name} does not start: ${this.log().split('\n').slice(-3).join(' ')}`);
            const connection = this.connect();
            try {
                return await connection.command('PING');
            } catch (error) {
                return /^(NOAUTH|NOPERM)/.test(error.message);
            } finally {
                connection.close();
            }
        }, `redis-server ${this.name} answers`, seconds);
    }
    connect() {
        return new Connection({ ...(this.socket && !this.port ? { path: this.socket } : { host: this.host, port: this.port }),
            ...(this.tls ? { tls: { ca: fs.readFileSync(this.tls.ca), checkServerIdentity: () => undefined,
                ...(this.tls.client ? { cert: fs.readFileSync(this.tls.client.cert), key: fs.readFileSync(this.tls.client.key) } : {}) } } : {}) });
    }
    /** One command on a connection of its own. */
    async command(...words) {
        const connection = this.connect();
        try {
            if (this.login) await connection.command('AUTH', ...[this.login.username, this.login.password].filter((word) => word !== undefined));
            return await connection.command(...words);
        } finally {
            connection.close();
        }
    }
    /** Of INFO, as an object. */
    async info(section = 'everything') {
        return Object.fromEntries((await this.command('INFO', section)).split('\r\n').filter((line) => line.includes(':'))
            .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
    }
    /** How often it was asked for a command; 0 for never. */
    async calls(name) {
        return Number(/calls=(\d+)/.exec((await this.info('commandstats'))[`cmdstat_${name}`] ?? '')?.[1] ?? 0);
    }
    signal(name) { process.kill(this.child.pid, name); }
    pause() { this.signal('SIGSTOP'); }
    resume() { this.signal('SIGCONT'); }
    /** Returns when it is gone. */
    async kill(name = 'SIGKILL') {
        if (!this.running) return;
        this.signal(name);
        await until(() => !this.running, `redis-server ${this.name} ends`);
    }
    /** Without persistence in its conf it comes back empty. */
    async restart(signal) {
        await this.kill(signal);
        await this.start();
    }
}
export const startRedis = (name, options) => new Redis(name, options).start();

/**
 * A certificate authority and what it has signed, made by openssl. names: of the server's certificate, like
 * "DNS:localhost,IP:127.0.0.1".
 */
export function certificates(name, names) {
    const dir = path.join(root, `${name}-tls`);
    fs.mkdirSync(dir);
    const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
    const key = (file) => openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-out', file);
    key('ca.key');
    openssl('req', '-x509', '-new', '-key', 'ca.key', '-days', '2', '-subj', `/CN=${name} authority`, '-out', 'ca.crt');
    for (const [who, extension] of Object.entries({ server: `subjectAltName=${names}`, client: 'extendedKeyUsage=clientAuth' })) {
        key(`${who}.key`);
        openssl('req', '-new', '-key', `${who}.key`, '-subj', `/CN=${name} ${who}`, '-out', `${who}.csr`);
        fs.writeFileSync(path.join(dir, `${who}.ext`), `${extension}\n`);
        openssl('x509', '-req', '-in', `${who}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2',
            '-extfile', `${who}.ext`, '-out', `${who}.crt`);
    }
    const pair = (who) => ({ cert: path.join(dir, `${who}.crt`), key: path.join(dir, `${who}.key`) });
    return { ca: path.join(dir, 'ca.crt'), server: pair('server'), client: pair('client') };
}

/** A master, its replicas and the Sentinels that watch them. */
export class SentinelSet {
    /** ports: of the servers, then of the Sentinels: replicas + 1 + sentinels of them. */
    constructor(name, ports, { replicas = 2, sentinels = 3, down = 500, conf = {} } = {}) {
        this.name = name;
        this.servers = ports.slice(0, replicas + 1).map((port, n) => new Redis(`${name}${n}`, { port,
            conf: { ...conf, ...(n ? { replicaof: `127.0.0.1 ${ports[0]}` } : {}) } }));
        this.sentinels = ports.slice(replicas + 1, replicas + 1 + sentinels).map((port, n) => new Redis(`${name}-sentinel${n}`, {
            port, args: ['--sentinel'],
            conf: { save: [], appendonly: [], 'repl-diskless-sync-delay': [], 'repl-ping-replica-period': [], 'sentinel monitor': `${name} 127.0.0.1 ${ports[0]} ${(sentinels >> 1) + 1}`,
                'sentinel down-after-milliseconds': `${name} ${down}`, 'sentinel failover-timeout': `${name} 6000`,
                'sentinel parallel-syncs': `${name} 2` } }));
    }
    async start() {
        await Promise.all(this.servers.map((server) => server.start()));
        await until(async () => (await this.servers[0].info('replication')).connected_slaves === String(this.servers.length - 1), 'the replicas follow');
        await Promise.all(this.sentinels.map((sentinel) => sentinel.start()));
        await until(async () => (await Promise.all(this.sentinels.map((sentinel) => sentinel.command('SENTINEL', 'CKQUORUM', this.name)
            .then(() => sentinel.command('SENTINEL', 'REPLICAS', this.name)).then((all) => all.length === this.servers.length - 1,
                () => false)))).every(Boolean), 'the Sentinels know each other');
        return this;
    }
    get urls() { return this.sentinels.map(({ port }) => `redis://127.0.0.1:${port}`); }
    async master() {
        for (const sentinel of this.sentinels) {
            const address = await sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.name).catch(() => null);
            if (address) return this.servers.find(({ port }) => port === Number(address[1]));
        }
        throw new Error('no Sentinel answers');
    }
    /** Another master, agreed by all that run; returns it. */
    async failedOver(from, seconds = 20) {
        return until(async () => {
            const to = await this.master();
            if (to === from || !to.running) return undefined;
            return (await to.command('ROLE'))[0] === 'master' ? to : undefined;
        }, 'the Sentinels fail over', seconds);
    }
}
export const startSentinelSet = (...args) => new SentinelSet(...args).start();

/** A Redis Cluster: as many masters, each with one replica. */
export class Cluster {
    /** ports: two for each server. */
    constructor(name, ports, { masters = 3, replicas = 1, conf = {}, timeout = 1500, options = {} } = {}) {
        const count = masters * (1 + replicas);
        this.replicas = replicas;
        this.servers = Array.from({ length: count }, (_, n) => this.#server(`${name}${n}`, ports[n], ports[count + n], { conf, timeout, options }));
    }
    #server(name, port, bus, { conf, timeout, options }) {
        return new Redis(name, { ...options, port, conf: { 'cluster-enabled': 'yes', 'cluster-config-file': 'nodes.conf', 'cluster-port': bus,
            'cluster-node-timeout': timeout, 'cluster-replica-validity-factor': 0, 'cluster-require-full-coverage': 'no', ...conf } });
    }
    async start() {
        await Promise.all(this.servers.map((server) => server.start()));
        try {
            execFileSync('redis-cli', ['--cluster', 'create', ...this.servers.map(({ port }) => `127.0.0.1:${port}`),
                '--cluster-replicas', String(this.replicas), '--cluster-yes'], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60000 });
        } catch (error) {
            throw new Error(`redis-cli --cluster create: ${error.stdout} ${error.stderr}`);
        }
        await this.whole();
        return this;
    }
    get urls() { return this.servers.map(({ port }) => `redis://127.0.0.1:${port}`); }
    /** Until every server that runs says all slots are served, and replicas are in step. */
    async whole(seconds = 20) {
        await until(async () => (await Promise.all(this.servers.filter(({ running }) => running).map(async (server) => {
            const info = await server.command('CLUSTER', 'INFO');
            const replication = await server.info('replication');
            return info.includes('cluster_state:ok') && info.includes('cluster_slots_ok:16384')
                && (replication.role === 'master' || replication.master_link_status === 'up');
        }))).every(Boolean), 'the Cluster is whole', seconds);
    }
    /** [{server, id, master, slots: [[first, last]]}] as `server`, or the first that runs, knows it. */
    async nodes(server = this.servers.find(({ running }) => running)) {
        return (await server.command('CLUSTER', 'NODES')).trim().split('\n').map((line) => {
            const [id, address, flags, master, , , , link, ...slots] = line.split(' ');
            const port = Number(/:(\d+)@/.exec(address)[1]);
            return { id, server: this.servers.find((one) => one.port === port), flags: flags.split(','), link,
                master: flags.includes('master') ? undefined : master,
                slots: slots.filter((range) => !range.startsWith('[')).map((range) => range.split('-').map(Number)).map(([a, b = a]) => [a, b]) };
        });
    }
    async masters() { return (await this.nodes()).filter(({ flags, slots }) => flags.includes('master') && !flags.includes('fail') && slots.length); }
    async ownerOf(slot) { return (await this.masters()).find(({ slots }) => slots.some(([a, b]) => slot >= a && slot <= b)); }
    /** Begins to move a slot to another master: its keys are asked for with ASK once they have moved. */
    async beginMove(slot, to) {
        const [from, target] = [await this.ownerOf(slot), (await this.masters()).find(({ server }) => server === to)];
        assert(from.id !== target.id, `slot ${slot} is there already`);
        await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
        await from.server.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id);
        return { slot, from, target };
    }
    /** Moves at most `count` keys of it; returns how many there were. */
    async moveKeys({ slot, from, target }, count = 100) {
        const keys = await from.server.command('CLUSTER', 'GETKEYSINSLOT', slot, count);
        if (keys.length) await from.server.command('MIGRATE', '127.0.0.1', target.server.port, '', 0, 5000, 'REPLACE', 'KEYS', ...keys);
        return keys.length;
    }
    async endMove({ slot, from, target }) {
        // The new owner first: then nobody is ever told that nobody owns it.
        await target.server.command('CLUSTER', 'SETSLOT', slot, 'NODE', target.id);
        await from.server.command('CLUSTER', 'SETSLOT', slot, 'NODE', target.id);
        for (const { server } of await this.masters()) await server.command('CLUSTER', 'SETSLOT', slot, 'NODE', target.id);
    }
}
export const startCluster = (...args) => new Cluster(...args).start();
