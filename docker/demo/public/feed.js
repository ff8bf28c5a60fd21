/* global io */
const $ = (id) => document.getElementById(id);
const socket = io();
const jobs = new Map();
let received = 0;
let missed = 0;
let last;
let rate = 0;

function take({ seq }) {
    received += 1;
    rate += 1;
    if (last !== undefined && seq !== last + 1) missed += 1;
    last = seq;
}

socket.on('connect', () => { last = undefined; });
socket.on('progress', (event) => {
    take(event);
    jobs.set(event.job, event);
});
socket.on('polygons', (event) => {
    take(event);
    $('outlines').textContent = `${event.polygons.length} in job ${event.job}`;
});

function row(event) {
    const made = document.createElement('tr');
    for (const text of [event.job, event.stage]) made.insertCell().textContent = text;
    made.insertCell().append(Object.assign(document.createElement('progress'), { max: 100, value: event.percent }));
    return made;
}
setInterval(() => {
    $('jobs').replaceChildren(...[...jobs.values()].sort((a, b) => a.job - b.job).map(row));
}, 200);
setInterval(() => {
    $('state').textContent = socket.connected
        ? `${socket.io.engine.transport.name}: ${rate} messages a second, ${received} in all, ${missed} out of order`
        : 'not connected';
    rate = 0;
}, 1000);
