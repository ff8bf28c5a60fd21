// The live feed: progress of jobs that are always under way, in bursts of hundreds of small messages a second, now and
// then with outlines that were found (a few kilobytes). The same messages reach socket.io clients (event "progress" or
// "polygons") and plain WebSockets at /feed (JSON with that name as "type"). "seq" counts all messages without a gap.
import { Server } from 'socket.io';
import { WebSocketServer } from 'ws';
import { verify } from './jwt.mjs';
import { makePolygons } from './store.mjs';

const tickMs = 20;
/** A client that reads this many bytes too slowly is cut off. */
const maxBehind = 8 * 1024 * 1024;

const stages = ['queued', 'decoding', 'segmenting', 'tracing outlines', 'measuring', 'writing results'];
const between = (least, most) => least + Math.floor(Math.random() * (most - least + 1));

export class Feed {
    #io;
    #sockets = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 });
    #seq = 0;
    #bursting = false;
    #phaseEnds = 0;
    #timer = setInterval(() => this.#tick(), tickMs);

    /** Takes the WebSocket connections of this HTTP server; secret is what tokens are signed with. */
    constructor(server, secret) {
        this.#io = new Server(server);
        this.#io.on('connection', (socket) => {
            // Who shows a token hears of their own projects too.
            const claims = verify(socket.handshake.auth.token, secret);
            if (claims) socket.join(`user:${claims.sub}`);
        });
        server.on('upgrade', (request, socket, head) => {
            if (request.url.split('?')[0] !== '/feed') return;
            this.#sockets.handleUpgrade(request, socket, head, (client) => client.on('error', () => client.terminate()));
        });
    }

    /** Tells a user's pages that something in one of their projects is new. */
    changed(user, project) {
        this.#io.to(`user:${user}`).emit('changed', { project });
    }

    close() {
        clearInterval(this.#timer);
        this.#io.disconnectSockets(true);
        for (const client of this.#sockets.clients) client.terminate();
    }

    #tick() {
        if (this.#io.engine.clientsCount === 0 && this.#sockets.clients.size === 0) return;
        if (Date.now() > this.#phaseEnds) {
            this.#bursting = !this.#bursting;
            this.#phaseEnds = Date.now() + (this.#bursting ? between(500, 1200) : between(300, 900));
        }
        if (!this.#bursting) {
            if (Math.random() < 0.1) this.#send('progress', this.#progress());
            return;
        }
        for (let n = between(4, 12); n > 0; n -= 1) {
            if (Math.random() < 0.015) this.#send('polygons', this.#found());
            else this.#send('progress', this.#progress());
        }
    }

    /** 80 to 400 bytes as JSON. */
    #progress() {
        const job = between(1, 8);
        const stage = between(0, stages.length - 1);
        const event = { seq: this.#seq, job, stage: stages[stage], percent: between(0, 100), at: Date.now() };
        if (Math.random() < 0.5) event.image = { name: `field-${between(1, 40)}-${between(100, 999)}.tif`, width: 1388, height: 1040, queue: between(0, 30) };
        if (Math.random() < 0.2) event.message = `${stages[stage]} in tile ${between(1, 64)} of 64; ${between(2, 90)} objects so far, none of them across its edge`;
        return event;
    }

    /** 4 to 20 kB as JSON. */
    #found() {
        return { seq: this.#seq, job: between(1, 8), polygons: makePolygons(this.#seq, between(12, 50), 24) };
    }

    #send(type, event) {
        this.#seq += 1;
        this.#io.emit(type, event);
        if (this.#sockets.clients.size === 0) return;
        const text = JSON.stringify({ type, ...event });
        for (const client of this.#sockets.clients) {
            if (client.bufferedAmount > maxBehind) client.terminate();
            else client.send(text);
        }
    }
}
