// What was seen in a real app, and makes a cache in front of it either useless or dangerous. Off by default.

/** For the whole app: an ETag that is another one each time, so that it never validates. */
export function applyHabits(app) {
    let serial = 0;
    const started = Date.now().toString(36);
    app.set('etag', () => `W/"${started}-${(serial += 1)}"`);
}

/** For the API: anything that needs a token is said to be public, errors too; and CORS without Vary: Origin. */
export function badHabits(request, response, next) {
    if (request.method === 'GET') {
        response.set('Cache-Control', 'public, max-age=300');
        response.set('Vary', 'Accept-Encoding, Authorization');
    }
    next();
}
