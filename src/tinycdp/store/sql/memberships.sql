-- name: enter_segments
-- args: environment_id integer, fingerprints bigint[], profile_ids bigint[], ats timestamptz[]
-- index: memberships_pkey
INSERT INTO memberships (environment_id, fingerprint, profile_id, entered_at)
SELECT $1, m.* FROM unnest($2::bigint[], $3::bigint[], $4::timestamptz[]) AS m (fingerprint, profile_id, entered_at)
ON CONFLICT (environment_id, fingerprint, profile_id) DO UPDATE SET entered_at = excluded.entered_at;

-- name: leave_segments
-- args: environment_id integer, fingerprints bigint[], profile_ids bigint[]
-- index: memberships_pkey
DELETE FROM memberships m
USING unnest($2::bigint[], $3::bigint[]) AS gone (fingerprint, profile_id)
WHERE m.environment_id = $1 AND m.fingerprint = gone.fingerprint AND m.profile_id = gone.profile_id;

-- name: append_transitions
-- args: environment_id integer, now timestamptz, segment_ids, profile_ids, entereds, ats (arrays)
INSERT INTO transitions (environment_id, recorded_at, segment_id, profile_id, entered, at)
SELECT $1, $2, t.* FROM unnest($3::integer[], $4::bigint[], $5::boolean[], $6::timestamptz[]) AS t;

-- name: transitions_of_profile
-- args: environment_id, profile_id, n
-- index: transitions_of_profile
SELECT t.id, t.segment_id, t.entered, t.at, t.recorded_at,
       (SELECT v.key FROM definition_versions v
        WHERE v.environment_id = $1 AND v.definition_id = t.segment_id ORDER BY v.version DESC LIMIT 1) AS last_key
FROM transitions t
WHERE t.environment_id = $1 AND t.profile_id = $2 ORDER BY t.id DESC LIMIT $3;

-- name: count_members
-- args: environment_id, fingerprints bigint[]
-- index: memberships_pkey
SELECT fingerprint, count(*) AS n FROM memberships
WHERE environment_id = $1 AND fingerprint = ANY ($2) GROUP BY fingerprint;

-- name: members
-- All members of a segment, in order of id, read through a cursor, so there is no limit. Each identifier is the first of
-- its kind. State is big, and read only if traits are wanted.
-- args: environment_id, fingerprint bigint, with_state boolean
-- index: memberships_pkey, profiles_pkey, identifiers_of_profile
SELECT p.id, p.bucketing_key, p.created_at, p.first_seen_at, p.last_seen_at, p.properties,
       CASE WHEN $3 THEN p.state ELSE ''::bytea END AS state, p.version, p.recompute_at, p.merged_into,
       m.entered_at, i.user_id, i.anonymous_id
FROM memberships m
JOIN profiles p ON p.environment_id = $1 AND p.id = m.profile_id
CROSS JOIN LATERAL (
    SELECT (array_agg(a.value ORDER BY a.id) FILTER (WHERE a.kind = 'userId'))[1] AS user_id,
           (array_agg(a.value ORDER BY a.id) FILTER (WHERE a.kind = 'anonymousId'))[1] AS anonymous_id
    FROM identifiers a WHERE a.environment_id = $1 AND a.profile_id = p.id
) AS i
WHERE m.environment_id = $1 AND m.fingerprint = $2
ORDER BY m.profile_id;

-- name: property_names_of_members
-- args: environment_id, fingerprint bigint, n
-- index: memberships_pkey, profiles_pkey
SELECT DISTINCT name
FROM memberships m
JOIN profiles p ON p.environment_id = $1 AND p.id = m.profile_id
CROSS JOIN LATERAL jsonb_object_keys(p.properties) AS name
WHERE m.environment_id = $1 AND m.fingerprint = $2
ORDER BY name
LIMIT $3;

-- name: members_page
-- args: environment_id, fingerprint bigint, after_id bigint, n
-- index: memberships_pkey, profiles_pkey
SELECT p.id, p.properties, p.first_seen_at, p.last_seen_at,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS identifiers,
       m.entered_at
FROM memberships m JOIN profiles p ON p.environment_id = $1 AND p.id = m.profile_id
WHERE m.environment_id = $1 AND m.fingerprint = $2 AND m.profile_id > $3
ORDER BY m.profile_id
LIMIT $4;
