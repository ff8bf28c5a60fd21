-- What the app looks things up by. CONCURRENTLY, outside of a transaction: nothing waits while they are made.
CREATE INDEX CONCURRENTLY IF NOT EXISTS users_email_idx ON users (email);
CREATE INDEX CONCURRENTLY IF NOT EXISTS users_storage_idx ON users (storage_used_bytes, storage_limit_bytes);
CREATE INDEX CONCURRENTLY IF NOT EXISTS images_project_storage_idx ON images (project_id, storage_filename);
CREATE INDEX CONCURRENTLY IF NOT EXISTS images_name_idx ON images (name);
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS images_project_name_key ON images (project_id, name);
CREATE INDEX CONCURRENTLY IF NOT EXISTS refresh_tokens_active_idx ON refresh_tokens (user_id, expires_at) WHERE NOT revoked;
CREATE INDEX CONCURRENTLY IF NOT EXISTS user_profiles_user_idx ON user_profiles (user_id);
