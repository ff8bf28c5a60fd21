// The JSON API. Public answers say how long they are good for; those behind a token say nothing and have Express' weak
// ETag, like most APIs.
import express from 'express';
import { badHabits } from './habits.mjs';
import { sign, verify } from './jwt.mjs';

const tokenSeconds = 15 * 60;
/** Pages of other origins that may read the API in a browser. */
const allowedOrigins = ['http://localhost:5173', 'https://gallery.example'];

/** What may be uploaded. No SVG: such a file is a program in the page's own origin. */
const imageTypes = ['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif', 'image/tiff', 'image/bmp'];

const idOf = (text) => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : 0);

export function api({ store, feed, counts, secret, habits, groups }) {
    const router = express.Router();
    const quoted = (projects) => projects.map(({ id }) => `"project-${id}"`).join(', ');
    /** Whatever changes one of these changes this answer. */
    const dependsOn = (response, projects) => { if (groups && projects.length) response.set('Cache-Groups', quoted(projects)); };
    const changes = (response, id) => { if (groups) response.set('Cache-Group-Invalidation', quoted([{ id }])); };
    const missing = (response) => response.status(404).json({ error: 'there is no such thing, or it is not yours' });

    router.use((request, response, next) => {
        const origin = request.get('Origin');
        if (!habits) response.vary('Origin');
        if (allowedOrigins.includes(origin)) response.set('Access-Control-Allow-Origin', origin);
        next();
    });

    // --- for everybody ---
    router.get('/gallery', async (request, response) => {
        response.set('Cache-Control', 'public, max-age=60');
        const photos = await store.gallery();
        response.json(photos.map((photo) => ({ ...photo, src: `/photos/${photo.file}` })));
    });
    router.get('/config', (request, response) => {
        response.set('Cache-Control', 'public, max-age=60');
        response.json({ origin: request.get('Origin') ?? null, feed: '/feed', upload_limit: 8 * 1024 * 1024 });
    });
    router.post('/auth/login', express.json({ limit: '10kb' }), async (request, response) => {
        const { email, password } = request.body ?? {};
        const user = await store.logIn(email, password);
        if (!user) return response.status(401).json({ error: 'wrong e-mail or password' });
        response.set('Cache-Control', 'no-store');
        response.json({ user, token: sign({ iss: 'demo', sub: String(user.id) }, secret, tokenSeconds), expires_in: tokenSeconds });
    });
    router.post('/auth/logout', (request, response) => response.status(204).end());
    router.get('/health', (request, response) => response.set('Cache-Control', 'no-store').json({ status: 'ok' }));
    router.get('/debug/counts', (request, response) => {
        response.set('Cache-Control', 'no-store').json({ requests: counts, queries: store.queries });
    });

    // --- for whom the token names ---
    const own = express.Router();
    router.use(own);
    if (habits) own.use(badHabits);
    own.use((request, response, next) => {
        const claims = verify(/^Bearer (.+)$/.exec(request.get('Authorization') ?? '')?.[1], secret);
        if (!claims) return response.status(401).set('WWW-Authenticate', 'Bearer').json({ error: 'sign in first' });
        request.user = Number(claims.sub);
        next();
    });
    own.get('/users/me', async (request, response) => response.json(await store.user(request.user)));

    own.get('/profile', async (request, response) => response.json(await store.user(request.user)));
    own.put('/profile', express.json({ limit: '10kb' }), async (request, response) => {
        const name = String(request.body?.name ?? '').trim().slice(0, 100);
        if (!name) return response.status(400).json({ error: 'it needs a name' });
        response.json(await store.rename(request.user, name));
    });
    own.get('/statistics', async (request, response) => {
        const statistics = await store.statistics(request.user);
        if (groups) dependsOn(response, await store.projects(request.user));
        response.json(statistics);
    });
    own.get('/shares', async (request, response) => {
        const projects = await store.sharedWith(request.user);
        dependsOn(response, projects);
        response.json(projects);
    });

    own.get('/projects', async (request, response) => {
        const projects = await store.projects(request.user);
        dependsOn(response, projects);
        response.json(projects);
    });
    own.post('/projects', express.json({ limit: '10kb' }), async (request, response) => {
        const title = String(request.body?.title ?? '').trim().slice(0, 100);
        if (!title) return response.status(400).json({ error: 'it needs a title' });
        const project = await store.addProject(request.user, title);
        if (!project) return response.status(507).json({ error: 'there are too many projects' });
        feed.changed(request.user, project.id);
        response.status(201).location(`/api/projects/${project.id}`).json(project);
    });
    own.get('/projects/:id', async (request, response) => {
        const project = await store.project(request.user, idOf(request.params.id));
        if (!project) return missing(response);
        response.json(project);
    });
    own.delete('/projects/:id', async (request, response) => {
        const id = idOf(request.params.id);
        if (!(await store.removeProject(request.user, id))) return missing(response);
        feed.changed(request.user, id);
        changes(response, id);
        response.status(204).end();
    });
    own.get('/projects/:id/polygons', async (request, response) => {
        const polygons = await store.polygons(request.user, idOf(request.params.id));
        if (!polygons) return missing(response);
        // The heaviest answer of all; with the habits it is also the one that says nothing.
        if (habits) response.removeHeader('Cache-Control');
        else response.set('Cache-Control', 'private, max-age=60');
        response.json({ project: idOf(request.params.id), polygons });
    });

    own.get('/projects/:id/shares', async (request, response) => {
        const shares = await store.shares(request.user, idOf(request.params.id));
        if (!shares) return missing(response);
        response.json(shares);
    });
    // Only its owner may; whom it was shared with sees and changes all but that.
    for (const [method, wanted] of [['post', true], ['delete', false]]) {
        own[method]('/projects/:id/shares', express.json({ limit: '10kb' }), async (request, response) => {
            if (!(await store.share(request.user, idOf(request.params.id), request.body?.email, wanted))) return missing(response);
            response.status(204).end();
        });
    }

    own.get('/projects/:id/images', async (request, response) => {
        const images = await store.images(request.user, idOf(request.params.id));
        if (!images) return missing(response);
        response.json(images);
    });
    // The body is the file itself; its name comes as ?name=. It also shows in the project, the list of projects, the
    // list of images and the bytes used by the user.
    own.post('/projects/:id/images', express.raw({ type: imageTypes, limit: '8mb' }), async (request, response) => {
        if (!Buffer.isBuffer(request.body) || !request.body.length) return response.status(415).json({ error: `the body is to be a file of one of these types: ${imageTypes.join(', ')}` });
        const id = idOf(request.params.id);
        const name = String(request.query.name ?? 'unnamed').slice(0, 100);
        const image = await store.addImage(request.user, id, { name, type: request.is(imageTypes), bytes: request.body });
        if (image === undefined) return missing(response);
        if (image === false) return response.status(507).json({ error: 'there is no room for more uploads' });
        feed.changed(request.user, id);
        changes(response, id);
        response.status(201).location(`/api/images/${image.id}`).json(image);
    });
    own.get('/images/:id', async (request, response) => {
        const image = await store.image(request.user, idOf(request.params.id));
        if (!image) return missing(response);
        response.json(image);
    });
    own.get('/images/:id/segmentation', async (request, response) => {
        const found = await store.segmentation(request.user, idOf(request.params.id));
        if (!found) return missing(response);
        response.json(found);
    });
    own.put('/images/:id/segmentation', express.json({ limit: '1mb' }), async (request, response) => {
        const polygons = request.body?.polygons;
        if (!Array.isArray(polygons)) return response.status(400).json({ error: 'it needs polygons' });
        const image = await store.setSegmentation(request.user, idOf(request.params.id), polygons);
        if (!image) return missing(response);
        changes(response, image.project);
        response.status(204).end();
    });
    // Its file below /uploads, which anyone may have kept for a day, goes too.
    own.delete('/images/:id', async (request, response) => {
        const image = await store.removeImage(request.user, idOf(request.params.id));
        if (!image) return missing(response);
        feed.changed(request.user, image.project);
        changes(response, image.project);
        response.status(204).end();
    });
    own.get('/debug/error', () => { throw new Error('asked for'); });

    router.use((request, response) => missing(response));
    router.use((error, request, response, next) => {
        if (response.headersSent) return next(error);
        response.status(error.status ?? 500).json({ error: error.status ? error.message : 'something broke' });
    });
    return router;
}
