-- name: create_key
-- args: environment_id, name, prefix, digest, scopes text[], expires_at, origins text[], created_at
INSERT INTO api_keys (environment_id, name, prefix, digest, scopes, expires_at, origins, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (digest) DO NOTHING
RETURNING id;

-- name: list_keys
-- args: environment_id
SELECT id, name, prefix, scopes, origins, created_at, expires_at, last_used_at, replaced_by, revoked_at
FROM api_keys WHERE environment_id = $1 ORDER BY id;

-- name: lock_key
-- A key that was not revoked, which nothing else changes until the end of the transaction.
-- args: environment_id, id
-- index: api_keys_pkey
SELECT id, name, prefix, scopes, origins, created_at, expires_at, last_used_at, replaced_by, revoked_at
FROM api_keys WHERE environment_id = $1 AND id = $2 AND revoked_at IS NULL FOR UPDATE;

-- name: list_usable_keys
-- All keys of all environments: every process keeps them in memory, so a decision needs no query. Expired keys are
-- among them, so that an error can say that one expired.
SELECT environment_id, id, name, prefix, digest, scopes, expires_at, origins FROM api_keys WHERE revoked_at IS NULL;

-- name: replace_key
-- args: environment_id, id, replaced_by, expires_at
UPDATE api_keys SET replaced_by = $3, expires_at = $4 WHERE environment_id = $1 AND id = $2;

-- name: update_key
-- args: environment_id, id, name, origins text[], expires_at
UPDATE api_keys SET name = $3, origins = $4, expires_at = $5 WHERE environment_id = $1 AND id = $2;

-- name: mark_used
-- In order of the id: two processes that mark the same keys do not wait for each other in a circle.
-- args: environment_id, ids integer[], at
-- index: api_keys_pkey
UPDATE api_keys SET last_used_at = $3 WHERE environment_id = $1 AND id IN (
    SELECT id FROM api_keys
    WHERE environment_id = $1 AND id = ANY ($2) AND (last_used_at IS NULL OR last_used_at < $3)
    ORDER BY id FOR NO KEY UPDATE
);

-- name: revoke_key
-- args: environment_id, id, now
UPDATE api_keys SET revoked_at = $3 WHERE environment_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING id;

-- name: record_key_change
-- args: environment_id, key_id, action, name, author, note, now
INSERT INTO key_changes (environment_id, key_id, action, name, author, note, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: create_download
-- Deletes what has expired: the table holds what was asked for in the last minute.
-- args: environment_id, digest, key_id, path, valid_until, now
-- index: downloads_pkey
WITH expired AS (
    DELETE FROM downloads WHERE environment_id = $1 AND valid_until <= $6::timestamptz
)
INSERT INTO downloads (environment_id, digest, key_id, path, valid_until) VALUES ($1, $2, $3, $4, $5);

-- name: take_download
-- Of two processes that take the same one, one gets no row.
-- args: environment_id, digest, now
-- index: downloads_pkey
-- locks: one row
DELETE FROM downloads WHERE environment_id = $1 AND digest = $2 AND valid_until > $3 RETURNING key_id, path;

-- name: prune_downloads
-- args: environment_id, now
DELETE FROM downloads WHERE environment_id = $1 AND valid_until <= $2;
