-- name: begin_saving
-- Saves of an environment go one after another.
-- locks: advisory (83, environment), exclusive
SELECT pg_advisory_xact_lock(83, $1);

-- name: newest_change
-- args: environment_id integer
-- index: saved_definitions_by_change
SELECT coalesce(max(change), 0) FROM saved_definitions WHERE environment_id = $1;

-- name: newest_definitions
-- Deleted ones too: a key that returns continues its history.
-- args: environment_id integer, kinds text[]
SELECT definition_id, version, kind, key, document, author, note, saved_at, change, revision
FROM saved_definitions
WHERE environment_id = $1 AND is_newest AND kind = ANY ($2::text[])
ORDER BY change, definition_id;

-- name: definitions_after
-- Every definition as a save left it, also deleted ones.
-- args: environment_id integer, kinds text[], change integer
SELECT DISTINCT ON (definition_id)
    definition_id, version, kind, key, document, author, note, saved_at, change, revision
FROM saved_definitions
WHERE environment_id = $1 AND kind = ANY ($2::text[]) AND change <= $3
ORDER BY definition_id, version DESC;

-- name: list_saves
-- What the newest saves before one wrote, newest first.
-- args: environment_id integer, kinds text[], before integer, n integer
-- index: saved_definitions_by_change
SELECT definition_id, version, kind, key, document, author, note, saved_at, change, revision
FROM saved_definitions
WHERE environment_id = $1 AND kind = ANY ($2::text[]) AND change < $3 AND change >= coalesce(
    (SELECT min(c) FROM (
        SELECT DISTINCT change AS c FROM saved_definitions
        WHERE environment_id = $1 AND kind = ANY ($2::text[]) AND change < $3 ORDER BY c DESC LIMIT $4) AS newest), 0)
ORDER BY change DESC, kind, key, definition_id;

-- name: last_definition
-- The greatest id of the environment, over all kinds.
-- args: environment_id integer
-- index: saved_definitions_pkey
SELECT coalesce(max(definition_id), 0) FROM saved_definitions WHERE environment_id = $1;

-- name: find_saved
-- The definition that has a key, else the one that had it last.
-- args: environment_id integer, kind text, key text
SELECT definition_id FROM saved_definitions
WHERE environment_id = $1 AND kind = $2 AND key = $3
ORDER BY is_newest AND document IS NOT NULL DESC, change DESC
LIMIT 1;

-- name: list_saved_versions
-- Newest first.
-- args: environment_id integer, definition_id integer
SELECT definition_id, version, kind, key, document, author, note, saved_at, change, revision
FROM saved_definitions
WHERE environment_id = $1 AND definition_id = $2
ORDER BY version DESC;

-- name: retire_versions
-- args: environment_id integer, definition_ids integer[]
UPDATE saved_definitions SET is_newest = false
WHERE environment_id = $1 AND definition_id = ANY ($2::integer[]) AND is_newest;

-- name: append_saved_version
-- args: environment_id integer, definition_id integer, version integer, change integer, revision integer, kind text,
--       key text, document json or null, author text, note text, saved_at timestamptz
INSERT INTO saved_definitions
    (environment_id, definition_id, version, change, revision, kind, key, document, author, note, saved_at, is_newest)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, true);
