-- name: load_by_alias
-- A profile with all its identifiers, by one of them.
-- args: environment_id integer, kind text, value text
-- index: aliases_pkey, profiles_pkey, aliases_of_profile
SELECT p.id, p.bucketing_key, p.created_at, p.first_seen_at, p.last_seen_at, p.properties, p.state, p.version,
       p.recompute_at, p.merged_into,
       ARRAY(SELECT a.kind || ' ' || a.value FROM aliases a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 1000) AS aliases
FROM aliases f JOIN profiles p ON p.environment_id = $1 AND p.id = f.profile_id
WHERE f.environment_id = $1 AND f.kind = $2 AND f.value = $3;

-- name: load_by_id
-- The same by the profile's id; an absorbed profile's id leads to its survivor.
-- args: environment_id integer, id bigint
-- index: profiles_pkey, aliases_of_profile
WITH RECURSIVE chain AS (
    SELECT id, merged_into FROM profiles WHERE environment_id = $1 AND id = $2
    UNION ALL
    SELECT p.id, p.merged_into FROM chain c JOIN profiles p ON p.environment_id = $1 AND p.id = c.merged_into
)
SELECT p.id, p.bucketing_key, p.created_at, p.first_seen_at, p.last_seen_at, p.properties, p.state, p.version,
       p.recompute_at, p.merged_into,
       ARRAY(SELECT a.kind || ' ' || a.value FROM aliases a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 1000) AS aliases
FROM chain c JOIN profiles p ON p.environment_id = $1 AND p.id = c.id
WHERE c.merged_into IS NULL;

-- name: events_of_profile
-- A person's messages, newest first, older than a position.
-- args: environment_id, profile_id, before_at timestamptz, before_id bigint, n
-- index: aliases_of_profile, events_of_alias
SELECT e.id, e.kind, e.name, e.message_id, e.occurred_at, e.received_at, e.clamped, e.target, e.properties, e.context,
       a.kind AS alias_kind, a.value AS alias_value
FROM aliases a JOIN events e ON e.environment_id = a.environment_id AND e.alias_id = a.id
WHERE a.environment_id = $1 AND a.profile_id = $2 AND (e.occurred_at, e.id) < ($3, $4)
ORDER BY e.occurred_at DESC, e.id DESC
LIMIT $5;

-- name: recent_events
-- The newest messages of an environment, by arrival.
-- args: environment_id, before_id bigint, name text (NULL for all), n
-- index: events_in_order
SELECT e.id, e.kind, e.name, e.message_id, e.occurred_at, e.received_at, e.clamped, e.target, e.properties, e.context,
       a.kind AS alias_kind, a.value AS alias_value, a.profile_id
FROM events e JOIN aliases a ON a.environment_id = e.environment_id AND a.id = e.alias_id
WHERE e.environment_id = $1 AND e.id < $2 AND ($3::text IS NULL OR e.name = $3)
ORDER BY e.id DESC
LIMIT $4;

-- name: search_profiles
-- By the beginning of any identifier, or by one property's exact value.
-- args: environment_id, prefix text (a LIKE pattern, NULL for none), property jsonb (NULL for none), after_id, n
-- index: aliases_values, profiles_properties
SELECT p.id, p.first_seen_at, p.last_seen_at, p.properties,
       ARRAY(SELECT a.kind || ' ' || a.value FROM aliases a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS aliases
FROM profiles p
WHERE p.environment_id = $1 AND p.merged_into IS NULL AND p.id > $4
  AND ($2::text IS NULL OR p.id IN (SELECT profile_id FROM aliases WHERE environment_id = $1 AND value LIKE $2))
  AND ($3::jsonb IS NULL OR p.properties @> $3)
ORDER BY p.id
LIMIT $5;

-- name: transitions_of_profile
-- args: environment_id, profile_id, n
-- index: transitions_of_profile
SELECT id, segment_id, entered, at, recorded_at FROM transitions
WHERE environment_id = $1 AND profile_id = $2 ORDER BY id DESC LIMIT $3;

-- name: count_members
-- args: environment_id, fingerprints bigint[]
-- index: memberships_pkey
SELECT fingerprint, count(*) AS n FROM memberships
WHERE environment_id = $1 AND fingerprint = ANY ($2) GROUP BY fingerprint;

-- name: members
-- Everyone in a segment, in order of id; read through a cursor, so that there is no cap.
-- args: environment_id, fingerprint bigint
-- index: memberships_pkey, profiles_pkey
SELECT p.id, p.properties, p.first_seen_at, p.last_seen_at, m.entered_at,
       ARRAY(SELECT a.kind || ' ' || a.value FROM aliases a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS aliases
FROM memberships m JOIN profiles p ON p.environment_id = $1 AND p.id = m.profile_id
WHERE m.environment_id = $1 AND m.fingerprint = $2
ORDER BY m.profile_id;

-- name: members_page
-- args: environment_id, fingerprint bigint, after_id bigint, n
-- index: memberships_pkey, profiles_pkey
SELECT p.id, p.properties, p.first_seen_at, p.last_seen_at, m.entered_at,
       ARRAY(SELECT a.kind || ' ' || a.value FROM aliases a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS aliases
FROM memberships m JOIN profiles p ON p.environment_id = $1 AND p.id = m.profile_id
WHERE m.environment_id = $1 AND m.fingerprint = $2 AND m.profile_id > $3
ORDER BY m.profile_id
LIMIT $4;

-- name: list_rejections
-- args: environment_id, before_id, n
SELECT id, api_key_id, code, message, path, payload, received_at FROM rejected_messages
WHERE environment_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: figures
-- What the first screen shows: sizes are estimates of the planner where a count would be slow.
-- args: environment_id, now
SELECT (SELECT count(*) FROM profiles WHERE environment_id = $1 AND merged_into IS NULL) AS profiles,
       (SELECT count(*) FROM events WHERE environment_id = $1) AS events,
       (SELECT count(*) FROM memberships WHERE environment_id = $1) AS memberships,
       (SELECT count(*) FROM rejected_messages WHERE environment_id = $1) AS rejected,
       (SELECT count(*) FROM merges WHERE environment_id = $1 AND undone_at IS NULL) AS merges,
       (SELECT count(*) FROM refused_claims WHERE environment_id = $1) AS refused_claims,
       (SELECT count(*) FROM profiles WHERE environment_id = $1 AND recompute_at <= $2) AS overdue,
       (SELECT min(recompute_at) FROM profiles WHERE environment_id = $1 AND recompute_at IS NOT NULL) AS next_due_at,
       (SELECT max(id) FROM events WHERE environment_id = $1) AS last_event_id;

-- name: recent_event_names
-- The names among the newest events: what a typing mistake is held against.
-- args: environment_id
-- index: events_in_order
SELECT DISTINCT name FROM (SELECT name FROM events WHERE environment_id = $1 ORDER BY id DESC LIMIT 10000) AS recent
WHERE name <> '';

-- name: prune_rejections
-- args: before timestamptz
DELETE FROM rejected_messages WHERE received_at < $1;
