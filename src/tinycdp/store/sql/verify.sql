-- name: count_profiles
-- args: environment_id integer
-- index: profiles_pkey
SELECT count(*) FROM profiles WHERE environment_id = $1 AND merged_into IS NULL;

-- name: sample_profiles
-- Random profiles; another seed gives others.
-- args: environment_id integer, n integer, seed bigint
-- index: profiles_pkey
SELECT id FROM profiles
WHERE environment_id = $1 AND merged_into IS NULL
ORDER BY hashint8extended(id, $3), id
LIMIT $2;

-- name: profile_ids_after
-- args: environment_id integer, after_id bigint, n integer
-- index: profiles_pkey
SELECT id FROM profiles
WHERE environment_id = $1 AND merged_into IS NULL AND id > $2
ORDER BY id
LIMIT $3;

-- name: load_profiles
-- Without those absorbed since their ids were read.
-- args: environment_id integer, ids bigint[]
-- index: profiles_pkey
SELECT id, bucketing_key, created_at, first_seen_at, last_seen_at, properties, state, version, recompute_at, merged_into
FROM profiles
WHERE environment_id = $1 AND id = ANY ($2) AND merged_into IS NULL
ORDER BY id;

-- name: newest_event_at
-- The instant of the newest message of these profiles: one index lookup per identifier.
-- args: environment_id integer, profile_ids bigint[]
-- index: identifiers_of_profile, events_of_identifier
SELECT max(newest.occurred_at)
FROM identifiers a
CROSS JOIN LATERAL (SELECT max(e.occurred_at) AS occurred_at FROM events e
                    WHERE e.environment_id = $1 AND e.identifier_id = a.id) AS newest
WHERE a.environment_id = $1 AND a.profile_id = ANY ($2);

-- name: memberships_of_profiles
-- Uses the table's only index, which begins with the segment.
-- args: environment_id integer, fingerprints bigint[], profile_ids bigint[]
-- index: memberships_pkey
SELECT fingerprint, profile_id, entered_at FROM memberships
WHERE environment_id = $1 AND fingerprint = ANY ($2) AND profile_id = ANY ($3);
