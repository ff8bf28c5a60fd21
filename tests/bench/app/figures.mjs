// What scripts/bench app reads of processes, and how it shows figures.
import fs from 'node:fs';

const sorted = (list) => [...list].sort((a, b) => a - b);
export const quantile = (list, q) => sorted(list)[Math.min(list.length - 1, Math.floor(list.length * q))] ?? 0;
export const median = (list) => quantile(list, 0.5);
export const percent = (from, to) => `${to <= from ? '-' : '+'}${Math.abs(100 - (100 * to) / from).toFixed(0)} %`;

const read = (file) => { try { return fs.readFileSync(file, 'latin1'); } catch { return ''; } };
export const childrenOf = (pid) => read(`/proc/${pid}/task/${pid}/children`).trim().split(/\s+/).filter(Boolean);
/** A process and all that came of it. */
export const treeOf = (pid) => [String(pid), ...childrenOf(pid).flatMap(treeOf)];
export const nameOf = (pid) => read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();

/** CPU seconds of a process, and of those children that it has waited for. */
export function cpuOf(pid) {
    const fields = read(`/proc/${pid}/stat`).replace(/^.*\) /s, '').split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks ?? 0), 0) / 100;
}
/** Megabytes: its own, and its part of what it shares. */
export const memoryOf = (pid) => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) / 1024;
export const sum = (list, of) => list.reduce((total, one) => total + of(one), 0);

/** Lines of a table: `rows` are [name, value of a column] and [] for a gap; a value that is nothing is "-". */
export function table(columns, rows) {
    const cells = rows.map(([name, show]) => (name === undefined ? [''] : [name, ...columns.map((column) => show(column) ?? '-')]));
    const lines = [['', ...columns.map(({ name }) => name)], ...cells];
    const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)));
    return lines.map((line) => line.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[0]))).join('  ').trimEnd());
}
