// PostgreSQL for scripts/bench app: a cluster of its own, on a socket in its own directory.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { median } from './figures.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const bin = fs.readdirSync('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`).sort().pop();
/** It refuses to run as root. */
const isRoot = process.getuid() === 0;
export const pgUser = isRoot ? 'postgres' : process.env.USER ?? 'postgres';
const ids = isRoot ? { uid: Number(execFileSync('id', ['-u', pgUser])), gid: Number(execFileSync('id', ['-g', pgUser])) } : {};

export class Postgres {
    constructor(dir) {
        this.socket = path.join(dir, 'postgres');
    }

    /** Makes the cluster; start(name, command, args, options) starts its server, waitFor(what, attempt) waits for it. */
    async begin(start, waitFor) {
        fs.mkdirSync(this.socket, { mode: 0o700 });
        if (isRoot) fs.chownSync(this.socket, ids.uid, ids.gid);
        const data = `${this.socket}/data`;
        execFileSync(`${bin}/initdb`, ['-D', data, '-U', pgUser, '--auth=trust', '-E', 'UTF8', '--locale=C', '--no-sync'], { ...ids, stdio: 'pipe', cwd: '/' });
        const settings = { listen_addresses: '', unix_socket_directories: this.socket, shared_preload_libraries: 'pg_stat_statements',
            'pg_stat_statements.track_utility': 'off', shared_buffers: '128MB', fsync: 'off', max_connections: '40', jit: 'off', dynamic_shared_memory_type: 'mmap' };
        this.server = start('postgres', `${bin}/postgres`, ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])], { ...ids, cwd: '/' });
        await waitFor('PostgreSQL', async () => {
            const client = await this.connect('postgres');
            await client.end();
            return true;
        });
    }

    async connect(name) {
        const client = new pg.Client({ host: this.socket, user: pgUser, database: name });
        client.on('error', () => {});  // it ends with the server
        await client.connect();
        return client;
    }

    run(file, users) {
        execFileSync('psql', ['-q', '-v', 'ON_ERROR_STOP=1', '-v', `users=${users}`, '-h', this.socket, '-U', pgUser, '-f', path.join(here, file), 'app'], { stdio: 'pipe' });
    }

    /** The tables with so many users, their indexes with and without the migration: lines of a table. */
    async fill(users) {
        const admin = await this.connect('postgres');
        await admin.query('CREATE DATABASE app');
        await admin.end();
        this.run('schema.sql', users);
        const client = await this.connect('app');
        const before = await explain(client, users);
        const up = async () => {
            this.run('migrations/001_indexes.up.sql', users);
            await client.query('ANALYZE');
        };
        await up();
        const after = await explain(client, users);
        this.run('migrations/001_indexes.down.sql', users);
        const left = (await client.query(`SELECT count(*)::int AS n FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%_pkey'`)).rows[0].n;
        if (left !== 0) throw new Error(`the rollback leaves ${left} indexes`);
        await up();
        await client.end();
        return before.map(({ name, scan, ms }, i) => `${name.padEnd(26)} ${ms.toFixed(3).padStart(9)} ${scan.padEnd(16)} ${after[i].ms.toFixed(3).padStart(9)} ${after[i].scan}`);
    }
}

/** What the queries that the indexes are for cost: plan, milliseconds (median of 5). */
async function explain(client, users) {
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
