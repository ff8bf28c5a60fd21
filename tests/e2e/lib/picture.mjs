// What kind of picture some bytes are, and its size: read from the bytes themselves.

/** 'webp', 'avif', 'jpeg', 'png', 'tiff' or 'other'. */
export function kind(bytes) {
    if (bytes.toString('latin1', 8, 12) === 'WEBP') return 'webp';
    if (bytes.toString('latin1', 4, 8) === 'ftyp') return 'avif';
    if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'jpeg';
    if (bytes.toString('latin1', 1, 4) === 'PNG') return 'png';
    return /^(II\*\0|MM\0\*)$/.test(bytes.toString('latin1', 0, 4)) ? 'tiff' : 'other';
}

function webpSize(bytes) {
    const chunk = bytes.toString('latin1', 12, 16);
    if (chunk === 'VP8 ') return [bytes.readUInt16LE(26) & 0x3fff, bytes.readUInt16LE(28) & 0x3fff];
    if (chunk === 'VP8X') return [1 + bytes.readUIntLE(24, 3), 1 + bytes.readUIntLE(27, 3)];
    const bits = bytes.readUInt32LE(21);
    return [1 + (bits & 0x3fff), 1 + ((bits >> 14) & 0x3fff)];
}

function jpegSize(bytes) {
    for (let at = 2; at + 9 < bytes.length; at += 2 + bytes.readUInt16BE(at + 2)) {
        const marker = bytes[at + 1];
        if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)];
    }
    return [0, 0];
}

/** "webp 150x150"; of what has no size here the kind alone. */
export function shape(bytes) {
    const is = kind(bytes);
    const ispe = bytes.indexOf('ispe');
    const size = {
        webp: () => webpSize(bytes),
        jpeg: () => jpegSize(bytes),
        png: () => [bytes.readUInt32BE(16), bytes.readUInt32BE(20)],
        avif: () => (ispe < 0 ? [0, 0] : [bytes.readUInt32BE(ispe + 8), bytes.readUInt32BE(ispe + 12)]),
    }[is];
    return size ? `${is} ${size().join('x')}` : is;
}
