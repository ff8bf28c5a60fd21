// Pictures by sharp behind Express, as an app would make them itself: sharp.mjs PORT DIRECTORY
// GET /NAME?w=&h=&fit=&fm=webp|avif|jpeg&q=&effort=
import express from 'express';
import pLimit from 'p-limit';
import path from 'node:path';
import sharp from 'sharp';

const [port, directory] = process.argv.slice(2);
const limit = pLimit(4);
const number = (text) => (text === undefined ? undefined : Number(text));
const app = express();
app.disable('x-powered-by');
app.get('/:name', async (request, response) => {
    const { w, h, fit, fm, q, effort } = request.query;
    const options = { quality: Number(q) };
    if (fm === 'jpeg') options.progressive = true;
    if (effort !== undefined) options.effort = Number(effort);
    const bytes = await limit(() => sharp(path.join(directory, path.basename(request.params.name)))
        .rotate()
        .resize({ width: number(w), height: number(h), fit, withoutEnlargement: true })
        .toFormat(fm, options)
        .toBuffer());
    response.type(`image/${fm}`).send(bytes);
});
app.listen(Number(port), '127.0.0.1');
