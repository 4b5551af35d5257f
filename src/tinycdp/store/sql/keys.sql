-- name: create_key
-- args: environment_id, name, prefix, digest, scopes text[], created_at
INSERT INTO api_keys (environment_id, name, prefix, digest, scopes, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (digest) DO NOTHING
RETURNING id;

-- name: list_keys
-- args: environment_id
SELECT id, name, prefix, scopes, created_at, revoked_at FROM api_keys WHERE environment_id = $1 ORDER BY id;

-- name: list_usable_keys
-- All keys of all environments: every process keeps them in memory, so a decision needs no query.
SELECT environment_id, id, name, digest, scopes FROM api_keys WHERE revoked_at IS NULL;

-- name: revoke_key
-- args: environment_id, id, now
UPDATE api_keys SET revoked_at = $3 WHERE environment_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING id;
