-- name: kill_flag
-- Returns no row if it is killed already: the first author stays.
-- args: environment_id, definition_id, now, author, note
INSERT INTO flag_kills (environment_id, definition_id, killed_at, killed_by, note) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (environment_id, definition_id) WHERE revived_at IS NULL DO NOTHING
RETURNING id;

-- name: revive_flag
-- args: environment_id, definition_id, now, author
-- index: one_kill_at_a_time
UPDATE flag_kills SET revived_at = $3, revived_by = $4
WHERE environment_id = $1 AND definition_id = $2 AND revived_at IS NULL
RETURNING id;

-- name: kills_at
-- The kills in force at an instant, or now where it is NULL.
-- args: environment_id, at timestamptz
SELECT definition_id, killed_at, killed_by, note FROM flag_kills
WHERE environment_id = $1
  AND CASE WHEN $2::timestamptz IS NULL THEN revived_at IS NULL
           ELSE killed_at <= $2 AND (revived_at IS NULL OR revived_at > $2) END;

-- name: kills_of_flag
-- args: environment_id, definition_id, n
SELECT killed_at, killed_by, note, revived_at, revived_by FROM flag_kills
WHERE environment_id = $1 AND definition_id = $2 ORDER BY id DESC LIMIT $3;

-- name: keep_session_variant
-- Gives what the session holds: what it held already, unless that has run out, else the variant it comes with.
-- args: environment_id, definition_id, unit, session, variant, now timestamptz, kept_until
-- locks: one row
INSERT INTO session_variants AS h (environment_id, definition_id, unit, session, variant, kept_until)
VALUES ($1, $2, $3, $4, $5, $7)
ON CONFLICT (environment_id, definition_id, unit, session) DO UPDATE
SET variant = CASE WHEN h.kept_until <= $6::timestamptz THEN EXCLUDED.variant ELSE h.variant END,
    kept_until = EXCLUDED.kept_until
RETURNING variant;

-- name: prune_session_variants
-- args: environment_id, before timestamptz
-- index: session_variants_expired
DELETE FROM session_variants WHERE environment_id = $1 AND kept_until < $2;
