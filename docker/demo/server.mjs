#!/usr/bin/env node
// A small web app as people have them, for an edge to stand in front of: a gallery, a JSON API with sign-in and uploads,
// and a live feed. It knows nothing of the edge.
//
//   node server.mjs [--port N] [--host ADDRESS] [--habits] [--groups]
//
// --habits (or DEMO_HABITS=1) gives it the habits by which a real app made itself hard to cache, see habits.mjs.
// --groups (or DEMO_GROUPS=1) has it say which projects an answer depends on, and which a write changes (RFC 9875).
// DEMO_JWT_SECRET is what tokens are signed with (default: a new one at each start), DEMO_QUERY_MS how long a query
// takes (default 2).
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import express from 'express';
import { api } from './api.mjs';
import { Counts } from './counts.mjs';
import { Feed } from './feed.mjs';
import { applyHabits } from './habits.mjs';
import { Store } from './store.mjs';

const { values } = parseArgs({ options: {
    port: { type: 'string', default: process.env.PORT ?? '3000' },
    host: { type: 'string', default: '127.0.0.1' },
    habits: { type: 'boolean', default: process.env.DEMO_HABITS === '1' },
    groups: { type: 'boolean', default: process.env.DEMO_GROUPS === '1' },
} });
const minute = 60;
const day = 24 * 60 * minute;

const counts = new Counts();
const store = new Store({ queryMs: Number(process.env.DEMO_QUERY_MS ?? 2) });
const app = express();
const server = createServer(app);
const secret = process.env.DEMO_JWT_SECRET ?? randomBytes(32).toString('base64url');
const feed = new Feed(server, secret);

app.disable('x-powered-by');
app.use(counts.middleware);
if (values.habits) applyHabits(app);
app.use('/api', api({ store, feed, counts, secret, habits: values.habits, groups: values.groups }));
app.get('/uploads/:file', async (request, response) => {
    const file = await store.file(request.params.file);
    if (!file) return response.status(404).json({ error: 'no such file' });
    response.set({ 'Cache-Control': `public, max-age=${day}`, 'X-Content-Type-Options': 'nosniff' });
    response.type(file.type).send(file.bytes);
});
app.use(express.static(fileURLToPath(new URL('public', import.meta.url)), {
    setHeaders: (response, path) => {
        const seconds = path.endsWith('.jpg') ? day : path.endsWith('.html') ? minute : 60 * minute;
        response.set('Cache-Control', `public, max-age=${seconds}`);
    },
}));
app.use((request, response) => response.status(404).type('text').send('There is nothing here.\n'));

server.on('error', (error) => {
    console.error(`demo: can't listen on ${values.host}:${values.port}: ${error.code}`);
    process.exit(1);
});
server.listen(Number(values.port), values.host, () => {
    console.log(`demo: listening on http://${values.host}:${values.port}`);
    console.log('try: /api/gallery');
});

function stop() {
    feed.close();
    server.close();
    server.closeAllConnections();
    process.exit(0);
}
process.on('SIGINT', stop);
process.on('SIGTERM', stop);
