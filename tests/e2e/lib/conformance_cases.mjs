// What a WebSocket server has to do by RFC 6455, as a table: what a client sends, and what it then gets.
//
// A case is {id, steps, events, close}:
//   steps   Buffers to be sent, numbers of events to wait for in between
//   events  what has to come, in order
//   close   undefined: nothing was wrong, the client closes; else the codes of which one has to come. What came before
//           such a Close has to be a beginning of `events`.
//   piece   octets of each write, 0 or absent: all at once
//   closes  the client's own Close is among the steps
import { randomBytes } from 'node:crypto';
import zlib from 'node:zlib';
import { deflated } from './strict_client.mjs';

/** A client's frame, right or wrong: first octet, payload. */
export function octets(first, payload = '', { masked = true, wide = 0, length = undefined } = {}) {
    const body = Buffer.from(payload);
    const size = length ?? body.length;
    const bit = masked ? 0x80 : 0;
    let head;
    if (wide === 8 || (wide === 0 && size > 65535)) {
        head = Buffer.alloc(10);
        head[1] = bit | 127;
        head.writeBigUInt64BE(BigInt(size), 2);
    } else if (wide === 2 || size > 125) {
        head = Buffer.from([0, bit | 126, size >> 8, size & 255]);
    } else {
        head = Buffer.from([0, bit | size]);
    }
    head[0] = first;
    if (!masked) return Buffer.concat([head, body]);
    const mask = randomBytes(4);
    for (let i = 0; i < body.length; i += 1) body[i] ^= mask[i & 3];
    return Buffer.concat([head, mask, body]);
}

const text = (payload) => octets(0x81, payload);
const binary = (payload) => octets(0x82, payload);
const ping = (payload = '') => octets(0x89, payload);
const pong = (payload = '') => octets(0x8a, payload);
export const closeFrame = (code, reason = '') => {
    if (code === undefined) return octets(0x88);
    return octets(0x88, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]));
};
const isText = (payload) => ['text', Buffer.from(payload)];
const isBinary = (payload) => ['binary', Buffer.from(payload)];
const isPong = (payload = '') => ['pong', Buffer.from(payload)];

/** One message in fragments of `size` octets, `between` after each but the last. */
export function fragments(opcode, payload, size, { rsv1 = false, between = [] } = {}) {
    const body = Buffer.from(payload);
    const all = [];
    for (let at = 0; at < body.length || at === 0; at += size) {
        const last = at + size >= body.length;
        all.push(octets((last ? 0x80 : 0) | (at === 0 ? opcode | (rsv1 ? 0x40 : 0) : 0), body.subarray(at, at + size)));
        if (!last) all.push(...between);
    }
    return all;
}

const kProtocol = [1002];
const kData = [1007];
const sizes = [0, 1, 125, 126, 127, 128, 65535, 65536];

function* framing() {
    for (const size of sizes) {
        const letters = '*'.repeat(size);
        const noise = randomBytes(size);
        yield { id: `1.1 text of ${size} octets`, steps: [text(letters)], events: [isText(letters)] };
        yield { id: `1.2 binary of ${size} octets`, steps: [binary(noise)], events: [isBinary(noise)] };
    }
    for (const [size, piece] of [[125, 1], [127, 1], [65535, 997], [65536, 997]]) {
        const letters = '*'.repeat(size);
        yield { id: `1.1 text of ${size} octets, ${piece} at a time`, steps: [text(letters)], events: [isText(letters)], piece };
        yield { id: `1.2 binary of ${size} octets, ${piece} at a time`, steps: [binary(letters)], events: [isBinary(letters)], piece };
    }
    for (const [what, bytes] of [
        ['16 bits for 5', octets(0x81, 'hello', { wide: 2 })], ['16 bits for 125', octets(0x82, Buffer.alloc(125), { wide: 2 })],
        ['64 bits for 5', octets(0x81, 'hello', { wide: 8 })], ['64 bits for 65535', octets(0x82, Buffer.alloc(65535), { wide: 8 })],
        ['64 bits for a ping of 5', octets(0x89, 'hello', { wide: 8 })],
        ['the highest bit of 64', Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])],
    ]) yield { id: `1.3 length in ${what}`, steps: [bytes], events: [], close: kProtocol };
    for (const [what, first] of [['text', 0x81], ['binary', 0x82], ['ping', 0x89], ['Close', 0x88]]) {
        yield { id: `1.4 unmasked ${what}`, steps: [octets(first, first === 0x88 ? Buffer.from([3, 232]) : 'x', { masked: false })], events: [], close: kProtocol };
    }
    const many = Array.from({ length: 300 }, (_, i) => String(i));
    yield { id: '1.5 300 messages in one write', steps: [Buffer.concat(many.map(text))], events: many.map(isText) };
    yield { id: '1.5 300 messages, 7 octets at a time', steps: [Buffer.concat(many.map(text))], events: many.map(isText), piece: 7 };
}

function* pings() {
    const noise = Buffer.from([0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]);
    yield { id: '2.1 ping without payload', steps: [ping()], events: [isPong()] };
    yield { id: '2.2 ping', steps: [ping('Hello, world!')], events: [isPong('Hello, world!')] };
    yield { id: '2.3 ping of binary', steps: [ping(noise)], events: [isPong(noise)] };
    yield { id: '2.4 ping of 125', steps: [ping(Buffer.alloc(125, 0xfe))], events: [isPong(Buffer.alloc(125, 0xfe))] };
    yield { id: '2.5 ping of 126', steps: [ping(Buffer.alloc(126, 0xfe))], events: [], close: kProtocol };
    yield { id: '2.6 ping of 125, octet by octet', steps: [ping(Buffer.alloc(125, 0xfe))], events: [isPong(Buffer.alloc(125, 0xfe))], piece: 1 };
    yield { id: '2.7 pong nobody asked for', steps: [pong()], events: [] };
    yield { id: '2.8 pong with payload nobody asked for', steps: [pong('unsolicited')], events: [] };
    yield { id: '2.9 pong, then ping', steps: [pong('unsolicited'), ping('p')], events: [isPong('p')] };
    const ten = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
    yield { id: '2.10 ten pings', steps: [Buffer.concat(ten.map(ping))], events: ten.map(isPong) };
    yield { id: '2.11 ten pings, octet by octet', steps: [Buffer.concat(ten.map(ping))], events: ten.map(isPong), piece: 1 };
    yield { id: '2.12 pong of 126', steps: [pong(Buffer.alloc(126))], events: [], close: kProtocol };
    for (const [name, first] of [['ping', 0x09], ['pong', 0x0a], ['Close', 0x08]])
        yield { id: `2.13 fragmented ${name}`, steps: [octets(first, ''), octets(0x80, '')], events: [], close: kProtocol };
    yield { id: '2.14 pings between messages', steps: [text('a'), ping('1'), binary('b'), ping('2')], events: [isText('a'), isPong('1'), isBinary('b'), isPong('2')], anyOrder: true };
}

function* reserved() {
    for (let rsv = 1; rsv < 8; rsv += 1) {
        const bits = rsv << 4;
        for (const [what, first] of [['text', 0x81], ['binary', 0x82], ['ping', 0x89], ['pong', 0x8a], ['Close', 0x88]]) {
            // RSV1 of data is right where permessage-deflate was agreed on; the compressed cases see to that.
            if (bits === 0x40 && first < 0x88) continue;
            yield { id: `3 ${what} with reserved bits ${rsv}`, steps: [octets(first | bits, '')], events: [], close: kProtocol };
        }
        if (bits === 0x40) continue;
        yield { id: `3 reserved bits ${rsv} after a message`, steps: [text('hello'), 1, octets(0x81 | bits, 'hello'), ping()], events: [isText('hello')], close: kProtocol, all: true };
        yield { id: `3 reserved bits ${rsv} after a message, octet by octet`, steps: [text('hello'), 1, octets(0x81 | bits, 'hello'), ping()], events: [isText('hello')], close: kProtocol, all: true, piece: 1 };
    }
    yield { id: '3 RSV1 of a continuation', steps: [octets(0x01, 'a'), octets(0xc0, 'b')], events: [], close: kProtocol };
}

function* opcodes() {
    for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
        yield { id: `4.1 opcode ${opcode} without payload`, steps: [octets(0x80 | opcode)], events: [], close: kProtocol };
        yield { id: `4.2 opcode ${opcode} with payload`, steps: [octets(0x80 | opcode, 'reserved')], events: [], close: kProtocol };
        yield { id: `4.3 opcode ${opcode} after a message`, steps: [text('hello'), 1, octets(0x80 | opcode, 'x'), ping()], events: [isText('hello')], close: kProtocol, all: true };
        yield { id: `4.4 opcode ${opcode} within a message`, steps: [octets(0x01, 'a'), octets(0x80 | opcode, 'x'), octets(0x80, 'b')], events: [], close: kProtocol };
    }
}

function* fragmentation() {
    for (const piece of [0, 1]) {
        const slow = piece === 0 ? '' : ', octet by octet';
        yield { id: `5.3 text in two${slow}`, steps: [octets(0x01, 'one'), octets(0x80, 'two')], events: [isText('onetwo')], piece };
        yield { id: `5.4 binary in two${slow}`, steps: [octets(0x02, 'one'), octets(0x80, 'two')], events: [isBinary('onetwo')], piece };
        yield { id: `5.6 a ping between${slow}`, steps: [octets(0x01, 'one'), ping('p'), octets(0x80, 'two')], events: [isPong('p'), isText('onetwo')], piece };
        yield { id: `5.9 a continuation of nothing${slow}`, steps: [octets(0x80, 'x'), text('hello')], events: [], close: kProtocol, piece };
        yield { id: `5.10 a first fragment that continues${slow}`, steps: [octets(0x00, 'x'), octets(0x80, 'y')], events: [], close: kProtocol, piece };
        yield { id: `5.15 a continuation after a message${slow}`, steps: [octets(0x01, 'a'), octets(0x80, 'b'), 1, octets(0x00, 'c'), text('d')], events: [isText('ab')], close: kProtocol, all: true, piece };
        yield { id: `5.16 a text within a text${slow}`, steps: [octets(0x01, 'a'), octets(0x81, 'b')], events: [], close: kProtocol, piece };
        yield { id: `5.17 a binary within a text${slow}`, steps: [octets(0x01, 'a'), octets(0x02, 'b')], events: [], close: kProtocol, piece };
        yield { id: `5.19 pings between fragments, twice${slow}`, piece,
            steps: [octets(0x01, 'f1'), octets(0x00, 'f2'), ping('p1'), 1, octets(0x00, 'f3'), octets(0x00, 'f4'), ping('p2'), octets(0x80, 'f5')],
            events: [isPong('p1'), isPong('p2'), isText('f1f2f3f4f5')] };
        yield { id: `5.20 a message, and another${slow}`, piece,
            steps: [...fragments(1, 'abc', 1), 1, ...fragments(2, 'def', 2)], events: [isText('abc'), isBinary('def')] };
    }
    yield { id: '5.21 empty fragments', steps: [octets(0x01), octets(0x00), octets(0x80)], events: [isText('')] };
    yield { id: '5.22 empty but one', steps: [octets(0x01), octets(0x00, 'middle'), octets(0x80)], events: [isText('middle')] };
    yield { id: '5.23 a pong between', steps: [octets(0x01, 'a'), pong('x'), octets(0x80, 'b')], events: [isText('ab')] };
    const long = 'Long enough to be cut. '.repeat(300);
    for (const size of [1, 7, 125, 126, 1000]) {
        yield { id: `5.24 fragments of ${size}`, steps: fragments(1, long, size), events: [isText(long)] };
        yield { id: `5.25 fragments of ${size}, pings between`, steps: [Buffer.concat(fragments(2, long, Math.max(size, 200), { between: [ping('?')] }))],
            events: [...Array(Math.ceil(long.length / Math.max(size, 200)) - 1).fill(isPong('?')), isBinary(long)] };
    }
}

// --- 6: UTF-8 ---

const hex = (digits) => Buffer.from(digits.replaceAll(' ', ''), 'hex');
const planes = Array.from({ length: 17 }, (_, plane) => [0xfffe, 0xffff].map((low) => plane * 0x10000 + low)).flat();
const valid = [
    ['Greek and accents', Buffer.from('Hello-µ@ßöäüàá-UTF-8!! κόσμε')], ['many scripts', Buffer.from('日本語 עברית العربية हिन्दी 한국어 русский 👩‍🔬𝔘')],
    ...[0, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff, 0xe000, 0xfffd, 0x10000, 0x3ffff, 0x40000, 0xfffff, 0x100000, 0x10ffff, ...planes]
        .map((point) => [`U+${point.toString(16)}`, Buffer.from(String.fromCodePoint(point))]),
];
const invalid = [
    ['above U+10FFFF', 'f4908080'], ['five octets', 'f888808080'], ['six octets', 'fc8480808080'], ['U+1FFFFF', 'f7bfbfbf'],
    ['a lone continuation', '80'], ['a lone bf', 'bf'], ['two continuations', '80bf'], ['six continuations', '80bf80bf80bf'],
    ...['c0', 'c1', 'f5', 'f6', 'f8', 'fa', 'fc', 'fd', 'fe', 'ff'].map((octet) => [`octet ${octet}`, `${octet}41`]),
    ['c2 without its rest', 'c220'], ['e0 without its rest', 'e0a020'], ['ef without its rest', 'efbf20'], ['f0 without its rest', 'f0908020'], ['f4 without its rest', 'f48fbf20'],
    ...['c080', 'c0af', 'c1bf', 'e08080', 'e080af', 'e09fbf', 'f0808080', 'f08080af', 'f08fbfbf', 'f8808080af', 'fc80808080af'].map((form) => [`overlong ${form}`, form]),
    ...['eda080', 'edadbf', 'edae80', 'edafbf', 'edb080', 'edbe80', 'edbfbf', 'eda080edb080', 'edafbfedbfbf'].map((form) => [`surrogates ${form}`, form]),
    ['a good beginning', 'cebae1bdb9cf83cebcceb5eda080656469746564'],
].map(([what, digits]) => [what, hex(digits)]);
const cutOff = ['ce', 'e0a0', 'e18080ed9f', 'f09080', 'f48fbf', '61c3'].map((digits) => [digits, hex(digits)]);

function* utf8() {
    for (const [what, bytes] of valid) {
        yield { id: `6 ${what}`, steps: [text(bytes)], events: [isText(bytes)], data: bytes };
        yield { id: `6 ${what}, a fragment an octet`, steps: fragments(1, bytes, 1), events: [isText(bytes)] };
    }
    for (const [what, bytes] of [valid[0], valid[1]]) yield { id: `6 ${what}, octet by octet`, steps: [text(bytes)], events: [isText(bytes)], piece: 1 };
    for (const [what, bytes] of invalid) {
        yield { id: `6 ${what}`, steps: [text(bytes)], events: [], close: kData, data: bytes };
        yield { id: `6 ${what}, a fragment an octet`, steps: fragments(1, bytes, 1), events: [], close: kData };
        // The rest never comes: it has to be told by what is there.
        yield { id: `6 ${what}, told before the frame ends`, steps: [octets(0x81, bytes, { length: bytes.length + 70000, wide: 8 })], events: [], close: kData };
        yield { id: `6 ${what}, told before the message ends`, steps: [octets(0x01, 'good'), octets(0x00, bytes)], events: [], close: kData };
    }
    for (const [what, bytes] of cutOff) {
        yield { id: `6 ends within ${what}`, steps: [text(bytes)], events: [], close: kData, data: bytes };
        yield { id: `6 ends within ${what}, in fragments`, steps: [octets(0x01, bytes), octets(0x80, '')], events: [], close: kData };
    }
    for (const [what, bytes] of invalid.slice(0, 8)) yield { id: `6 ${what} in a binary`, steps: [binary(bytes)], events: [isBinary(bytes)] };
}

// --- 7: closing ---

function* closing() {
    const by = (id, steps, close, more = {}) => ({ id: `7 ${id}`, steps, events: [], closes: true, close, ...more });
    yield by('without code', [closeFrame()], [1005, 1000]);
    yield by('after a message', [text('last'), 1, closeFrame(1000)], [1000], { events: [isText('last')], all: true });
    yield by('twice', [closeFrame(1000), closeFrame(1000)], [1000]);
    yield by('and a ping after it', [Buffer.concat([closeFrame(1000), ping()])], [1000]);
    yield by('and a message after it', [Buffer.concat([closeFrame(1000), text('late')])], [1000]);
    yield by('and a fragment after it', [Buffer.concat([octets(0x01, 'begun'), closeFrame(1000), octets(0x80, 'late')])], [1000]);
    yield by('and much after it', [Buffer.concat([closeFrame(1000), binary(Buffer.alloc(256 * 1024))])], [1000]);
    yield by('octet by octet', [closeFrame(1000, 'slowly')], [1000], { piece: 1 });
    for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
        yield by(`code ${code}`, [closeFrame(code)], [code]);
    for (const length of [1, 5, 122, 123]) yield by(`reason of ${length}`, [closeFrame(1000, '*'.repeat(length))], [1000], { reason: '*'.repeat(length) });
    yield by('reason that is not ASCII', [closeFrame(4001, 'größer – κόσμε')], [4001], { reason: 'größer – κόσμε' });
    for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
        yield by(`invalid code ${code}`, [closeFrame(code, '')], kProtocol);
    yield by('one octet', [octets(0x88, 'x')], kProtocol);
    yield by('reason of 124', [closeFrame(1000, '*'.repeat(124))], kProtocol);
    yield by('reason that is not UTF-8', [closeFrame(1000, hex('cebae1bdb9cf83cebcceb5eda080'))], kData);
    yield by('reason that ends within a character', [closeFrame(1000, hex('61c3'))], kData);
}

// --- 9: limits ---

function* limits(full) {
    const most = full ? 1 << 24 : 1 << 22;
    for (let size = 1 << 16; size <= most; size *= 4) {
        const letters = Buffer.alloc(size, 'ASCII and é. ');
        letters[size - 1] = 0x2e;
        if (letters[size - 2] === 0xc3) letters[size - 2] = 0x2e;
        const noise = randomBytes(size);
        yield { id: `9.1 text of ${size}`, steps: [text(letters)], events: [isText(letters)], large: true };
        yield { id: `9.2 binary of ${size}`, steps: [binary(noise)], events: [isBinary(noise)], large: true };
        if (size > 1 << 20 && !full) continue;
        for (const part of [64, 256, 1024, 4096, 16384, 65536, 65537, 262144]) {
            if (size / part > 20000) continue;
            yield { id: `9.3 text of ${size} in fragments of ${part}`, steps: [Buffer.concat(fragments(1, letters, part))], events: [isText(letters)], large: true };
            yield { id: `9.4 binary of ${size} in fragments of ${part}`, steps: [Buffer.concat(fragments(2, noise, part))], events: [isBinary(noise)], large: true };
        }
        for (const piece of [64, 256, 2048, 16384]) {
            if (size / piece > 20000) continue;
            yield { id: `9.5 text of ${size}, ${piece} octets at a time`, steps: [text(letters)], events: [isText(letters)], piece, large: true };
        }
    }
    for (const size of [0, 16, 64, 256, 1024]) {
        const payload = Buffer.alloc(size, 'x');
        yield { id: `9.7 500 texts of ${size}`, steps: [Buffer.concat(Array(500).fill(text(payload)))], events: Array(500).fill(isText(payload)), large: true };
    }
    if (!full) return;
    const whole = Buffer.alloc(1 << 24, 'y');
    const over = Buffer.alloc(1, 'z');
    yield { id: '9.9 one octet over 16 MB', steps: [octets(0x82, Buffer.concat([whole, over]))], events: [], close: [1009], large: true, limit: true };
    yield { id: '9.9 one octet over 16 MB, in fragments', steps: [octets(0x02, whole), octets(0x80, over)], events: [], close: [1009], large: true, limit: true };
}

// --- 12: compressed by the client, without context; only where permessage-deflate was agreed on ---

const packed = (first, payload) => octets(first | 0x40, payload);
/** With BFINAL set, and then the octet that RFC 7692 section 7.2.3.4 adds. */
const finalBlock = (payload) => Buffer.concat([zlib.deflateRawSync(payload), Buffer.from([0])]);
/** Text that is not suspiciously compressible. */
const lettersOf = (size) => Buffer.from(Array.from({ length: Math.ceil(size / 8) }, (_, i) => `${(i * 7919) % 9973}, `.padEnd(8, 'x')).join('').slice(0, size));

function* compressed() {
    for (const size of [0, 1, 125, 126, 1000, 65535, 65536, 300000]) {
        const letters = lettersOf(size);
        const noise = randomBytes(size);
        yield { id: `12 text of ${size}`, steps: [packed(0x81, deflated(letters))], events: [isText(letters)] };
        yield { id: `12 binary of ${size}`, steps: [packed(0x82, deflated(noise))], events: [isBinary(noise)] };
        if (size < 1000) yield { id: `12 text of ${size}, octet by octet`, steps: [packed(0x81, deflated(letters))], events: [isText(letters)], piece: 1 };
        for (const part of [1, 256]) {
            if (size / part > 2000) continue;
            yield { id: `12 text of ${size} in fragments of ${part}`, steps: [Buffer.concat(fragments(1, deflated(letters), part, { rsv1: true }))], events: [isText(letters)] };
        }
    }
    const words = 'Stored, compressed, stored again: '.repeat(20);
    yield { id: '12 compressed and not, by turns', steps: [packed(0x81, deflated(words)), text(words), packed(0x82, deflated(words)), binary(words)],
        events: [isText(words), isText(words), isBinary(words), isBinary(words)] };
    yield { id: '12 stored blocks', steps: [packed(0x81, deflated(words, { level: 0 }))], events: [isText(words)] };
    yield { id: '12 fixed codes', steps: [packed(0x81, deflated(words, { strategy: 4 }))], events: [isText(words)] };
    yield { id: '12 an empty message of one octet', steps: [packed(0x81, Buffer.from([0]))], events: [isText('')] };
    yield { id: '12 pings between compressed fragments', steps: fragments(1, deflated(words), 20, { rsv1: true, between: [ping('p')] }),
        events: [...Array(Math.ceil(deflated(words).length / 20) - 1).fill(isPong('p')), isText(words)] };
    yield { id: '12 RSV1 of a later fragment', steps: [octets(0x41, deflated(words)), octets(0xc0, 'x')], events: [], close: kProtocol };
    yield { id: '12 RSV1 of a ping within', steps: [octets(0x41, deflated(words)), octets(0xc9, 'x')], events: [], close: kProtocol };
    for (const [what, bytes] of [['a reserved block type', hex('07ff')], ['a length and its complement', hex('0001000100')], ['a distance too far back', hex('4bcc01020304050607')]])
        yield { id: `12 damaged: ${what}`, steps: [packed(0x82, bytes)], events: [], close: kData, damaged: true };
    for (const [what, bytes] of [...invalid, ...cutOff.map(([digits, octet]) => [`ends within ${digits}`, octet])])
        yield { id: `12 UTF-8: ${what}`, steps: [packed(0x81, deflated(bytes))], events: [], close: kData };
    for (const [what, bytes] of valid.slice(0, 12)) yield { id: `12 UTF-8: ${what}`, steps: [packed(0x81, deflated(bytes))], events: [isText(bytes)] };
    yield { id: '12 a final block', steps: [packed(0x81, finalBlock(words)), packed(0x81, deflated(words))], events: [isText(words), isText(words)], final: true };
}

/** Every case but the compressed ones, by chapter: [name, cases]. */
export const chapters = (full) => [
    ['1 framing', [...framing()]], ['2 pings and pongs', [...pings()]], ['3 reserved bits', [...reserved()]], ['4 opcodes', [...opcodes()]],
    ['5 fragmentation', [...fragmentation()]], ['6 UTF-8', [...utf8()]], ['7 closing', [...closing()]], ['9 limits', [...limits(full)]],
];
export const compressedCases = () => [...compressed()];
