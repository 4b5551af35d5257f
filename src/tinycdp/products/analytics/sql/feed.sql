-- What the feed reads, as COPY writes it and ClickHouse's TabSeparated reads it: a column here is the column of that name
-- there. All statements of a batch run in one snapshot.

-- name: events_of_batch
-- args: environment_id integer, ids bigint[], profile_ids bigint[], restored bigint[], from timestamptz, to timestamptz,
--       bare boolean (without properties and context)
-- index: events_pkey
SELECT e.environment_id, e.id, e.name, e.kind, e.occurred_at AT TIME ZONE 'UTC' AS occurred_at,
       e.received_at AT TIME ZONE 'UTC' AS received_at, coalesce(e.context -> 'active' <> 'false', true) AS active,
       e.identifier_id, g.profile_id, g.profile_id AS stored_profile_id, e.message_id, CASE WHEN $7::boolean THEN '{}' ELSE e.properties END AS properties,
       CASE WHEN $7::boolean THEN '{}' ELSE e.context END AS context, g.restored
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS g (id, profile_id, restored)
JOIN events e ON e.environment_id = $1::integer AND e.id = g.id
WHERE e.received_at BETWEEN $5::timestamptz AND $6::timestamptz AND e.name <> '';

-- name: said_of_batch
-- What each identify set.
-- args: environment_id integer, ids bigint[], from timestamptz, to timestamptz
-- index: events_pkey
SELECT e.environment_id, p.key AS property, e.identifier_id, a.profile_id, e.occurred_at AT TIME ZONE 'UTC' AS at,
       e.message_id, p.value AS value
FROM events e JOIN identifiers a ON a.environment_id = $1::integer AND a.id = e.identifier_id
CROSS JOIN LATERAL jsonb_each(e.properties) AS p
WHERE e.environment_id = $1::integer AND e.id = ANY ($2::bigint[])
  AND e.received_at BETWEEN $3::timestamptz AND $4::timestamptz AND e.kind = 'identify';

-- name: touched_by_batch
-- The local days of its events. Days outside of the calendar that ClickHouse has count as its first or last.
-- args: environment_id integer, ids bigint[], from timestamptz, to timestamptz, zone text, version bigint
-- index: events_pkey
SELECT DISTINCT e.environment_id, e.name,
       least(greatest((e.occurred_at AT TIME ZONE $5::text)::date, '1900-01-01'), '2299-12-31') AS day,
       $6::bigint AS version
FROM events e
WHERE e.environment_id = $1::integer AND e.id = ANY ($2::bigint[])
  AND e.received_at BETWEEN $3::timestamptz AND $4::timestamptz AND e.name <> '';

-- name: noted_of_batch
-- Which profile properties its messages set, and whether one joins a group.
-- args: environment_id integer, ids bigint[], from timestamptz, to timestamptz, version bigint
-- index: events_pkey
SELECT DISTINCT e.environment_id, n.what, n.name, $5::bigint AS version
FROM events e CROSS JOIN LATERAL (
    SELECT 'property' AS what, p.name FROM jsonb_object_keys(e.properties) AS p (name) WHERE e.kind = 'identify'
    UNION ALL
    SELECT 'group', '' WHERE e.kind = 'group') AS n
WHERE e.environment_id = $1::integer AND e.id = ANY ($2::bigint[])
  AND e.received_at BETWEEN $3::timestamptz AND $4::timestamptz AND e.kind IN ('identify', 'group');

-- name: touched_by_moves
-- The local days of all events of identifiers that moved.
-- args: environment_id integer, identifier_ids bigint[], zone text, version bigint
-- index: events_of_identifier
SELECT DISTINCT e.environment_id, e.name,
       least(greatest((e.occurred_at AT TIME ZONE $3::text)::date, '1900-01-01'), '2299-12-31') AS day,
       $4::bigint AS version
FROM events e WHERE e.environment_id = $1::integer AND e.identifier_id = ANY ($2::bigint[]) AND e.name <> '';

-- name: people_of_batch
-- Profiles with the live segments they are in. Those that were merged or erased are not alive, and have nothing. Segments are looked
-- up profile by profile: joined as a whole, a plan made before the tables' first ANALYZE compares every profile with every other.
-- args: environment_id integer, ids bigint[], fingerprints bigint[], segment_ids integer[], version bigint
-- index: profiles_pkey, memberships_pkey
SELECT p.environment_id, p.id AS profile_id, p.properties,
       coalesce(p.first_seen_at, 'epoch') AT TIME ZONE 'UTC' AS first_seen,
       coalesce(p.last_seen_at, 'epoch') AT TIME ZONE 'UTC' AS last_seen, coalesce(p.group_key, '') AS group_key,
       coalesce(o.traits, '{}') AS group_traits, coalesce(i.segments, '[]') AS segments, true AS alive, $5::bigint AS version
FROM profiles p
LEFT JOIN groups o ON o.environment_id = $1::integer AND o.key = p.group_key
LEFT JOIN LATERAL (
    SELECT '[' || string_agg(s.segment_id::text, ',' ORDER BY s.segment_id) || ']' AS segments
    FROM unnest($3::bigint[], $4::integer[]) AS s (fingerprint, segment_id)
    JOIN memberships m ON m.environment_id = $1::integer AND m.fingerprint = s.fingerprint AND m.profile_id = p.id
) i ON true
WHERE p.environment_id = $1::integer AND p.id = ANY ($2::bigint[]) AND p.merged_into IS NULL
UNION ALL
SELECT $1::integer, g.id, '{}', timestamp 'epoch', timestamp 'epoch', '', '{}', '[]', false, $5::bigint
FROM unnest($2::bigint[]) AS g (id)
WHERE NOT EXISTS (
    SELECT 1 FROM profiles p WHERE p.environment_id = $1::integer AND p.id = g.id AND p.merged_into IS NULL);

-- name: moved_of_batch
-- Transitions of these profiles that were recorded since an instant.
-- args: environment_id integer, profile_ids bigint[], since timestamptz
-- index: transitions_of_profile
SELECT t.environment_id, t.segment_id, t.profile_id, t.at AT TIME ZONE 'UTC' AS at, t.entered, t.id
FROM transitions t
WHERE t.environment_id = $1::integer AND t.profile_id = ANY ($2::bigint[]) AND t.recorded_at >= $3::timestamptz;

-- name: exposed_of_batch
-- Exposures with the profile that their unit belongs to now: the one that absorbed the profile they were recorded for.
-- Recorded for no profile, they belong to the one that has an identifier like the unit; 0 for none.
-- args: environment_id integer, firsts bigint[], lasts bigint[], profile_ids bigint[] (all exposures of these as well),
--       since timestamptz, touched bigint[] (those of the identifiers that these have got since then as well)
-- index: exposures_id, exposures_of_unit, profiles_pkey, identifiers_values, identifiers_of_profile
WITH RECURSIVE below AS (
    SELECT id, bucketing_key FROM profiles WHERE environment_id = $1::integer AND id = ANY ($4::bigint[])
    UNION
    SELECT p.id, p.bucketing_key FROM below
    JOIN merges m ON m.environment_id = $1::integer AND m.survivor_id = below.id AND m.undone_at IS NULL
    JOIN profiles p ON p.environment_id = $1::integer AND p.id = m.absorbed_id
), units AS (
    SELECT bucketing_key AS unit FROM below
    UNION
    SELECT a.value FROM identifiers a WHERE a.environment_id = $1::integer AND a.profile_id IN (SELECT id FROM below)
    UNION
    SELECT a.value FROM identifiers a
    WHERE a.environment_id = $1::integer AND a.profile_id = ANY ($6::bigint[]) AND a.created_at >= $5::timestamptz
), found AS (
    SELECT e.id FROM unnest($2::bigint[], $3::bigint[]) AS r (first, last)
    JOIN exposures e ON e.environment_id = $1::integer AND e.id BETWEEN r.first AND r.last
    UNION
    SELECT e.id FROM units u JOIN exposures e ON e.environment_id = $1::integer AND e.unit = u.unit
), chosen AS (
    SELECT e.* FROM found f JOIN exposures e ON e.environment_id = $1::integer AND e.id = f.id
), chain AS (
    SELECT DISTINCT profile_id AS id, profile_id AS at FROM chosen WHERE profile_id IS NOT NULL
    UNION ALL
    SELECT chain.id, p.merged_into FROM chain
    JOIN profiles p ON p.environment_id = $1::integer AND p.id = chain.at WHERE p.merged_into IS NOT NULL
), now_at AS (
    SELECT DISTINCT ON (chain.id) chain.id, chain.at FROM chain
    JOIN profiles p ON p.environment_id = $1::integer AND p.id = chain.at AND p.merged_into IS NULL
)
SELECT c.environment_id, c.definition_id, c.unit,
       coalesce(n.at, c.profile_id, (
           SELECT a.profile_id FROM identifiers a WHERE a.environment_id = $1::integer AND a.value = c.unit
           ORDER BY a.id LIMIT 1), 0) AS profile_id,
       c.variant, c.rule, c.version, c.first_at AT TIME ZONE 'UTC' AS first_at, c.id
FROM chosen c LEFT JOIN now_at n ON n.id = c.profile_id;

-- name: all_events
-- With the profile that each identifier belonged to when the event was received: from the moves since.
-- args: environment_id integer
WITH moves AS (
    SELECT i.identifier_id, m.from_id, m.moved_at AS until,
           coalesce(lag(m.moved_at) OVER (PARTITION BY i.identifier_id ORDER BY m.id), '-infinity') AS since
    FROM identifier_moves m CROSS JOIN LATERAL unnest(m.identifier_ids) AS i (identifier_id)
    WHERE m.environment_id = $1::integer
)
SELECT e.environment_id, e.id, e.name, e.kind, e.occurred_at AT TIME ZONE 'UTC' AS occurred_at,
       e.received_at AT TIME ZONE 'UTC' AS received_at, coalesce(e.context -> 'active' <> 'false', true) AS active,
       e.identifier_id, a.profile_id, coalesce(m.from_id, a.profile_id) AS stored_profile_id, e.message_id,
       e.properties, e.context
FROM events e JOIN identifiers a ON a.environment_id = e.environment_id AND a.id = e.identifier_id
LEFT JOIN moves m ON m.identifier_id = e.identifier_id AND e.received_at >= m.since AND e.received_at < m.until
WHERE e.environment_id = $1::integer AND e.name <> '';

-- name: all_said
-- args: environment_id integer
SELECT e.environment_id, p.key AS property, e.identifier_id, a.profile_id, e.occurred_at AT TIME ZONE 'UTC' AS at,
       e.message_id, p.value AS value
FROM events e JOIN identifiers a ON a.environment_id = $1::integer AND a.id = e.identifier_id
CROSS JOIN LATERAL jsonb_each(e.properties) AS p
WHERE e.environment_id = $1::integer AND e.kind = 'identify';

-- name: all_people
-- Segments are looked up as in people_of_batch.
-- args: environment_id integer, fingerprints bigint[], segment_ids integer[], version bigint
-- index: profiles_pkey, memberships_pkey
SELECT p.environment_id, p.id AS profile_id, p.properties, coalesce(p.first_seen_at, 'epoch') AT TIME ZONE 'UTC' AS first_seen,
       coalesce(p.last_seen_at, 'epoch') AT TIME ZONE 'UTC' AS last_seen, coalesce(p.group_key, '') AS group_key,
       coalesce(o.traits, '{}') AS group_traits, coalesce(i.segments, '[]') AS segments, true AS alive, $4::bigint AS version
FROM profiles p
LEFT JOIN groups o ON o.environment_id = $1::integer AND o.key = p.group_key
LEFT JOIN LATERAL (
    SELECT '[' || string_agg(s.segment_id::text, ',' ORDER BY s.segment_id) || ']' AS segments
    FROM unnest($2::bigint[], $3::integer[]) AS s (fingerprint, segment_id)
    JOIN memberships m ON m.environment_id = $1::integer AND m.fingerprint = s.fingerprint AND m.profile_id = p.id
) i ON true
WHERE p.environment_id = $1::integer AND p.merged_into IS NULL;

-- name: all_moved
-- args: environment_id integer
SELECT t.environment_id, t.segment_id, t.profile_id, t.at AT TIME ZONE 'UTC' AS at, t.entered, t.id
FROM transitions t WHERE t.environment_id = $1::integer;

-- name: all_exposed
-- args: environment_id integer
WITH RECURSIVE chain AS (
    SELECT id, merged_into AS at FROM profiles WHERE environment_id = $1::integer AND merged_into IS NOT NULL
    UNION ALL
    SELECT chain.id, p.merged_into FROM chain
    JOIN profiles p ON p.environment_id = $1::integer AND p.id = chain.at WHERE p.merged_into IS NOT NULL
), now_at AS (
    SELECT DISTINCT ON (chain.id) chain.id, chain.at FROM chain
    JOIN profiles p ON p.environment_id = $1::integer AND p.id = chain.at AND p.merged_into IS NULL
)
SELECT c.environment_id, c.definition_id, c.unit,
       coalesce(n.at, c.profile_id, (
           SELECT a.profile_id FROM identifiers a WHERE a.environment_id = $1::integer AND a.value = c.unit
           ORDER BY a.id LIMIT 1), 0) AS profile_id,
       c.variant, c.rule, c.version, c.first_at AT TIME ZONE 'UTC' AS first_at, c.id
FROM exposures c LEFT JOIN now_at n ON n.id = c.profile_id
WHERE c.environment_id = $1::integer;

-- name: try_feed
-- One process at a time feeds an environment; Postgres lets go of the lock when the connection ends.
-- args: environment_id integer
-- locks: advisory (82, environment), exclusive, held by the connection
SELECT pg_try_advisory_lock(82, $1);

-- name: leave_feed
-- args: environment_id integer
SELECT pg_advisory_unlock(82, $1);

-- name: rename_cursor
-- args: environment_id integer, consumer text, new text
-- index: outbox_cursors_pkey
UPDATE outbox_cursors SET consumer = $3 WHERE environment_id = $1 AND consumer = $2;

-- name: watermark
-- How far an environment's copy is: what was acknowledged before `at` is in it. That is when the oldest unread row was
-- made, or now: a transaction that was acknowledged is visible to this statement.
-- args: environment_id integer, consumer text, now timestamptz
-- index: outbox_cursors_pkey, outbox_pkey
SELECT c.position, coalesce((
           SELECT least(u.at, $3::timestamptz) FROM outbox u
           WHERE u.environment_id = c.environment_id AND u.position > c.position
           ORDER BY u.position LIMIT 1), $3::timestamptz) AS at
FROM outbox_cursors c WHERE c.environment_id = $1 AND c.consumer = $2 AND c.lapsed_at IS NULL;

-- name: standing
-- The watermark with the revisions of the definitions and the newest save, which questions begin with: one statement.
-- args: environment_id integer, consumer text, now timestamptz
-- index: outbox_cursors_pkey, outbox_pkey, environments_pkey, saved_definitions_by_change
SELECT c.position, coalesce((
           SELECT least(u.at, $3::timestamptz) FROM outbox u
           WHERE u.environment_id = c.environment_id AND u.position > c.position
           ORDER BY u.position LIMIT 1), $3::timestamptz) AS at, e.live_revision, e.head_revision,
       (SELECT coalesce(max(s.change), 0) FROM saved_definitions s WHERE s.environment_id = c.environment_id) AS saved
FROM outbox_cursors c JOIN environments e ON e.id = c.environment_id
WHERE c.environment_id = $1 AND c.consumer = $2 AND c.lapsed_at IS NULL;

-- name: lag
-- How far behind an environment's feed is; at most $3 of its unread rows are counted.
-- args: environment_id integer, consumer text, most bigint
-- index: outbox_cursors_pkey, outbox_pkey
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox u WHERE u.environment_id = c.environment_id AND u.position > c.position
                              LIMIT $3) AS unread) AS rows,
       (SELECT u.at FROM outbox u WHERE u.environment_id = c.environment_id AND u.position > c.position
        ORDER BY u.position LIMIT 1) AS oldest_at
FROM outbox_cursors c WHERE c.environment_id = $1 AND c.consumer = $2 AND c.lapsed_at IS NULL;

-- name: months_of_events
-- The months that events have a partition for, as YYYYMM, and those that the default partition has events of.
SELECT replace(substr(inhrelid::regclass::text, 8), '_', '')::integer AS month FROM pg_inherits
WHERE inhparent = 'events'::regclass AND inhrelid::regclass::text ~ '^events_[0-9]{4}_[0-9]{2}$'
UNION
SELECT DISTINCT to_char(received_at AT TIME ZONE 'UTC', 'YYYYMM')::integer FROM events_default;

-- name: counts_by_day
-- Events by name and local day. ClickHouse's calendar begins in 1900 and ends in 2299.
-- args: environment_id integer, zone text
SELECT e.name, least(greatest((e.occurred_at AT TIME ZONE $2::text)::date, '1900-01-01'), '2299-12-31') AS day,
       count(*) AS events
FROM events e WHERE e.environment_id = $1 AND e.name <> ''
GROUP BY 1, 2;

-- name: counts_of_people
-- args: environment_id integer
SELECT count(*) FROM profiles WHERE environment_id = $1 AND merged_into IS NULL;

-- name: counts_of_members
-- args: environment_id integer, fingerprints bigint[], segment_ids integer[]
-- index: memberships_pkey
SELECT s.segment_id, (
    SELECT count(*) FROM memberships m WHERE m.environment_id = $1 AND m.fingerprint = s.fingerprint) AS members
FROM unnest($2::bigint[], $3::integer[]) AS s (fingerprint, segment_id);
