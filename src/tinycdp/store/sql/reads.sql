-- name: load_by_identifier
-- A profile with its identifiers, by one of them.
-- args: environment_id integer, kind text, value text
-- index: identifiers_pkey, profiles_pkey, identifiers_of_profile
SELECT p.id, p.bucketing_key, p.created_at, p.first_seen_at, p.last_seen_at, p.properties, p.state, p.version,
       p.recompute_at, p.merged_into,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 1000) AS identifiers,
       (SELECT live_revision FROM environments WHERE id = $1) AS live_revision
FROM identifiers f JOIN profiles p ON p.environment_id = $1 AND p.id = f.profile_id
WHERE f.environment_id = $1 AND f.kind = $2 AND f.value = $3;

-- name: load_by_id
-- A profile with its identifiers, by its id; the id of a merged profile leads to its survivor.
-- args: environment_id integer, id bigint
-- index: profiles_pkey, identifiers_of_profile
WITH RECURSIVE chain AS (
    SELECT id, merged_into FROM profiles WHERE environment_id = $1 AND id = $2
    UNION ALL
    SELECT p.id, p.merged_into FROM chain c JOIN profiles p ON p.environment_id = $1 AND p.id = c.merged_into
)
SELECT p.id, p.bucketing_key, p.created_at, p.first_seen_at, p.last_seen_at, p.properties, p.state, p.version,
       p.recompute_at, p.merged_into,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 1000) AS identifiers,
       (SELECT live_revision FROM environments WHERE id = $1) AS live_revision
FROM chain c JOIN profiles p ON p.environment_id = $1 AND p.id = c.id
WHERE c.merged_into IS NULL;

-- name: events_of_profile
-- A profile's messages, newest first, older than a position.
-- args: environment_id, profile_id, before_at timestamptz, before_id bigint, n
-- index: identifiers_of_profile, events_of_identifier
SELECT e.id, e.kind, e.name, e.message_id, e.occurred_at, e.received_at, e.clamped, e.target, e.properties, e.context,
       e.warnings, a.kind AS identifier_kind, a.value AS identifier_value
FROM identifiers a JOIN events e ON e.environment_id = a.environment_id AND e.identifier_id = a.id
WHERE a.environment_id = $1 AND a.profile_id = $2 AND (e.occurred_at, e.id) < ($3, $4)
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

-- name: last_event_id
-- args: environment_id
-- index: events_pkey
SELECT coalesce(max(id), 0) FROM events WHERE environment_id = $1;

-- name: search_by_identifier
-- By the prefix of any identifier, in the order of identifiers: a short prefix is as fast as a long one. The bounds are
-- explicit because the planner cannot turn LIKE with a parameter into them.
-- args: environment_id, first text, last text (both inclusive), after_value text, after_kind text, n
-- index: identifiers_values, profiles_pkey
SELECT p.id, p.properties, p.first_seen_at, p.last_seen_at,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS identifiers,
       f.kind, f.value
FROM identifiers f JOIN profiles p ON p.environment_id = $1 AND p.id = f.profile_id
WHERE f.environment_id = $1 AND f.value ~>=~ $2 AND f.value ~<=~ $3
  AND f.value ~>=~ $4 AND (f.value ~>~ $4 OR f.kind ~>~ $5)
ORDER BY f.value USING ~<~, f.kind USING ~<~
LIMIT $6;

-- name: search_by_property
-- By one property's exact value. Materialized, so that a rare value is found by its index and not by scanning profiles.
-- args: environment_id, property jsonb, after_id bigint, n
-- index: profiles_properties, profiles_pkey
WITH found AS MATERIALIZED (
    SELECT id FROM profiles WHERE environment_id = $1 AND merged_into IS NULL AND properties @> $2
), page AS (
    SELECT id FROM found WHERE id > $3 ORDER BY id LIMIT $4
)
SELECT p.id, p.properties, p.first_seen_at, p.last_seen_at,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS identifiers
FROM page JOIN profiles p ON p.environment_id = $1 AND p.id = page.id
ORDER BY p.id;

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

-- name: rejections_by_code
-- Among the newest n, so that the cost is bounded.
-- args: environment_id, n
SELECT code, count(*) AS n
FROM (SELECT code FROM rejected_messages WHERE environment_id = $1 ORDER BY id DESC LIMIT $2) AS newest
GROUP BY code ORDER BY n DESC, code;

-- name: rows_of_profiles
-- For reads.count, which counts these three, or uses the planner's estimate if a count would be slow.
SELECT 1 FROM profiles WHERE environment_id = $1 AND merged_into IS NULL;

-- name: rows_of_events
SELECT 1 FROM events WHERE environment_id = $1;

-- name: rows_of_memberships
SELECT 1 FROM memberships WHERE environment_id = $1;

-- name: figures
-- Figures of an environment. lately: the newest messages, at most n, since an instant.
-- args: environment_id, now, lately_since, n
-- index: profiles_due, events_pkey
SELECT (SELECT count(*) FROM merges WHERE environment_id = $1 AND undone_at IS NULL) AS merges,
       (SELECT count(*) FROM rejected_claims WHERE environment_id = $1) AS rejected_claims,
       (SELECT count(*) FROM profiles WHERE environment_id = $1 AND recompute_at <= $2) AS overdue,
       (SELECT min(recompute_at) FROM profiles WHERE environment_id = $1 AND recompute_at IS NOT NULL) AS next_due_at,
       lately.n AS lately, lately.oldest AS lately_oldest
FROM (SELECT count(*) AS n, min(received_at) AS oldest
      FROM (SELECT received_at FROM events WHERE environment_id = $1 ORDER BY id DESC LIMIT $4) AS newest
      WHERE received_at > $3) AS lately;

-- name: recent_event_names
-- The names of the newest events, the most frequent first, to suggest corrections of misspelt names.
-- args: environment_id
-- index: events_pkey
SELECT name FROM (SELECT name FROM events WHERE environment_id = $1 ORDER BY id DESC LIMIT 10000) AS recent
WHERE name <> '' GROUP BY name ORDER BY count(*) DESC, name;

-- name: property_names_of_profiles
-- The properties of the newest profiles and the kinds of their values, the most frequent first; objects one level deep.
-- A name with a dot is left out, because it looks like a path.
-- args: environment_id, profiles looked at, names at most
-- index: profiles_pkey
WITH sample AS (
    SELECT properties FROM profiles WHERE environment_id = $1 AND merged_into IS NULL ORDER BY id DESC LIMIT $2
), members AS (
    SELECT m.key, m.value, jsonb_typeof(m.value) AS kind FROM sample s CROSS JOIN LATERAL jsonb_each(s.properties) AS m
    WHERE strpos(m.key, '.') = 0
), leaves AS (
    SELECT key AS name, kind FROM members WHERE kind NOT IN ('object', 'null')
    UNION ALL
    SELECT m.key || '.' || inner_member.key, jsonb_typeof(inner_member.value) FROM members m
    CROSS JOIN LATERAL jsonb_each(CASE m.kind WHEN 'object' THEN m.value ELSE '{}' END) AS inner_member
    WHERE strpos(inner_member.key, '.') = 0
)
SELECT name, array_agg(DISTINCT kind) AS kinds FROM leaves GROUP BY name ORDER BY count(*) DESC, name LIMIT $3;

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

-- name: default_partition_holds
-- Whether the default partition has messages of a span of time, of any environment.
-- args: first timestamptz, end timestamptz (exclusive)
SELECT 1 FROM events_default WHERE received_at >= $1 AND received_at < $2 LIMIT 1;
