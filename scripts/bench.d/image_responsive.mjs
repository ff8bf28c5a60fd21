// What else a worker has to do while pictures are rendered; see scripts/bench --help.
// image_responsive.mjs ROUNDS SECONDS SOURCES LOAD LOOP_CPU: the load generator, and loop_cpu.cpp as a library
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { clients, cores, dir, edgeUrl, fail, finish, get, listening, median, startEdge, startOrigin } from './image_servers.mjs';

const [rounds, seconds, sources, load, loopCpu] = [Number(process.argv[2]), Number(process.argv[3]), ...process.argv.slice(4)];
const kRate = 200;  // tiny requests a second

const names = fs.readdirSync(sources).sort();
const origin = await startOrigin(sources);
const counters = path.join(dir, 'loop');
fs.writeFileSync(counters, Buffer.alloc(4096), { mode: 0o666 });
fs.chmodSync(counters, 0o666);
const edge = startEdge('edge', { workers: 1, origin: origin.port, env: { LD_PRELOAD: loopCpu, EDGE_LOOP_CPU: counters } });
await listening(edge, edge.port);

function turns() {
    const bytes = fs.readFileSync(counters);
    const [count, all, longest, over] = [0, 8, 16, 24].map((at) => Number(bytes.readBigUInt64LE(at)));
    return { count, all: all / 1e6, longest: longest / 1e6, over };
}
function forget() {
    const fd = fs.openSync(counters, 'r+');
    fs.writeSync(fd, Buffer.alloc(32), 0, 32, 0);
    fs.closeSync(fd);
}
/** p50 and p99 of a tiny answer, in milliseconds. */
const tiny = () => new Promise((resolve, reject) => {
    execFile(load, ['rate', String(edge.port), '/tiny', '0', String(kRate), String(seconds), '4'], (error, out) => {
        if (error) return reject(error);
        const [answers, errors, p50, p99, slowest] = out.trim().split(' ').map(Number);
        if (errors > 0 || answers < 1) return reject(new Error(`tiny: ${errors} errors, ${answers} answers`));
        return resolve({ p50: p50 / 1000, p99: p99 / 1000, slowest: slowest / 1000 });
    });
});

let serial = 0;
const cached = () => {
    serial += 1;
    return edgeUrl(names[serial % names.length], `w=1200&h=${3000 + (serial % 13000)}&fm=webp`);
};
const fresh = () => {
    serial += 1;
    return edgeUrl(`n/${serial}/${names[serial % names.length]}`, 'w=300&h=300&fit=cover&fm=webp');
};
// The same originals through nginx alone: what it takes itself.
const plain = () => {
    serial += 1;
    return `/plain/${serial}/${names[serial % names.length]}`;
};
const check = () => '';
const phases = [
    ['nothing else', () => sleepFor(seconds)],
    ['renders', () => clients(edge.port, seconds, cached, check)],
    ['renders of new sources', () => clients(edge.port, seconds, fresh, check)],
    ['(originals, nginx alone)', () => clients(edge.port, seconds, plain, check)],
];
const sleepFor = (s) => new Promise((resolve) => { setTimeout(() => resolve({ images: 0, seconds: s }), 1000 * s); });

for (const name of names) await get(edge.port, edgeUrl(name, 'w=64&fm=webp'));
const results = new Map(phases.map(([name]) => [name, []]));
for (let round = 1; round <= rounds; round += 1) {
    for (const [name, work] of phases) {
        forget();
        const [answers, run] = await Promise.all([tiny(), work()]);
        results.get(name).push({ ...answers, ...turns(), rate: run.images / run.seconds });
    }
}
console.log(`\nOne worker, ${cores} processors: ${kRate} tiny requests a second beside four clients that ask for pictures; ${rounds} rounds of ${seconds} s. Milliseconds;
a turn of the worker's event loop in processor time, the longest of all rounds\n`);
console.log(`${'beside'.padEnd(28)}images/s      p50      p99  slowest    turns  mean turn  longest  over 1 ms`);
for (const [name] of phases) {
    const all = results.get(name);
    const of = (what) => median(all.map((one) => one[what]));
    const most = (what) => Math.max(...all.map((one) => one[what]));
    console.log(`${name.padEnd(28)}${of('rate').toFixed(1).padStart(8)}${of('p50').toFixed(2).padStart(9)}${of('p99').toFixed(2).padStart(9)}${most('slowest').toFixed(1).padStart(9)}`
        + `${of('count').toFixed(0).padStart(9)}${(of('all') / of('count')).toFixed(3).padStart(11)}${most('longest').toFixed(2).padStart(9)}${all.reduce((sum, one) => sum + one.over, 0).toString().padStart(11)}`);
}
const errors = fs.readFileSync(edge.errors, 'utf8');
if (errors) fail(`the edge complains:\n${errors.slice(0, 1000)}`);
await finish();
