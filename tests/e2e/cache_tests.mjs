#!/usr/bin/env node
// Runs the public suite http-tests/cache-tests against the edge, from a checkout beside this tree (../cache-tests, or
// the folder that CACHE_TESTS names) in which `npm install` has been run. What is not passed must be listed, with its
// reason, in cache_tests.known; so must nothing that is passed.
// timeout: 280
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { assert, port, skip, start, startNginx, test, waitPort } from './lib/e2e.mjs';

const checkout = path.resolve(process.env.CACHE_TESTS ?? path.join(process.env.EDGE_REPO, '../cache-tests'));
const known = new Map(fs.readFileSync(new URL('cache_tests.known', import.meta.url), 'utf8').split('\n')
    .filter((line) => line && !line.startsWith('#')).map((line) => [line.split(/\s+/)[0], line]));

function runSuite() {
    const env = { ...process.env, npm_config_base: `http://127.0.0.1:${port(1)}`, npm_config_id: '', npm_package_config_id: '' };
    const run = spawnSync(process.execPath, ['--no-warnings', 'test-engine/cli.mjs'],
        { cwd: checkout, env, encoding: 'utf8', timeout: 240000, maxBuffer: 1 << 26 });
    assert(run.status === 0, `the suite ended with ${run.status}: ${run.stderr}`);
    return JSON.parse(run.stdout);
}

async function main() {
    if (!fs.existsSync(path.join(checkout, 'node_modules/undici'))) {
        skip('the public cache suite', 'no checkout of http-tests/cache-tests with its dependencies at CACHE_TESTS or ../cache-tests');
        return;
    }
    start('suite-origin', process.execPath, ['test-engine/server/server.mjs'], { cwd: checkout, env: { ...process.env,
        npm_config_protocol: 'http', npm_config_port: String(port(0)), npm_config_pidfile: path.join(process.env.EDGE_DIR, 'suite.pid') } });
    await waitPort(port(0));
    await startNginx('edge', { workers: 1, http: `
        edge_zone main size=64m;
        server {
            listen 127.0.0.1:${port(1)};
            location / {
                edge_cache main;
                proxy_pass http://127.0.0.1:${port(0)};
                proxy_http_version 1.1;
                proxy_set_header Host $http_host;
                proxy_set_header Connection "";
            }
        }` });
    const { determineTestResult, resultTypes } = await import(pathToFileURL(path.join(checkout, 'test-engine/lib/results.mjs')));
    const suites = (await import(pathToFileURL(path.join(checkout, 'tests/index.mjs')))).default;
    const results = runSuite();
    const passed = { required: [0, 0], optimal: [0, 0] };
    for (const item of suites.flatMap((suite) => suite.tests)) {
        const kind = item.kind ?? 'required';
        if (item.browser_only || kind === 'check') continue;
        const good = determineTestResult(suites, item.id, results) === resultTypes.pass;
        passed[kind][0] += good;
        passed[kind][1] += 1;
        if (good === !known.has(item.id)) continue;
        await test(`${kind} ${item.id}: ${item.name}`, () => {
            assert(!good, 'passes now: take it off cache_tests.known');
            throw new Error(String(results[item.id]));
        });
    }
    for (const [kind, [n, of]] of Object.entries(passed)) {
        await test(`${n} of ${of} ${kind} tests of the public cache suite pass, the others for a known reason`,
            () => assert(n + known.size >= of, 'too few'));
    }
}
await main();
