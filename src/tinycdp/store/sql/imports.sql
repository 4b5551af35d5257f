-- name: begin_import
-- An import that was started before is continued, and keeps its counts.
-- args: environment_id, id, name, form, mapping json, author, now
INSERT INTO imports (environment_id, id, name, form, mapping, author, started_at, advanced_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
ON CONFLICT (environment_id, id) DO UPDATE SET error = NULL
RETURNING *;

-- name: try_import
-- One process runs an import at a time. The connection holds the lock until end_import or until it closes.
-- args: environment_id, id
-- locks: advisory (two halves of a hash), exclusive, held by the connection
SELECT pg_try_advisory_lock(hashtextextended('import ' || $1::integer::text || ' ' || $2::text, 78));

-- name: end_import
-- args: environment_id, id
SELECT pg_advisory_unlock(hashtextextended('import ' || $1::integer::text || ' ' || $2::text, 78));

-- name: advance_import
-- Saved after the messages, never before: rows that are read again are recognised as duplicates.
-- args: environment_id, id, done, share, accepted, duplicates, rejected (these three are added), now
-- index: imports_pkey
UPDATE imports SET done = $3, share = $4, accepted = accepted + $5, duplicates = duplicates + $6, rejected = rejected + $7,
    advanced_at = $8
WHERE environment_id = $1 AND id = $2
RETURNING *;

-- name: finish_import
-- args: environment_id, id, now, error text (NULL on success)
-- index: imports_pkey
UPDATE imports SET finished_at = CASE WHEN $4::text IS NULL THEN $3::timestamptz END, error = $4, advanced_at = $3,
    share = CASE WHEN $4::text IS NULL THEN 1 ELSE share END
WHERE environment_id = $1 AND id = $2
RETURNING *;

-- name: stop_import
-- The process that runs it sees the error at its next advance_import, and stops.
-- args: environment_id, id, error text, now
-- index: imports_pkey
UPDATE imports SET error = $3, advanced_at = $4
WHERE environment_id = $1 AND id = $2 AND finished_at IS NULL AND error IS NULL;

-- name: find_import
-- args: environment_id, id
SELECT * FROM imports WHERE environment_id = $1 AND id = $2;

-- name: list_imports
-- Newest first.
-- args: environment_id, n
-- index: imports_by_time
SELECT * FROM imports WHERE environment_id = $1 ORDER BY started_at DESC, id LIMIT $2;
