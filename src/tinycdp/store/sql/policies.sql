-- name: current_policies
-- The newest version of every policy of every environment.
-- index: policies_pkey
SELECT DISTINCT ON (environment_id, name) environment_id, name, version, document
FROM policies ORDER BY environment_id, name, version DESC;

-- name: policy_versions
-- Newest first.
-- args: environment_id, name, n
SELECT version, document, changed_at, changed_by FROM policies
WHERE environment_id = $1 AND name = $2 ORDER BY version DESC LIMIT $3;

-- name: append_policy
-- Inserts nothing if the version exists already: another process was faster.
-- args: environment_id, name, version, document json, now, author
INSERT INTO policies (environment_id, name, version, document, changed_at, changed_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
RETURNING version;
