// The pages of scripts/bench app that watch the live feed, with the socket.io client and transport that browsers have.
import { setTimeout as sleep } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { sign } from '../../../docker/demo/jwt.mjs';

/** Connects so many users' pages; end() says what they got since: {messages, bytes, content, missing}. Bytes are those of
 *  the TCP streams, content is what the messages say; missing are events whose number was left out or came out of order. */
export async function watchFeed({ port, secret, clients }) {
    const counts = { messages: 0, content: 0, missing: 0 };
    let counting = false;
    const pages = await Promise.all(Array.from({ length: clients }, async (_, n) => {
        const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true, reconnection: false,
            auth: { token: sign({ iss: 'bench', sub: String(n + 1) }, secret, 900) } });
        await new Promise((resolve, reject) => { socket.on('connect', resolve).on('connect_error', reject); });
        let last;
        const got = ({ seq }) => {
            if (last !== undefined && seq !== last + 1) counts.missing += 1;
            last = seq;
            if (counting) counts.messages += 1;
        };
        socket.on('progress', got).on('polygons', got);
        socket.io.engine.on('packet', ({ data }) => { if (counting) counts.content += 1 + (data ? Buffer.byteLength(data) : 0); });
        const { _socket: stream } = socket.io.engine.transport.ws;
        return { socket, stream, before: 0 };
    }));
    await sleep(100);
    for (const page of pages) page.before = page.stream.bytesRead;
    counting = true;
    return {
        end() {
            const bytes = pages.reduce((sum, { stream, before }) => sum + stream.bytesRead - before, 0);
            const cut = pages.filter(({ socket }) => !socket.connected).length;
            for (const { socket } of pages) socket.disconnect();
            return { messages: counts.messages, content: counts.content, missing: counts.missing + cut, bytes };
        },
    };
}
