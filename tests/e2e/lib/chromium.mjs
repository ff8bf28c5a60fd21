// A headless Chromium, spoken to by the DevTools protocol over two pipes, so that it takes no port.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { until } from './e2e.mjs';

const flags = ['--headless=new', '--remote-debugging-pipe', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];

/** A browser; close() ends it. */
export class Chromium {
    #child;
    #serial = 0;
    #waiting = new Map();
    #listeners = new Map();
    #ended;

    static async start() {
        const browser = new Chromium();
        await browser.send('Browser.getVersion');
        return browser;
    }

    constructor() {
        const dir = process.env.EDGE_DIR;
        const log = fs.openSync(path.join(dir, 'chromium.log'), 'a');
        // Its own sandbox does not work for root.
        const args = [...flags, `--user-data-dir=${path.join(dir, 'chromium')}`, ...(process.getuid() === 0 ? ['--no-sandbox'] : [])];
        // What it keeps in a home directory goes too.
        this.#child = spawn('chromium', args, { stdio: ['ignore', log, log, 'pipe', 'pipe'], env: { ...process.env, HOME: dir } });
        fs.closeSync(log);
        this.#ended = new Promise((resolve) => {
            this.#child.once('error', resolve);
            this.#child.once('exit', resolve);
        });
        this.#ended.then((why) => {
            for (const { reject } of this.#waiting.values()) reject(new Error(`chromium ended: ${why}; see scripts/setup e2e`));
        });
        this.#child.stdio[3].on('error', () => {});
        let rest = '';
        this.#child.stdio[4].setEncoding('utf8').on('data', (data) => {
            const messages = (rest + data).split('\0');
            rest = messages.pop();
            for (const message of messages) this.#take(JSON.parse(message));
        });
    }

    #take({ id, error, result, method, params, sessionId }) {
        if (id === undefined) {
            this.#listeners.get(sessionId)?.(method, params);
            return;
        }
        const { resolve, reject } = this.#waiting.get(id);
        this.#waiting.delete(id);
        if (error) reject(new Error(error.message));
        else resolve(result);
    }

    send(method, params = {}, sessionId = undefined) {
        const id = (this.#serial += 1);
        return new Promise((resolve, reject) => {
            this.#waiting.set(id, { resolve, reject });
            this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
        });
    }

    /** A page of a visitor who has never been here: nothing is in the browser's own cache. */
    async newVisitor() {
        const { browserContextId } = await this.send('Target.createBrowserContext');
        const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', browserContextId });
        const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
        const page = new Page((method, params) => this.send(method, params, sessionId));
        this.#listeners.set(sessionId, (method, params) => page.take(method, params));
        for (const domain of ['Page', 'Runtime', 'Network', 'DOM']) await page.send(`${domain}.enable`);
        return page;
    }

    async close() {
        await this.send('Browser.close').catch(() => {});
        const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
        await this.#ended;
        clearTimeout(timer);
    }
}

class Page {
    /** Answers as they came: {path, status, headers (names in lower case)}. */
    responses = [];
    /** What scripts threw. */
    errors = [];
    #loaded = false;

    constructor(send) {
        this.send = send;
    }

    take(method, params) {
        if (method === 'Page.loadEventFired') this.#loaded = true;
        if (method === 'Runtime.exceptionThrown') this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
        if (method !== 'Network.responseReceived') return;
        const { url, status, headers } = params.response;
        if (!url.startsWith('http')) return;
        const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
        this.responses.push({ path: new URL(url).pathname, status, headers: lower });
    }

    async goto(url) {
        this.#loaded = false;
        const { errorText } = await this.send('Page.navigate', { url });
        if (errorText) throw new Error(`${url}: ${errorText}`);
        await until(() => this.#loaded, `${url} is loaded`, 60);
    }

    /** The value of an expression, which may be a promise. */
    async evaluate(expression) {
        const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
        if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
        return result.value;
    }

    /** Until the expression is true. */
    waitFor(expression, seconds = 30) {
        return until(() => this.evaluate(expression), `in the page: ${expression}`, seconds);
    }

    /** Chooses a file as a person does with this <input type=file>. */
    async chooseFile(selector, file) {
        const { result } = await this.send('Runtime.evaluate', { expression: `document.querySelector(${JSON.stringify(selector)})` });
        await this.send('DOM.setFileInputFiles', { files: [file], objectId: result.objectId });
    }

    /** Writes a picture of the page as a phone of this width shows it. */
    async screenshot(file, width = 390) {
        await this.send('Emulation.setDeviceMetricsOverride', { width, height: 844, deviceScaleFactor: 1, mobile: true });
        const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
        fs.writeFileSync(file, Buffer.from(data, 'base64'));
    }
}
