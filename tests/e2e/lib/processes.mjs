// Processes of this machine, by /proc.
import fs from 'node:fs';

/** {pid, parent, command, started} or nothing; `started` tells a process from a later one with its number. */
function read(pid) {
    try {
        const [, command, rest] = /^\d+ \((.*)\) (.*)$/s.exec(fs.readFileSync(`/proc/${pid}/stat`, 'latin1'));
        const fields = rest.trim().split(' ');
        return { pid, command, state: fields[0], parent: Number(fields[1]), started: fields[19] };
    } catch {
        return undefined;
    }
}

/** This process and all below it. */
export function processTree(root) {
    const all = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((pid) => read(Number(pid))).filter(Boolean);
    const found = all.filter(({ pid }) => pid === root);
    for (const one of found) found.push(...all.filter(({ parent }) => parent === one.pid));
    return found;
}

/** Whether it still runs. */
export function alive({ pid, started }) {
    const now = read(pid);
    return now !== undefined && now.started === started && now.state !== 'Z';
}
