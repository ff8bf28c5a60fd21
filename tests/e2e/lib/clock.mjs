// Wall clocks of processes of a test's own that jump. Needs a C compiler, as the build does.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const root = process.env.EDGE_DIR;

export class Clock {
    constructor(name) {
        this.file = path.join(root, `${name}.clock`);
        const library = path.join(root, 'clock.so');
        if (!fs.existsSync(library)) {
            execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, path.join(process.env.EDGE_REPO, 'tests/e2e/lib/clock.c')]);
        }
        this.jump(0);
        /** Of a process that shall have this clock. */
        this.env = { LD_PRELOAD: library, EDGE_CLOCK_OFFSET: this.file };
    }
    /** So many seconds from the true time, at once. */
    jump(seconds) {
        const offset = Buffer.alloc(8);
        offset.writeBigInt64LE(BigInt(seconds));
        // In place: the process has mapped it.
        const file = fs.openSync(this.file, fs.existsSync(this.file) ? 'r+' : 'w');
        fs.writeSync(file, offset, 0, 8, 0);
        fs.closeSync(file);
    }
}
