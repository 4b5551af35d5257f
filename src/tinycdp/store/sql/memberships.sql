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
-- args: environment_id integer, now timestamptz, segment_ids, profile_ids, entereds, ats, causes (arrays)
INSERT INTO transitions (environment_id, recorded_at, segment_id, profile_id, entered, at, cause)
SELECT $1, $2, t.* FROM unnest($3::integer[], $4::bigint[], $5::boolean[], $6::timestamptz[], $7::text[]) AS t;

-- name: newest_transition
-- args: environment_id
-- index: transitions_pkey
SELECT coalesce(max(id), 0) FROM transitions WHERE environment_id = $1;

-- name: transitions_since
-- For live streams, each with the last key of its segment. Without those of merges that only moved a membership to another
-- profile.
-- args: environment_id, after id, n
-- index: transitions_pkey, definition_versions_pkey
SELECT t.id,
       (SELECT v.key FROM definition_versions v
        WHERE v.environment_id = $1 AND v.definition_id = t.segment_id ORDER BY v.version DESC LIMIT 1) AS segment,
       t.profile_id, t.entered, t.at, t.recorded_at, t.cause
FROM transitions t
WHERE t.environment_id = $1 AND t.id > $2 AND t.cause IS DISTINCT FROM 'moved' ORDER BY t.id LIMIT $3;

-- name: names_of_profiles
-- What people are called: their name, else the identifier of the kind that says most, of kinds alike the first.
-- args: environment_id, profile_ids bigint[], kinds text[], the most telling first
-- index: profiles_pkey, identifiers_of_profile
SELECT p.id, coalesce(CASE jsonb_typeof(p.properties -> 'name') WHEN 'string' THEN nullif(p.properties ->> 'name', '') END, (
    SELECT a.value FROM identifiers a WHERE a.environment_id = $1 AND a.profile_id = p.id
    ORDER BY coalesce(array_position($3::text[], a.kind), 1000), a.id LIMIT 1)) AS name
FROM profiles p WHERE p.environment_id = $1 AND p.id = ANY ($2);

-- name: transitions_of_profile
-- Without those of merges that only moved a membership to another profile.
-- args: environment_id, profile_id, n
-- index: transitions_of_profile
SELECT t.id, t.segment_id, t.entered, t.at, t.recorded_at, t.cause,
       (SELECT v.key FROM definition_versions v
        WHERE v.environment_id = $1 AND v.definition_id = t.segment_id ORDER BY v.version DESC LIMIT 1) AS last_key
FROM transitions t
WHERE t.environment_id = $1 AND t.profile_id = $2 AND t.cause IS DISTINCT FROM 'moved' ORDER BY t.id DESC LIMIT $3;

-- name: transitions_of_segment
-- A page of entries and exits, the newest first.
-- args: environment_id, segment_id, since, until (exclusive), entered boolean, cause text (NULL for all), before_at,
--       before_id, n
-- index: transitions_of_segment
SELECT t.id, t.profile_id, t.entered, t.at, t.recorded_at, t.cause,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = t.profile_id ORDER BY a.id LIMIT 20) AS identifiers
FROM transitions t
WHERE t.environment_id = $1 AND t.segment_id = $2 AND t.at >= $3 AND t.at < $4
  AND ($5::boolean IS NULL OR t.entered = $5) AND ($6::text IS NULL OR t.cause = $6)
  AND t.cause IS DISTINCT FROM 'moved' AND (t.at, t.id) < ($7, $8)
ORDER BY t.at DESC, t.id DESC
LIMIT $9;

-- name: transitions_by_bucket
-- How often profiles entered and left a segment in each bucket, and by how much merges changed the number of members.
-- The last bucket has no end.
-- args: environment_id, segment_id, starts timestamptz[], ascending
-- index: transitions_of_segment
SELECT width_bucket(at, $3::timestamptz[]) - 1 AS bucket,
       count(*) FILTER (WHERE entered AND cause IS DISTINCT FROM 'moved') AS entered,
       count(*) FILTER (WHERE NOT entered AND cause IS DISTINCT FROM 'moved') AS "left",
       count(*) FILTER (WHERE entered AND cause = 'moved') - count(*) FILTER (WHERE NOT entered AND cause = 'moved') AS moved
FROM transitions
WHERE environment_id = $1 AND segment_id = $2 AND at >= ($3::timestamptz[])[1]
GROUP BY 1;

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

-- name: every_profile
-- All profiles in order of id, as `members` has them, read through a cursor. A merged one is left out.
-- args: environment_id, with_state boolean
-- index: profiles_pkey, identifiers_of_profile
SELECT p.id, p.bucketing_key, p.created_at, p.first_seen_at, p.last_seen_at, p.properties,
       CASE WHEN $2 THEN p.state ELSE ''::bytea END AS state, p.version, p.recompute_at, p.merged_into,
       NULL::timestamptz AS entered_at, i.user_id, i.anonymous_id
FROM profiles p
CROSS JOIN LATERAL (
    SELECT (array_agg(a.value ORDER BY a.id) FILTER (WHERE a.kind = 'userId'))[1] AS user_id,
           (array_agg(a.value ORDER BY a.id) FILTER (WHERE a.kind = 'anonymousId'))[1] AS anonymous_id
    FROM identifiers a WHERE a.environment_id = $1 AND a.profile_id = p.id
) AS i
WHERE p.environment_id = $1 AND p.merged_into IS NULL
ORDER BY p.id;

-- name: count_every_profile
-- Reads all profiles of the environment.
-- args: environment_id
SELECT count(*) FROM profiles WHERE environment_id = $1 AND merged_into IS NULL;

-- name: property_names_of_everyone
-- Reads all profiles of the environment.
-- args: environment_id, n
SELECT DISTINCT name
FROM profiles p CROSS JOIN LATERAL jsonb_object_keys(p.properties) AS name
WHERE p.environment_id = $1 AND p.merged_into IS NULL
ORDER BY name
LIMIT $2;

-- name: members_page
-- By position or after an id. An offset reads as many entries of the index as it skips, and nothing else of them: only
-- the ids of the page are looked up.
-- args: environment_id, fingerprint bigint, after_id bigint, n, skipped
-- index: memberships_pkey, profiles_pkey, identifiers_of_profile
WITH page AS MATERIALIZED (
    SELECT profile_id FROM memberships
    WHERE environment_id = $1 AND fingerprint = $2 AND profile_id > $3
    ORDER BY profile_id OFFSET $5 LIMIT $4
)
SELECT p.id, p.properties, p.first_seen_at, p.last_seen_at,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS identifiers,
       m.entered_at
FROM page
JOIN memberships m ON m.environment_id = $1 AND m.fingerprint = $2 AND m.profile_id = page.profile_id
JOIN profiles p ON p.environment_id = $1 AND p.id = page.profile_id
ORDER BY page.profile_id;

-- name: members_found
-- By position, in the order of profile ids or the last entered first, all of them or those with an identifier that begins
-- so; each with the number of all. Reads the whole index of the segment, and all identifiers with the prefix.
-- args: environment_id, fingerprint bigint, first text, last text (both inclusive, NULL for all), by_entry boolean, n, skipped
-- index: memberships_pkey, identifiers_values, profiles_pkey, identifiers_of_profile
WITH found AS MATERIALIZED (
    SELECT m.profile_id, m.entered_at FROM memberships m
    WHERE m.environment_id = $1 AND m.fingerprint = $2 AND ($3::text IS NULL OR m.profile_id IN (
        SELECT f.profile_id FROM identifiers f WHERE f.environment_id = $1 AND f.value ~>=~ $3 AND f.value ~<=~ $4))
), page AS MATERIALIZED (
    SELECT profile_id, entered_at FROM found
    ORDER BY CASE WHEN $5 THEN entered_at END DESC NULLS LAST, profile_id OFFSET $7 LIMIT $6
)
SELECT p.id, p.properties, p.first_seen_at, p.last_seen_at,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS identifiers,
       m.entered_at, (SELECT count(*) FROM found) AS total
FROM page m JOIN profiles p ON p.environment_id = $1 AND p.id = m.profile_id
ORDER BY CASE WHEN $5 THEN m.entered_at END DESC NULLS LAST, m.profile_id;

-- name: share_lists
-- Keeps edits of lists out until the end of the transaction, so that a new identifier is on the lists that it sees.
-- args: environment_id integer
-- locks: advisory (81, environment), shared, before any profile is locked
SELECT pg_advisory_xact_lock_shared(81, $1);

-- name: hold_lists
-- The same for an edit of lists: identifiers that are being created are visible after it, and none is created meanwhile
-- where there are lists. Edits of one environment wait for each other.
-- args: environment_id integer
-- locks: advisory (81, environment), exclusive, before any profile is locked
SELECT pg_advisory_xact_lock(81, $1);

-- name: lists_of_identifiers
-- args: environment_id integer, kinds text[], values text[]
-- index: listed_identifiers_pkey
SELECT l.kind, l.value, l.segment_id
FROM unnest($2::text[], $3::text[]) AS new (kind, value)
JOIN listed_identifiers l ON l.environment_id = $1 AND l.kind = new.kind AND l.value = new.value
WHERE l.unlisted_at IS NULL;

-- name: lists_of_profiles
-- args: environment_id integer, profile_ids bigint[]
-- index: identifiers_of_profile, listed_identifiers_pkey
SELECT a.profile_id, array_agg(DISTINCT l.segment_id) AS segment_ids
FROM identifiers a
JOIN listed_identifiers l ON l.environment_id = $1 AND l.kind = a.kind AND l.value = a.value
WHERE a.environment_id = $1 AND a.profile_id = ANY ($2) AND l.unlisted_at IS NULL
GROUP BY a.profile_id;

-- name: listings_of
-- When identifiers were on lists, for replays; those that are listed still have no end.
-- args: environment_id integer, identifier_ids bigint[]
-- index: identifiers_environment_id_id_key, listed_identifiers_pkey
SELECT a.id AS identifier_id, l.segment_id, l.listed_at, l.unlisted_at
FROM identifiers a
JOIN listed_identifiers l ON l.environment_id = $1 AND l.kind = a.kind AND l.value = a.value
WHERE a.environment_id = $1 AND a.id = ANY ($2);

-- name: count_listed
-- args: environment_id integer, segment_ids integer[]
-- index: listed_now
SELECT segment_id, count(*) AS n FROM listed_identifiers
WHERE environment_id = $1 AND segment_id = ANY ($2) AND unlisted_at IS NULL GROUP BY segment_id;

-- name: listed_page
-- args: environment_id integer, segment_id integer, after_kind text, after_value text, n
-- index: listed_now, identifiers_pkey
SELECT l.kind, l.value, l.listed_at, a.profile_id
FROM listed_identifiers l
LEFT JOIN identifiers a ON a.environment_id = $1 AND a.kind = l.kind AND a.value = l.value
WHERE l.environment_id = $1 AND l.segment_id = $2 AND l.unlisted_at IS NULL AND (l.kind, l.value) > ($3, $4)
ORDER BY l.kind, l.value
LIMIT $5;

-- name: next_edit
-- args: none
SELECT nextval('list_edit_ids');

-- name: forget_edits
-- Those of a server that was killed are deleted a day later.
-- args: environment_id integer, edit_id bigint, staged_before timestamptz
-- index: list_edits_pkey
DELETE FROM list_edits WHERE environment_id = $1 AND (edit_id = $2 OR staged_at < $3);

-- name: stage_members
-- A snapshot of another segment: of each member the identifiers of its strongest kind. `strongest` has the kinds in order.
-- args: environment_id integer, edit_id bigint, fingerprint bigint, strongest text[], now timestamptz
-- index: memberships_pkey, identifiers_of_profile
INSERT INTO list_edits (environment_id, edit_id, n, adds, kind, value, staged_at)
SELECT $1, $2, row_number() OVER () - 1, true, kind, value, $5
FROM (
    SELECT a.kind, a.value, rank() OVER (
        PARTITION BY a.profile_id ORDER BY coalesce(array_position($4::text[], a.kind), 1000), a.kind) AS place
    FROM memberships m
    JOIN identifiers a ON a.environment_id = $1 AND a.profile_id = m.profile_id
    WHERE m.environment_id = $1 AND m.fingerprint = $3
) AS strongest
WHERE place = 1;

-- name: stage_rest
-- What a replacement removes: all that is listed now and is not in the edit.
-- args: environment_id integer, edit_id bigint, segment_id integer, staged integer, now timestamptz
-- index: listed_now, list_edits_pkey
INSERT INTO list_edits (environment_id, edit_id, n, adds, kind, value, staged_at)
SELECT $1, $2, $4::integer + row_number() OVER () - 1, false, l.kind, l.value, $5
FROM listed_identifiers l
WHERE l.environment_id = $1 AND l.segment_id = $3 AND l.unlisted_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM list_edits e
    WHERE e.environment_id = $1 AND e.edit_id = $2 AND e.kind = l.kind AND e.value = l.value);

-- name: count_edit
-- What an edit would add and remove.
-- args: environment_id integer, edit_id bigint, segment_id integer
-- index: list_edits_pkey, listed_now
SELECT count(DISTINCT (e.kind, e.value)) FILTER (WHERE e.adds AND l.kind IS NULL) AS added,
       count(DISTINCT (e.kind, e.value)) FILTER (WHERE NOT e.adds AND l.kind IS NOT NULL) AS removed
FROM list_edits e
LEFT JOIN listed_identifiers l
    ON l.environment_id = $1 AND l.segment_id = $3 AND l.kind = e.kind AND l.value = e.value AND l.unlisted_at IS NULL
WHERE e.environment_id = $1 AND e.edit_id = $2;

-- name: list_staged
-- The list of a segment that this transaction creates. Its profiles get it by the backfill.
-- args: environment_id integer, edit_id bigint, segment_id integer, now timestamptz
-- index: list_edits_pkey
INSERT INTO listed_identifiers (environment_id, segment_id, kind, value, listed_at)
SELECT DISTINCT $1::integer, $3::integer, kind, value, $4::timestamptz FROM list_edits
WHERE environment_id = $1 AND edit_id = $2 AND adds;

-- name: count_staged
-- args: environment_id integer, edit_id bigint
-- index: list_edits_pkey
SELECT count(*) FROM list_edits WHERE environment_id = $1 AND edit_id = $2;

-- name: unlist_unstaged
-- An erasure does not see a list that is not committed, but it sees the edit. Under the exclusive lock of begin_publish
-- none is under way.
-- args: environment_id integer, edit_id bigint, segment_id integer
-- index: listed_now, list_edits_pkey
DELETE FROM listed_identifiers l
WHERE l.environment_id = $1 AND l.segment_id = $3 AND l.unlisted_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM list_edits e
    WHERE e.environment_id = $1 AND e.edit_id = $2 AND e.kind = l.kind AND e.value = l.value);

-- name: add_to_list
-- A part of an edit: the identifiers that were not listed. One that was unlisted at this instant goes on.
-- args: environment_id integer, edit_id bigint, segment_id integer, first integer, last integer, now timestamptz
-- index: list_edits_pkey, listed_now
WITH part AS MATERIALIZED (
    SELECT DISTINCT kind, value FROM list_edits
    WHERE environment_id = $1 AND edit_id = $2 AND n BETWEEN $4 AND $5 AND adds
)
INSERT INTO listed_identifiers (environment_id, segment_id, kind, value, listed_at)
SELECT $1, $3, p.kind, p.value, $6 FROM part p
WHERE NOT EXISTS (
    SELECT 1 FROM listed_identifiers l
    WHERE l.environment_id = $1 AND l.segment_id = $3 AND l.kind = p.kind AND l.value = p.value AND l.unlisted_at IS NULL)
ON CONFLICT (environment_id, kind, value, segment_id, listed_at) DO UPDATE SET unlisted_at = NULL
RETURNING kind, value;

-- name: remove_from_list
-- The same of those that are removed. A listing of no length is deleted.
-- args: environment_id integer, edit_id bigint, segment_id integer, first integer, last integer, now timestamptz
-- index: list_edits_pkey, listed_now
WITH part AS MATERIALIZED (
    SELECT DISTINCT kind, value FROM list_edits
    WHERE environment_id = $1 AND edit_id = $2 AND n BETWEEN $4 AND $5 AND NOT adds
), ended AS (
    UPDATE listed_identifiers l SET unlisted_at = $6 FROM part p
    WHERE l.environment_id = $1 AND l.segment_id = $3 AND l.kind = p.kind AND l.value = p.value
      AND l.unlisted_at IS NULL AND l.listed_at < $6
    RETURNING l.kind, l.value
), undone AS (
    DELETE FROM listed_identifiers l USING part p
    WHERE l.environment_id = $1 AND l.segment_id = $3 AND l.kind = p.kind AND l.value = p.value
      AND l.unlisted_at IS NULL AND l.listed_at >= $6
    RETURNING l.kind, l.value
)
SELECT kind, value FROM ended UNION ALL SELECT kind, value FROM undone;

-- name: profiles_of_identifiers
-- args: environment_id integer, kinds text[], values text[]
-- index: identifiers_pkey
SELECT DISTINCT a.profile_id
FROM unnest($2::text[], $3::text[]) AS wanted (kind, value)
JOIN identifiers a ON a.environment_id = $1 AND a.kind = wanted.kind AND a.value = wanted.value;
