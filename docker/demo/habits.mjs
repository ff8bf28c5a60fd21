// What was seen in a real app, and makes a cache in front of it either useless or dangerous. Off by default.
//
// - Private JSON is "public, max-age=300" with "Vary: Accept-Encoding, Authorization", and so are 401, 404 and 500.
// - ETags that never validate.
// - No "Vary: Origin" although Access-Control-Allow-Origin depends on it, and the body of /api/config (api.mjs).
// - The heaviest answer, /api/projects/:id/polygons, is the only one that says nothing of caching (api.mjs).

/** For the whole app: an ETag that is another one each time, so that it never validates. */
export function applyHabits(app) {
    let serial = 0;
    const started = Date.now().toString(36);
    app.set('etag', () => `W/"${started}-${(serial += 1)}"`);
}

/** For what needs a token. */
export function badHabits(request, response, next) {
    if (request.method === 'GET') {
        response.set('Cache-Control', 'public, max-age=300');
        response.set('Vary', 'Accept-Encoding, Authorization');
    }
    next();
}
