#!/usr/bin/env node
// Runs the cases of the public Autobahn|Testsuite through the edge, before a plain and a deflating echo server, from a
// checkout of crossbario/autobahn-testsuite beside this tree (../autobahn-testsuite, or the folder that AUTOBAHN names).
// Its own runner needs Python 2; lib/autobahn_cases.py runs its cases on Debian's python3-autobahn.
// AUTOBAHN_MESSAGES (20): messages that a case of sections 12 and 13 sends; the suite's own number is 1000.
// timeout: 7200
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { assert, port, skip, startNginx, startOrigin, test } from './lib/e2e.mjs';
import { startServer } from './lib/websocket.mjs';

const python = '/usr/bin/python3';
const checkout = path.resolve(process.env.AUTOBAHN ?? path.join(process.env.EDGE_REPO, '../autobahn-testsuite'));
const messages = Number(process.env.AUTOBAHN_MESSAGES ?? 20);
const [edge, plain, deflating] = [0, 1, 2].map(port);
const framing = ['1', '2', '3', '4', '5', '6', '7', '9', '10'];
const compression = ['12', '13'];
const targets = [
    { name: 'the edge does not compress', at: 'off', sections: framing },
    { name: 'the edge compresses', at: 'on', sections: [...framing, ...compression] },
    { name: 'smallest buffers', at: 'small', sections: [...framing, ...compression] },
    { name: 'the upstream compresses', at: 'upstream', sections: [...framing, ...compression] },
];

async function main() {
    if (!fs.existsSync(path.join(checkout, 'autobahntestsuite/autobahntestsuite/case'))) {
        skip('the public WebSocket suite', 'no checkout of crossbario/autobahn-testsuite at AUTOBAHN or ../autobahn-testsuite');
        return;
    }
    if (spawnSync(python, ['-c', 'import autobahn.twisted.websocket']).status !== 0) {
        skip('the public WebSocket suite', 'it needs the packages python3-autobahn and python3-twisted');
        return;
    }
    const echo = { echo(socket) { socket.on('message', (data, binary) => socket.send(data, { binary })); } };
    startServer(await startOrigin(plain, (incoming, outgoing) => outgoing.end()), echo, { maxPayload: 64 << 20, maxFragments: 0 });
    startServer(await startOrigin(deflating, (incoming, outgoing) => outgoing.end()), echo, { maxPayload: 64 << 20, maxFragments: 0, perMessageDeflate: { threshold: 0 } });
    const nginx = await startNginx('edge', { workers: 1, http: `
        server {
            listen 127.0.0.1:${edge};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            edge_websocket on;
            edge_websocket_limit message=32m;
            location /off/ { edge_websocket_compress off; proxy_pass http://127.0.0.1:${plain}; }
            location /on/ { proxy_pass http://127.0.0.1:${plain}; }
            location /small/ { edge_websocket_compress window=9 memory=4 level=9; edge_websocket_limit message=32m buffer=4k; proxy_pass http://127.0.0.1:${plain}; }
            location /upstream/ { edge_websocket_compress upstream; proxy_pass http://127.0.0.1:${deflating}; }
        }` });
    let total = 0;
    for (const { name, at, sections } of targets) {
        const results = await run({ targets: [{ name, url: `ws://127.0.0.1:${edge}/${at}/echo` }], sections, messages, parallel: 6 });
        for (const section of sections) {
            const some = results.filter((one) => one.section === section);
            total += some.length;
            await test(`section ${section}: ${some.length} cases, ${name}`, () => {
                assert(some.length > 0, 'there are none');
                const good = ({ behavior, close }) => ['OK', 'INFORMATIONAL'].includes(behavior) && ['OK', 'INFORMATIONAL'].includes(close);
                const bad = some.filter((one) => !good(one));
                for (const one of bad) console.log(`# ${JSON.stringify(one)}`);
                assert(bad.length === 0, `${bad.length} of them: ${bad.map((one) => `${one.case} ${one.behavior}, close ${one.close}`).join('; ')}`);
            });
        }
    }
    console.log(`# ${total} cases`);
    await nginx.stop();
}

/** The results of the cases of these sections. */
async function run(spec) {
    const cases = path.join(process.env.EDGE_REPO, 'tests/e2e/lib/autobahn_cases.py');
    const child = spawn(python, ['-B', cases, checkout, JSON.stringify(spec)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = new Promise((resolve) => { child.once('exit', resolve); });
    const results = [];
    for await (const line of createInterface({ input: child.stdout })) results.push(JSON.parse(line));
    const code = await exited;
    assert(code === 0, `the cases' program ended with ${code}`);
    return results;
}

await main();
