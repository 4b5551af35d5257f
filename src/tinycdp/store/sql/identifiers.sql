-- name: resolve_identifiers
-- args: environment_id integer, kinds text[], values text[]
-- index: identifiers_pkey
SELECT a.kind, a.value, a.id, a.profile_id, a.owner_id, a.claim_strength, a.claimed_at, a.claimed_by, a.created_at
FROM unnest($2::text[], $3::text[]) AS wanted (kind, value)
JOIN identifiers a ON a.environment_id = $1 AND a.kind = wanted.kind AND a.value = wanted.value;

-- name: identifiers_beginning
-- The first identifiers with a prefix, to suggest the one that was meant.
-- args: environment_id integer, first text, last text (both inclusive), n
-- index: identifiers_values
SELECT value, kind FROM identifiers
WHERE environment_id = $1 AND value ~>=~ $2 AND value ~<=~ $3
ORDER BY value USING ~<~, kind USING ~<~
LIMIT $4;

-- name: identifiers_changed
-- Whether any identifier has changed its profile or claim since it was read; runs under the profiles' locks.
-- args: environment_id integer, ids bigint[], profile_ids bigint[], owner_ids bigint[], claimed_bys text[]
-- index: identifiers_environment_id_id_key
SELECT EXISTS (
    SELECT 1 FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) AS seen (id, profile_id, owner_id, claimed_by)
    JOIN identifiers a ON a.environment_id = $1 AND a.id = seen.id
    WHERE (a.profile_id, a.owner_id, a.claimed_by) IS DISTINCT FROM (seen.profile_id, seen.owner_id, seen.claimed_by));

-- name: create_identifiers
-- Rows that another process created meanwhile are not returned; the caller resolves again.
-- args: environment_id integer, kinds text[], values text[], profile_ids bigint[], now timestamptz
-- index: identifiers_pkey
INSERT INTO identifiers (environment_id, kind, value, profile_id, created_at)
SELECT $1, kind, value, profile_id, $5
FROM unnest($2::text[], $3::text[], $4::bigint[]) AS new (kind, value, profile_id)
ORDER BY kind, value
ON CONFLICT DO NOTHING
RETURNING kind, value, id, profile_id;

-- name: save_claims
-- args: environment_id integer, ids bigint[], owner_ids bigint[], strengths smallint[], ats timestamptz[], bys text[]
-- index: identifiers_environment_id_id_key
UPDATE identifiers a
SET owner_id = c.owner_id, claim_strength = c.strength, claimed_at = c.at, claimed_by = c.by
FROM unnest($2::bigint[], $3::bigint[], $4::smallint[], $5::timestamptz[], $6::text[])
    AS c (id, owner_id, strength, at, by)
WHERE a.environment_id = $1 AND a.id = c.id;

-- name: move_identifiers
-- Every move is recorded in identifier_moves: past decisions need the profile that an identifier had then.
-- args: environment_id integer, ids bigint[], profile_id bigint, now timestamptz
-- index: identifiers_environment_id_id_key
WITH moved AS (
    UPDATE identifiers a SET profile_id = $3 FROM identifiers was
    WHERE a.environment_id = $1 AND a.id = ANY ($2) AND was.environment_id = $1 AND was.id = a.id AND was.profile_id <> $3
    RETURNING a.id, was.profile_id AS from_id
)
INSERT INTO identifier_moves (environment_id, from_id, to_id, identifier_ids, moved_at)
SELECT $1, from_id, $3, array_agg(id ORDER BY id), $4 FROM moved GROUP BY from_id
RETURNING from_id, identifier_ids;
