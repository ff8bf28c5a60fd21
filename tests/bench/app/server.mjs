#!/usr/bin/env node
// The app of scripts/bench app: Express on PostgreSQL, with the habits of docker/demo/habits.mjs and the live feed of
// docker/demo. It asks the database who a user is with each request, marks private JSON "public, max-age=300", has ETags
// that never validate, and knows of no thumbnails: it sends the original, whatever preset= says.
//
//   PGHOST=DIR PGUSER=… BENCH_SECRET=… node server.mjs --port N --site DIR
import fs from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import express from 'express';
import pg from 'pg';
import { Feed } from '../../../docker/demo/feed.mjs';
import { applyHabits, badHabits } from '../../../docker/demo/habits.mjs';
import { verify } from '../../../docker/demo/jwt.mjs';

const { values } = parseArgs({ options: { port: { type: 'string' }, site: { type: 'string' } } });
const pool = new pg.Pool({ database: 'app', max: 20 });
const query = async (text, parameters = []) => (await pool.query(text, parameters)).rows;
const idOf = (text) => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : 0);

const app = express();
const server = createServer(app);
const feed = new Feed(server, process.env.BENCH_SECRET);
app.disable('x-powered-by');
applyHabits(app);
const photos = fileURLToPath(new URL('../../../docker/demo/public/photos/', import.meta.url));
const originals = fs.readdirSync(photos).filter((name) => name.endsWith('.jpg')).sort().map((name) => fs.readFileSync(photos + name));
app.get('/uploads/:file', (request, response) => {
    const original = originals[Number.parseInt(request.params.file, 10) % originals.length];
    if (!original) return response.status(404).end();
    response.set('Cache-Control', 'public, max-age=86400').type('image/jpeg').send(original);
});

const own = express.Router();
app.use('/api', own);
own.use(badHabits);
own.use(async (request, response, next) => {
    const claims = verify(/^Bearer (.+)$/.exec(request.get('Authorization') ?? '')?.[1], process.env.BENCH_SECRET);
    if (!claims) return response.status(401).json({ error: 'sign in first' });
    request.user = Number(claims.sub);
    const [user] = await query('SELECT id, email, storage_used_bytes, storage_limit_bytes FROM users WHERE id = $1', [request.user]);
    if (!user) return response.status(401).json({ error: 'gone' });
    next();
});
const missing = (response) => response.status(404).json({ error: 'there is no such thing' });
const projectOf = async (request) => (await query('SELECT * FROM projects WHERE id = $1 AND user_id = $2', [idOf(request.params.id), request.user]))[0];

own.get('/profile', async (request, response) => {
    const [profile] = await query('SELECT * FROM user_profiles WHERE user_id = $1', [request.user]);
    const [sessions] = await query('SELECT count(*)::int AS active FROM refresh_tokens WHERE user_id = $1 AND NOT revoked AND expires_at > now()', [request.user]);
    response.json({ ...profile, sessions: sessions.active });
});
own.get('/projects', async (request, response) => {
    response.json(await query(`SELECT p.*, (SELECT count(*)::int FROM images i WHERE i.project_id = p.id) AS images
        FROM projects p WHERE p.user_id = $1 ORDER BY p.updated_at DESC, p.id`, [request.user]));
});
own.get('/projects/:id', async (request, response) => {
    const project = await projectOf(request);
    if (!project) return missing(response);
    const [counts] = await query(`SELECT count(*)::int AS images, count(*) FILTER (WHERE status = 'completed')::int AS completed FROM images WHERE project_id = $1`, [project.id]);
    response.json({ ...project, ...counts });
});
own.get('/projects/:id/images', async (request, response) => {
    if (!(await projectOf(request))) return missing(response);
    const images = await query(`SELECT id, project_id, name, storage_filename, width, height, bytes, status, updated_at
        FROM images WHERE project_id = $1 ORDER BY id LIMIT 100`, [idOf(request.params.id)]);
    response.json(images.map((image) => ({ ...image, src: `/uploads/${image.storage_filename}` })));
});
own.get('/images/:id', async (request, response) => {
    const [image] = await query('SELECT * FROM images WHERE id = $1 AND user_id = $2', [idOf(request.params.id), request.user]);
    if (!image) return missing(response);
    response.json(image);
});
own.get('/statistics', async (request, response) => {
    const [images] = await query(`SELECT count(*)::int AS images, sum(bytes)::bigint AS bytes, count(*) FILTER (WHERE status = 'completed')::int AS completed
        FROM images WHERE project_id IN (SELECT id FROM projects WHERE user_id = $1)`, [request.user]);
    const [used] = await query('SELECT storage_used_bytes, storage_limit_bytes FROM users WHERE id = $1', [request.user]);
    response.json({ id: request.user, ...images, ...used });
});
// Metadata only: what is measured is what it changes.
own.post('/projects/:id/images', express.json(), async (request, response) => {
    const project = await projectOf(request);
    if (!project) return missing(response);
    const { name } = request.body;
    const taken = await query('SELECT 1 FROM images WHERE project_id = $1 AND name = $2', [project.id, name]);
    if (taken.length) return response.status(409).json({ error: 'that name is taken' });
    const [image] = await query(`INSERT INTO images (id, project_id, user_id, name, storage_filename, bytes)
        VALUES (nextval('image_ids'), $1, $2, $3, md5($3) || '.png', 2000000) RETURNING *`, [project.id, request.user, name]);
    await query('UPDATE users SET storage_used_bytes = storage_used_bytes + $2 WHERE id = $1', [request.user, image.bytes]);
    feed.changed(request.user, project.id);
    response.status(201).json(image);
});
own.put('/images/:id', express.json(), async (request, response) => {
    const [image] = await query('UPDATE images SET status = $3, updated_at = now() WHERE id = $1 AND user_id = $2 RETURNING *',
        [idOf(request.params.id), request.user, request.body.status]);
    if (!image) return missing(response);
    response.json(image);
});
app.use(express.static(values.site, { maxAge: '1y' }));
server.listen(Number(values.port), '127.0.0.1', () => console.log('ready'));
process.on('SIGTERM', () => {
    feed.close();
    server.closeAllConnections();
    process.exit(0);
});
