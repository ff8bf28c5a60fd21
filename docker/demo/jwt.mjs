// JSON Web Tokens (RFC 7519), signed with HMAC SHA-256 and nothing else.
import { createHmac, timingSafeEqual } from 'node:crypto';

const header = encode({ alg: 'HS256', typ: 'JWT' });

function encode(value) {
    return Buffer.from(JSON.stringify(value)).toString('base64url');
}

const signature = (text, secret) => createHmac('sha256', secret).update(text).digest();

/** A token with these claims, valid from now on for so many seconds. */
export function sign(claims, secret, seconds) {
    const now = Math.floor(Date.now() / 1000);
    const text = `${header}.${encode({ ...claims, iat: now, exp: now + seconds })}`;
    return `${text}.${signature(text, secret).toString('base64url')}`;
}

/** Its claims; nothing if it is not ours, altered or too old. */
export function verify(token, secret) {
    const [head, body, mac, ...more] = String(token).split('.');
    if (head !== header || !body || !mac || more.length) return undefined;
    const wanted = signature(`${head}.${body}`, secret);
    const given = Buffer.from(mac, 'base64url');
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
    const claims = JSON.parse(Buffer.from(body, 'base64url'));
    return claims.exp > Date.now() / 1000 ? claims : undefined;
}
