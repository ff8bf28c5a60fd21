// What a database would hold, in memory: it starts the same each time and is gone with the process.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

const megabyte = 1024 * 1024;
/** Bounds, so that nobody fills the memory of the machine: bytes of all uploads, numbers of rows. */
const limits = { uploads: 64 * megabyte, images: 500, projects: 200 };

const gallery = [
    { file: 'stream.jpg', title: 'Stream', author: 'Aitzol Berasategi', licence: 'CC BY 4.0' },
    { file: 'dogs.jpg', title: 'Friends', author: 'Aitzol Berasategi', licence: 'CC BY 4.0' },
    { file: 'dandelion.jpg', title: 'Seeding', author: 'Clemens Engelhardt', licence: 'CC0 1.0' },
    { file: 'dragonfly.jpg', title: 'Dragonfly', author: 'Bolly', licence: 'CC BY-SA 4.0' },
    { file: 'nuthatch.jpg', title: 'Nuthatch', author: 'Lukas Baubkus', licence: 'CC BY-SA 3.0' },
];

export class Store {
    /** How many queries there have been. */
    queries = 0;
    #queryMs;
    #serial = 100;
    #users = [
        { id: 1, name: 'Alice', email: 'alice@example.org', password: 'demo' },
        { id: 2, name: 'Bob', email: 'bob@example.org', password: 'demo' },
    ];
    #projects = [
        { id: 1, owner: 1, title: 'Meadow in June', shared: [] },
        { id: 2, owner: 1, title: 'Dogs of the valley', shared: [] },
        { id: 3, owner: 2, title: 'Garden birds', shared: [] },
    ];
    #images = [];
    #files = new Map();
    #segmentations = new Map();

    constructor({ queryMs }) {
        this.#queryMs = queryMs;
    }

    /** Like a database: what is read is what is there now, and it takes a moment to get here. */
    async #query(statement) {
        this.queries += 1;
        const result = statement();
        await sleep(this.#queryMs);
        return result;
    }

    gallery() {
        return this.#query(() => gallery);
    }

    /** {id, name, email} when the password is right. */
    logIn(email, password) {
        return this.#query(() => {
            const found = this.#users.find((user) => user.email === email && user.password === password);
            return found && { id: found.id, name: found.name, email: found.email };
        });
    }

    /** A user with the bytes of all their uploads. */
    user(id) {
        return this.#query(() => {
            const { name, email } = this.#users.find((user) => user.id === id);
            const own = this.#images.filter((image) => this.#owns(id, image.project));
            return { id, name, email, bytes_used: own.reduce((sum, image) => sum + image.bytes, 0) };
        });
    }

    /** The user with the new name. */
    rename(id, name) {
        return this.#query(() => {
            const found = this.#users.find((user) => user.id === id);
            found.name = name;
            return { id, name, email: found.email };
        });
    }

    statistics(id) {
        return this.#query(() => {
            const projects = this.#projects.filter((project) => this.#sees(id, project));
            const images = this.#images.filter((image) => this.#owns(id, image.project));
            return { projects: projects.length, images: images.length, bytes: images.reduce((sum, image) => sum + image.bytes, 0),
                segmented: images.filter((image) => this.#segmentations.has(image.id)).length };
        });
    }

    projects(owner) {
        return this.#query(() => this.#projects.filter((project) => this.#sees(owner, project))
            .map((project) => this.#withCount(project)));
    }

    /** The projects of others that a user may see. */
    sharedWith(user) {
        return this.#query(() => this.#projects.filter((project) => project.owner !== user && this.#sees(user, project))
            .map((project) => this.#withCount(project)));
    }

    /** E-mail addresses; nothing when the user may not see the project. */
    shares(user, id) {
        return this.#query(() => this.#find(user, id)?.shared.map((other) => this.#users.find((one) => one.id === other).email));
    }

    /** Lets another user see and change one's project, or no longer; false when there is none or nobody of that name. */
    share(owner, id, email, wanted) {
        return this.#query(() => {
            const project = this.#find(owner, id);
            const other = this.#users.find((user) => user.email === email);
            if (!project || project.owner !== owner || !other || other.id === owner) return false;
            project.shared = project.shared.filter((one) => one !== other.id);
            if (wanted) project.shared.push(other.id);
            return true;
        });
    }

    /** {image, polygons}; none yet: empty. Nothing when the image is not the user's. */
    segmentation(user, id) {
        return this.#query(() => this.#images.some((image) => image.id === id && this.#owns(user, image.project))
            ? { image: id, polygons: this.#segmentations.get(id) ?? [] } : undefined);
    }

    /** The image; nothing when it is not the user's. */
    setSegmentation(user, id, polygons) {
        return this.#query(() => {
            const found = this.#images.find((image) => image.id === id && this.#owns(user, image.project));
            if (found) this.#segmentations.set(id, polygons);
            return found;
        });
    }

    /** Nothing when it is someone else's, as if there were none. */
    project(owner, id) {
        return this.#query(() => {
            const found = this.#find(owner, id);
            return found && this.#withCount(found);
        });
    }

    /** Nothing when there are too many. */
    addProject(owner, title) {
        return this.#query(() => {
            if (this.#projects.length >= limits.projects) return undefined;
            const project = { id: (this.#serial += 1), owner, title, shared: [] };
            this.#projects.push(project);
            return this.#withCount(project);
        });
    }

    /** With all its images; false when there is none. */
    removeProject(owner, id) {
        return this.#query(() => {
            if (this.#find(owner, id)?.owner !== owner) return false;
            for (const image of this.#images.filter(({ project }) => project === id)) this.#drop(image);
            this.#projects = this.#projects.filter((project) => project.id !== id);
            return true;
        });
    }

    images(owner, project) {
        return this.#query(() => this.#find(owner, project) && this.#images.filter((image) => image.project === project));
    }

    image(owner, id) {
        return this.#query(() => this.#images.find((image) => image.id === id && this.#owns(owner, image.project)));
    }

    /** The new image; nothing when the project is not the owner's, false when there is no room. */
    addImage(owner, project, { name, type, bytes }) {
        return this.#query(() => {
            if (!this.#find(owner, project)) return undefined;
            const used = this.#images.reduce((sum, image) => sum + image.bytes, 0);
            if (used + bytes.length > limits.uploads || this.#images.length >= limits.images) return false;
            const file = `${randomUUID()}.${type.split('/')[1]}`;
            const image = { id: (this.#serial += 1), project, name, type, bytes: bytes.length, src: `/uploads/${file}` };
            this.#files.set(file, { type, bytes });
            this.#images.push(image);
            return image;
        });
    }

    removeImage(owner, id) {
        return this.#query(() => {
            const found = this.#images.find((image) => image.id === id && this.#owns(owner, image.project));
            if (found) this.#drop(found);
            return found;
        });
    }

    /** {type, bytes} of an uploaded file. */
    file(name) {
        return this.#query(() => this.#files.get(name));
    }

    /** What an analysis found in a project's images: about 2.7 MB as JSON. */
    polygons(owner, id) {
        return this.#query(() => this.#find(owner, id) && makePolygons(id, 2400, 64));
    }

    #find(owner, id) {
        return this.#projects.find((project) => project.id === id && this.#sees(owner, project));
    }

    #sees(user, project) {
        return project.owner === user || project.shared.includes(user);
    }

    #owns(owner, project) {
        return this.#find(owner, project) !== undefined;
    }

    #withCount(project) {
        const { id, owner, title } = project;
        return { id, owner, title, images: this.#images.filter((image) => image.project === project.id).length };
    }

    #drop(image) {
        this.#images.splice(this.#images.indexOf(image), 1);
        this.#segmentations.delete(image.id);
        this.#files.delete(image.src.replace('/uploads/', ''));
    }
}

/** So many outlines with so many points each, the same for the same seed. */
export function makePolygons(seed, count, points) {
    return Array.from({ length: count }, (_, n) => ({
        id: n,
        points: Array.from({ length: points }, (__, i) => {
            const angle = (2 * Math.PI * i) / points;
            const radius = 20 + 8 * Math.sin(seed + n * 7 + i * 3);
            return [Number((n % 60 * 50 + radius * Math.cos(angle)).toFixed(2)), Number((Math.floor(n / 60) * 50 + radius * Math.sin(angle)).toFixed(2))];
        }),
    }));
}
