-- name: begin_group
-- Shared: a publish takes the same lock exclusively, so a group of messages has one revision.
-- args: environment_id integer
-- locks: advisory (74, environment), shared
SELECT pg_advisory_xact_lock_shared(74, $1);

-- name: claim_message_ids
-- Which of these messages are new, at which revision they will be applied, an id in `events` for each, and whether a
-- consumer follows the outbox. Sorted, so that two groups with the same ids wait for each other in one order.
-- args: environment_id integer, digests bytea[]
-- index: message_ids_pkey, outbox_cursors_pkey
WITH fresh AS (
    INSERT INTO message_ids (environment_id, digest)
    SELECT $1, digest FROM unnest($2::bytea[]) AS digest ORDER BY digest
    ON CONFLICT DO NOTHING
    RETURNING digest
)
SELECT live_revision, head_revision, ARRAY(SELECT digest FROM fresh) AS digests,
       ARRAY(SELECT nextval('event_ids') FROM fresh) AS event_ids,
       EXISTS (SELECT 1 FROM outbox_cursors c WHERE c.environment_id = $1 AND c.lapsed_at IS NULL) AS followed
FROM environments WHERE id = $1;

-- name: events_of_profiles
-- Every message of some profiles, for a rebuild, in no order: state does not depend on it.
-- args: environment_id integer, profile_ids bigint[]
-- index: identifiers_of_profile, events_of_identifier
SELECT e.kind, e.name, e.message_id, e.occurred_at, e.received_at, e.target, e.properties,
       coalesce(e.context -> 'active' = 'false', false) AS inactive, a.profile_id
FROM identifiers a
JOIN events e ON e.environment_id = a.environment_id AND e.identifier_id = a.id
WHERE a.environment_id = $1 AND a.profile_id = ANY ($2);

-- name: history_of_profiles
-- The events of some profiles, aggregated into one row per profile and name: a row per event would be several times as
-- slow. Properties are one JSON array, so that the reader can skip what it does not need.
-- args: environment_id integer, profile_ids bigint[], names text[] (NULL for every event), with_ids boolean,
--       with_properties boolean
-- index: identifiers_of_profile, events_of_identifier
SELECT a.profile_id, e.name, array_agg((date_part('epoch', e.occurred_at) * 1000)::bigint) AS instants,
       array_agg(e.message_id) FILTER (WHERE $4) AS ids,
       '[' || string_agg(e.properties::text, ',') FILTER (WHERE $5) || ']' AS properties
FROM identifiers a
JOIN events e ON e.environment_id = a.environment_id AND e.identifier_id = a.id
WHERE a.environment_id = $1 AND a.profile_id = ANY ($2) AND e.name <> '' AND ($3::text[] IS NULL OR e.name = ANY ($3))
GROUP BY a.profile_id, e.name;

-- name: events_of_profile
-- A profile's messages, newest first, older than a position. name, kind: NULL for all; since: inclusive. A rare one is
-- found by reading the profile's messages, of which there are as many as are kept.
-- args: environment_id, profile_id, before_at timestamptz, before_id bigint, n, name text, since timestamptz, kind text
-- index: identifiers_of_profile, events_of_identifier
SELECT e.id, e.kind, e.name, e.message_id, e.occurred_at, e.received_at, e.clamped, e.target, e.properties, e.context,
       e.warnings, a.kind AS identifier_kind, a.value AS identifier_value
FROM identifiers a JOIN events e ON e.environment_id = a.environment_id AND e.identifier_id = a.id
WHERE a.environment_id = $1 AND a.profile_id = $2 AND (e.occurred_at, e.id) < ($3, $4)
  AND ($6::text IS NULL OR e.name = $6) AND e.occurred_at >= $7 AND ($8::text IS NULL OR e.kind = $8)
ORDER BY e.occurred_at DESC, e.id DESC
LIMIT $5;

-- name: recent_events
-- The newest messages of an environment, by arrival. floor_id bounds how far back a rare name is searched.
-- args: environment_id, before_id bigint, floor_id bigint, name text (NULL for all), n
-- index: events_pkey
SELECT e.id, e.kind, e.name, e.message_id, e.occurred_at, e.received_at, e.clamped, e.target, e.properties, e.context,
       e.warnings, a.kind AS identifier_kind, a.value AS identifier_value, a.profile_id
FROM events e JOIN identifiers a ON a.environment_id = e.environment_id AND a.id = e.identifier_id
WHERE e.environment_id = $1 AND e.id < $2 AND e.id >= $3 AND ($4::text IS NULL OR e.name = $4)
ORDER BY e.id DESC
LIMIT $5;

-- name: recent_events_of_profile
-- The newest messages of one profile, by arrival. All of its messages are read: an index has them by when they happened.
-- args: environment_id, profile_id, before_id bigint, name text (NULL for all), n
-- index: identifiers_of_profile, events_of_identifier
SELECT e.id, e.kind, e.name, e.message_id, e.occurred_at, e.received_at, e.clamped, e.target, e.properties, e.context,
       e.warnings, a.kind AS identifier_kind, a.value AS identifier_value, a.profile_id
FROM identifiers a JOIN events e ON e.environment_id = a.environment_id AND e.identifier_id = a.id
WHERE a.environment_id = $1 AND a.profile_id = $2 AND e.id < $3 AND ($4::text IS NULL OR e.name = $4)
ORDER BY e.id DESC
LIMIT $5;

-- name: every_event
-- Events in the order of their arrival, read through a cursor, so there is no limit. names: NULL for all; since, until:
-- when they happened, NULL for any. Reads all messages of the environment: no index has when they happened.
-- args: environment_id, names text[], since timestamptz, until timestamptz (exclusive)
-- index: events_pkey
SELECT e.id, e.name, e.kind, e.occurred_at, e.received_at, a.profile_id, a.kind AS identifier_kind,
       a.value AS identifier_value, e.message_id, e.properties, e.context
FROM events e JOIN identifiers a ON a.environment_id = e.environment_id AND a.id = e.identifier_id
WHERE e.environment_id = $1 AND e.name <> '' AND ($2::text[] IS NULL OR e.name = ANY ($2))
  AND ($3::timestamptz IS NULL OR e.occurred_at >= $3) AND ($4::timestamptz IS NULL OR e.occurred_at < $4)
ORDER BY e.id;

-- name: count_every_event
-- How many `every_event` has.
-- args: environment_id, names text[], since timestamptz, until timestamptz (exclusive)
SELECT count(*) FROM events e
WHERE e.environment_id = $1 AND e.name <> '' AND ($2::text[] IS NULL OR e.name = ANY ($2))
  AND ($3::timestamptz IS NULL OR e.occurred_at >= $3) AND ($4::timestamptz IS NULL OR e.occurred_at < $4);

-- name: last_event_id
-- args: environment_id
-- index: events_pkey
SELECT coalesce(max(id), 0) FROM events WHERE environment_id = $1;

-- name: recent_event_names
-- The names of the newest events, the most frequent first, to suggest corrections of misspelt names.
-- args: environment_id
-- index: events_pkey
SELECT name FROM (SELECT name FROM events WHERE environment_id = $1 ORDER BY id DESC LIMIT 10000) AS recent
WHERE name <> '' GROUP BY name ORDER BY count(*) DESC, name;

-- name: property_names_of_events
-- The properties of the newest events and the kinds of their values, by event.
-- args: environment_id, events looked at, names at most
-- index: events_pkey
WITH sample AS (
    SELECT name, properties FROM events WHERE environment_id = $1 ORDER BY id DESC LIMIT $2
), members AS (
    SELECT s.name AS event, m.key, m.value, jsonb_typeof(m.value) AS kind
    FROM sample s CROSS JOIN LATERAL jsonb_each(s.properties) AS m
    WHERE s.name <> '' AND strpos(m.key, '.') = 0
), leaves AS (
    SELECT event, key AS name, kind FROM members WHERE kind NOT IN ('object', 'null')
    UNION ALL
    SELECT m.event, m.key || '.' || inner_member.key, jsonb_typeof(inner_member.value) FROM members m
    CROSS JOIN LATERAL jsonb_each(CASE m.kind WHEN 'object' THEN m.value ELSE '{}' END) AS inner_member
    WHERE strpos(inner_member.key, '.') = 0
)
SELECT event, name, array_agg(DISTINCT kind) AS kinds FROM leaves
GROUP BY event, name ORDER BY count(*) DESC, event, name LIMIT $3;

-- name: lifetime_of_profile
-- What all events of a profile add up to. A session ends when no event follows for the gap. Only events in which the
-- profile was active count for days and sessions.
-- args: environment_id, profile_id, zone, gap in milliseconds, names text[] and paths text[] of revenue
-- index: identifiers_of_profile, events_of_identifier
WITH own AS MATERIALIZED (
    SELECT e.name, e.occurred_at, e.properties, coalesce(e.context -> 'active' = 'false', false) AS inactive
    FROM identifiers a JOIN events e ON e.environment_id = a.environment_id AND e.identifier_id = a.id
    WHERE a.environment_id = $1 AND a.profile_id = $2 AND e.name <> ''
), spaced AS (
    SELECT occurred_at, lag(occurred_at) OVER (ORDER BY occurred_at) AS previous_at FROM own WHERE NOT inactive
)
SELECT (SELECT count(*) FROM own) AS events, (SELECT min(occurred_at) FROM own) AS first_event_at,
       (SELECT max(occurred_at) FROM own) AS last_event_at,
       (SELECT count(DISTINCT (occurred_at AT TIME ZONE $3::text)::date) FROM spaced) AS active_days,
       (SELECT count(*) FROM spaced
        WHERE previous_at IS NULL OR occurred_at - previous_at >= $4 * interval '1 millisecond') AS sessions,
       (SELECT sum((o.properties #> string_to_array(r.path, '.'))::numeric)
        FROM own o JOIN unnest($5::text[], $6::text[]) AS r (name, path) ON r.name = o.name
        WHERE jsonb_typeof(o.properties #> string_to_array(r.path, '.')) = 'number') AS revenue;
