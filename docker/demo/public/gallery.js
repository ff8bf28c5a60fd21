const $ = (id) => document.getElementById(id);
let token;

async function api(path, options = {}) {
    const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await fetch(`/api${path}`, { ...options, headers });
    const body = response.status === 204 ? undefined : await response.json();
    if (!response.ok) throw new Error(body?.error ?? response.statusText);
    return { body, headers: response.headers };
}

function figure(src, title, note) {
    const made = document.createElement('figure');
    const image = Object.assign(new Image(), { src, alt: title });
    const caption = document.createElement('figcaption');
    caption.textContent = [title, note].filter(Boolean).join(', ');
    made.append(image, caption);
    return made;
}

async function showGallery() {
    const { body, headers } = await api('/gallery');
    $('gallery').replaceChildren(...body.map((photo) => figure(photo.src, photo.title, `${photo.author}, ${photo.licence}`)));
    const cached = headers.get('Cache-Status');
    $('how').textContent = cached ? `${cached}${headers.has('Age') ? `; Age ${headers.get('Age')}` : ''}` : 'straight from the app';
}

async function showOwn() {
    const [{ body: user }, { body: projects }] = await Promise.all([api('/users/me'), api('/projects')]);
    $('who').textContent = `${user.name}, ${projects.length} projects, ${Math.round(user.bytes_used / 1024)} kB uploaded`;
    const chosen = $('upload').project.value;
    $('upload').project.replaceChildren(...projects.map((project) => new Option(`${project.title} (${project.images})`, project.id)));
    if (projects.some((project) => String(project.id) === chosen)) $('upload').project.value = chosen;
    const lists = await Promise.all(projects.map((project) => api(`/projects/${project.id}/images`)));
    $('images').replaceChildren(...lists.flatMap(({ body }) => body).map((image) => figure(image.src, image.name)));
    $('own').hidden = false;
}

/** Calls action when the form is sent, and shows why when it fails. */
function onSubmit(form, action) {
    form.addEventListener('submit', async (event) => {
        event.preventDefault();
        $('message').textContent = '';
        try {
            await action(form);
            await showOwn();
        } catch (error) {
            $('own').hidden = false;
            $('message').textContent = error.message;
        }
    });
}

onSubmit($('login'), async (form) => {
    token = undefined;
    const { body } = await api('/auth/login', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ email: form.email.value, password: form.password.value }),
    });
    token = body.token;
});
onSubmit($('upload'), async (form) => {
    const [file] = form.file.files;
    await api(`/projects/${form.project.value}/images?name=${encodeURIComponent(file.name)}`, {
        method: 'POST',
        headers: { 'Content-Type': file.type },
        body: file,
    });
    form.file.value = '';
});
await showGallery();
