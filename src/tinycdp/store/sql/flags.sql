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

-- name: profile_variants
-- What the units of a profile keep of sticky flags, the earliest first.
-- args: environment_id, definition_ids integer[], units text[]
-- index: session_variants_pkey
SELECT definition_id, variant FROM session_variants
WHERE environment_id = $1 AND definition_id = ANY ($2) AND unit = ANY ($3) AND session = ''
ORDER BY assigned_at, unit;

-- name: keep_profile_variant
-- Gives what the unit keeps: what it kept already, if it may still be served, else the variant it comes with. Gives no row
-- for a profile that was erased: an erasure locks it, and waits for this statement.
-- args: environment_id, definition_id, unit, variant, profile_id bigint (0 for an unknown one), servable text[],
--       now timestamptz
-- index: profiles_pkey, session_variants_pkey
-- locks: the profile in share, one row
WITH alive AS (
    SELECT 1 FROM profiles WHERE environment_id = $1 AND id = $5 FOR KEY SHARE
)
INSERT INTO session_variants AS h (environment_id, definition_id, unit, session, variant, assigned_at)
SELECT $1, $2, $3, '', $4, $7 WHERE $5 = 0 OR EXISTS (SELECT 1 FROM alive)
ON CONFLICT (environment_id, definition_id, unit, session) DO UPDATE
SET variant = CASE WHEN h.variant = ANY ($6) THEN h.variant ELSE EXCLUDED.variant END,
    assigned_at = CASE WHEN h.variant = ANY ($6) THEN h.assigned_at ELSE EXCLUDED.assigned_at END
RETURNING variant;

-- name: prune_session_variants
-- args: environment_id, before timestamptz
-- index: session_variants_expired
DELETE FROM session_variants WHERE environment_id = $1 AND kept_until < $2;

-- name: prune_variants_of_deleted_flags
-- What profiles keep of flags that were deleted before an instant. A flag that is restored sooner finds it.
-- args: environment_id, before timestamptz, n
-- index: definition_versions_pkey, revisions_pkey, session_variants_pkey
DELETE FROM session_variants WHERE environment_id = $1 AND (definition_id, unit, session) IN (
    SELECT definition_id, unit, session FROM session_variants
    WHERE environment_id = $1 AND definition_id IN (
        SELECT v.definition_id FROM definition_versions v
        LEFT JOIN revisions r ON r.environment_id = $1 AND r.revision = v.until_revision
        WHERE v.environment_id = $1
        GROUP BY v.definition_id HAVING every(r.published_at IS NOT NULL AND r.published_at < $2)
    ) LIMIT $3
);
