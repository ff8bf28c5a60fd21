-- The tables of an app for image analysis, as it grew: with primary keys and nothing else. Filled with :users users who
-- have 10 projects each, 50 images in each of these, and 100 times as many who have none.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
CREATE TABLE users (
    id integer PRIMARY KEY,
    email text NOT NULL,
    password_hash text NOT NULL,
    storage_used_bytes bigint NOT NULL DEFAULT 0,
    storage_limit_bytes bigint NOT NULL DEFAULT 10737418240,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE user_profiles (
    id integer PRIMARY KEY,
    user_id integer NOT NULL,
    name text NOT NULL,
    institution text,
    preferred_language text NOT NULL DEFAULT 'en'
);
CREATE TABLE projects (
    id integer PRIMARY KEY,
    user_id integer NOT NULL,
    title text NOT NULL,
    description text,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE images (
    id integer PRIMARY KEY,
    project_id integer NOT NULL,
    user_id integer NOT NULL,
    name text NOT NULL,
    storage_filename text NOT NULL,
    width integer, height integer, bytes bigint NOT NULL,
    status text NOT NULL DEFAULT 'without_segmentation',
    polygons jsonb,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE refresh_tokens (
    id integer PRIMARY KEY,
    user_id integer NOT NULL,
    token_hash text NOT NULL,
    revoked boolean NOT NULL DEFAULT false,
    expires_at timestamptz NOT NULL
);
INSERT INTO users (id, email, password_hash, storage_used_bytes)
    SELECT n, 'user' || n || '@example.org', md5(n::text), n * 1000003::bigint FROM generate_series(1, :users * 100) n;
INSERT INTO user_profiles SELECT n, n, 'User ' || n, 'Institute ' || n % 17 FROM generate_series(1, :users * 100) n;
INSERT INTO projects (id, user_id, title, description)
    SELECT n, 1 + (n - 1) / 10, 'Project ' || n, repeat('Spheroids, day ' || n % 30 || '. ', 4) FROM generate_series(1, :users * 10) n;
INSERT INTO images (id, project_id, user_id, name, storage_filename, width, height, bytes, status)
    SELECT n, 1 + (n - 1) / 50, 1 + (n - 1) / 500, 'image-' || n || '.tiff', md5(n::text) || '.png', 1388, 1040, 2000000 + n % 1000000,
        (ARRAY['completed', 'queued', 'without_segmentation'])[1 + n % 3]
    FROM generate_series(1, :users * 500) n;
INSERT INTO refresh_tokens
    SELECT n, 1 + n % :users, md5('t' || n), n % 5 <> 0, now() + interval '7 days' FROM generate_series(1, :users * 50) n;
CREATE SEQUENCE image_ids START 100000000;
ANALYZE;
