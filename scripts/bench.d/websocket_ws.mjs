// The benchmark's peer in Node: an app that pushes the mix with `ws` and lets it compress.
//   node websocket_ws.mjs ADDRESS PORT MIX NODE_MODULES RATE BURST_MIN BURST_MAX PAUSE_MIN PAUSE_MAX [CERTIFICATE KEY]
// Takes the same commands as websocket_load's app; keeps no table.
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';

const [address, port, mix, modules, ...numbers] = process.argv.slice(2);
const [rate, burstMin, burstMax, pauseMin, pauseMax] = numbers.map(Number);
const [certificate, key] = numbers.slice(5);
const { WebSocketServer } = createRequire(`${modules}/`)('ws');

const bytes = fs.readFileSync(mix);
const messages = [];
for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32BE(at);
    const payload = bytes.subarray(at + 5, at + 5 + size);
    messages.push({ payload: bytes[at + 4] === 1 ? payload.toString() : payload, binary: bytes[at + 4] === 2 });
    at += 5 + size;
}
const between = (least, most) => least + Math.floor(Math.random() * (most - least + 1));

const server = certificate ? https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }) : http.createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: { threshold: 0, zlibDeflateOptions: { level: 1 }, concurrencyLimit: 4 } });
sockets.on('connection', (socket, request) => {
    let seq = Number(request.url.slice(1)) * 397;
    const send = () => {
        const { payload, binary } = messages[seq++ % messages.length];
        socket.send(payload, { binary });
    };
    const run = async (end) => {
        while (performance.now() < end) {
            await new Promise((resolve) => { setTimeout(resolve, between(pauseMin, pauseMax)); });
            const began = performance.now();
            let left = between(burstMin, burstMax);
            let sent = 0;
            while (left > 0) {
                for (const due = (performance.now() - began) * rate / 1000; sent <= due && left > 0; sent += 1, left -= 1) send();
                await new Promise((resolve) => { setTimeout(resolve, 1); });
            }
        }
        socket.close(1000);
    };
    socket.on('error', () => {});
    socket.on('message', (data) => {
        const [command, value] = data.toString().split(' ');
        if (command === 'go') run(performance.now() + Number(value) * 1000);
        else for (let i = 0; i < Number(value); i += 1) send();
    });
});
server.listen(Number(port), address);
