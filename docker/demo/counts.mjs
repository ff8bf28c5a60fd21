/** Counts the requests that reach the app, so that anybody can see which did not have to. */
export class Counts {
    #requests = new Map();

    /** Express middleware. What is read here itself is not counted. */
    middleware = (request, response, next) => {
        if (request.path !== '/api/debug/counts') this.#add(`${request.method} ${request.path}`);
        next();
    };

    /** {"GET /api/gallery": 3, ...} */
    toJSON() {
        return Object.fromEntries(this.#requests);
    }

    #add(what) {
        // Whoever asks for ever new paths gets one line.
        const key = this.#requests.size < 1000 || this.#requests.has(what) ? what : 'other';
        this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    }
}
