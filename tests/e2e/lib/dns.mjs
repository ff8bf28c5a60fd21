// A DNS server of a test's own: A records that the test changes.
import dgram from 'node:dgram';

export class Dns {
    /** name → addresses; a name that is not here does not exist. */
    names = new Map();
    /** Seconds that an answer may be kept. */
    ttl = 1;
    asked = 0;
    /** 'answer', 'silent' or 'fail' (SERVFAIL). */
    mode = 'answer';
    #socket = dgram.createSocket('udp4');

    async listen(port) {
        this.#socket.on('message', (question, from) => {
            this.asked += 1;
            const answer = this.mode === 'silent' ? undefined : this.#answer(question);
            if (answer) this.#socket.send(answer, from.port, from.address);
        });
        await new Promise((resolve, reject) => this.#socket.once('error', reject).bind(port, '127.0.0.1', resolve));
        this.#socket.unref();
        return this;
    }
    close() { this.#socket.close(); }

    #answer(question) {
        const labels = [];
        let at = 12;
        for (; question[at]; at += question[at] + 1) labels.push(question.toString('latin1', at + 1, at + 1 + question[at]));
        const end = at + 5;
        const type = question.readUInt16BE(at + 1);
        const known = this.names.get(labels.join('.').toLowerCase());
        const addresses = type === 1 && known ? known : [];
        const head = Buffer.from(question.subarray(0, 12));
        // A response, recursion available; 2 is SERVFAIL, 3 NXDOMAIN.
        head.writeUInt16BE(0x8180 | (this.mode === 'fail' ? 2 : known ? 0 : 3), 2);
        head.writeUInt16BE(this.mode === 'fail' ? 0 : addresses.length, 6);
        head.writeUInt32BE(0, 8);
        const records = this.mode === 'fail' ? [] : addresses.map((address) => {
            const record = Buffer.alloc(16);
            record.writeUInt16BE(0xc00c, 0);
            record.writeUInt16BE(1, 2);
            record.writeUInt16BE(1, 4);
            record.writeUInt32BE(this.ttl, 6);
            record.writeUInt16BE(4, 10);
            address.split('.').forEach((part, n) => { record[12 + n] = Number(part); });
            return record;
        });
        return Buffer.concat([head, question.subarray(12, end), ...records]);
    }
}
export const startDns = (port) => new Dns().listen(port);
