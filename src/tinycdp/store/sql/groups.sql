-- name: add_groups
-- args: environment_id integer, keys text[], now timestamptz
INSERT INTO groups (environment_id, key, traits, stamps, created_at, changed_at)
SELECT $1, key, '{}', '{}', $3, $3 FROM unnest($2::text[]) AS key
ON CONFLICT DO NOTHING;

-- name: lock_groups
-- In order of key, so that two transactions with the same groups cannot deadlock. Locked until new members are saved: a
-- concurrent change of traits waits, and then finds them.
-- args: environment_id integer, keys text[]
-- index: groups_pkey
-- locks: these rows, FOR NO KEY UPDATE
SELECT key, traits, stamps FROM groups WHERE environment_id = $1 AND key = ANY ($2) ORDER BY key FOR NO KEY UPDATE;

-- name: save_groups
-- args: environment_id integer, keys text[], traits jsonb[], stamps jsonb[], now timestamptz
-- index: groups_pkey
UPDATE groups g SET traits = s.traits, stamps = s.stamps, changed_at = $5
FROM unnest($2::text[], $3::jsonb[], $4::jsonb[]) AS s (key, traits, stamps)
WHERE g.environment_id = $1 AND g.key = s.key;

-- name: note_group_changes
-- Queues the groups for the worker, which updates their members from the first one on.
-- args: environment_id integer, keys text[]
INSERT INTO group_changes (environment_id, key) SELECT $1, key FROM unnest($2::text[]) AS key ORDER BY key
ON CONFLICT (environment_id, key) DO UPDATE SET at_profile_id = 0, version = EXCLUDED.version;

-- name: traits_of_groups
-- args: environment_id integer, keys text[]
-- index: groups_pkey
SELECT key, traits FROM groups WHERE environment_id = $1 AND key = ANY ($2);

-- name: traits_of_groups_at
-- As messages received by an instant set them.
-- args: environment_id integer, keys text[], at timestamptz
-- index: events_of_group
SELECT DISTINCT ON (e.target, t.name) e.target AS key, t.name, t.value
FROM events e, jsonb_each(e.properties) AS t (name, value)
WHERE e.environment_id = $1 AND e.kind = 'group' AND e.target = ANY ($2) AND e.received_at <= $3
ORDER BY e.target, t.name, e.occurred_at DESC, e.message_id COLLATE "C" DESC;

-- name: join_groups
-- args: environment_id integer, ids bigint[], keys text[]
-- index: profiles_pkey
UPDATE profiles p SET group_key = j.key FROM unnest($2::bigint[], $3::text[]) AS j (id, key)
WHERE p.environment_id = $1 AND p.id = j.id;

-- name: claim_group_change
-- The oldest change, unless another process works on one. The row is not locked: a transaction that notes a change has
-- locked members.
-- args: environment_id integer
-- locks: advisory (76, environment), exclusive
SELECT c.key, c.version, c.at_profile_id
FROM (SELECT pg_try_advisory_xact_lock(76, $1) AS mine) l, LATERAL (
    SELECT key, version, at_profile_id FROM group_changes WHERE environment_id = $1 AND l.mine ORDER BY version LIMIT 1
) c;

-- name: changing_groups
-- Groups with members that do not have the present traits yet.
-- args: environment_id integer
SELECT g.key, g.traits FROM group_changes c JOIN groups g ON g.environment_id = c.environment_id AND g.key = c.key
WHERE c.environment_id = $1;

-- name: members_to_change
-- The next members, locked in order of id.
-- args: environment_id integer, key text, after_id bigint, n integer
-- index: profiles_of_group
-- locks: these rows, FOR NO KEY UPDATE
SELECT id, bucketing_key, created_at, first_seen_at, last_seen_at, properties, state, version, recompute_at, merged_into
FROM profiles
WHERE environment_id = $1 AND group_key = $2 AND id > $3 AND merged_into IS NULL
ORDER BY id
LIMIT $4
FOR NO KEY UPDATE;

-- name: advance_group_change
-- Changes nothing if the traits changed again.
-- args: environment_id integer, key text, version bigint, at_profile_id bigint
UPDATE group_changes SET at_profile_id = $4 WHERE environment_id = $1 AND key = $2 AND version = $3;

-- name: finish_group_change
-- args: environment_id integer, key text, version bigint
DELETE FROM group_changes WHERE environment_id = $1 AND key = $2 AND version = $3;

-- name: list_groups
-- args: environment_id integer, after_key text, n integer
-- index: groups_pkey
SELECT key, traits, created_at, changed_at FROM groups WHERE environment_id = $1 AND key > $2 ORDER BY key LIMIT $3;

-- name: find_group
-- index: groups_pkey, profiles_of_group
-- args: environment_id integer, key text
SELECT g.key, g.traits, g.created_at, g.changed_at,
       (SELECT count(*) FROM profiles p
        WHERE p.environment_id = $1 AND p.group_key = $2 AND p.merged_into IS NULL) AS members
FROM groups g WHERE g.environment_id = $1 AND g.key = $2;

-- name: members_of_group
-- args: environment_id integer, key text, after_id bigint, n integer
-- index: profiles_of_group, identifiers_of_profile
SELECT p.id, p.properties, p.first_seen_at, p.last_seen_at,
       array(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS identifiers
FROM profiles p
WHERE p.environment_id = $1 AND p.group_key = $2 AND p.id > $3 AND p.merged_into IS NULL
ORDER BY p.id
LIMIT $4;

-- name: trait_names_of_groups
-- The names of the traits of groups, the most frequent first; objects one level deep.
-- A name with a dot is left out, because it looks like a path.
-- args: environment_id, groups looked at, names at most
-- index: groups_pkey
WITH sample AS (
    SELECT traits FROM groups WHERE environment_id = $1 ORDER BY key LIMIT $2
), members AS (
    SELECT m.key, m.value, jsonb_typeof(m.value) AS kind FROM sample s CROSS JOIN LATERAL jsonb_each(s.traits) AS m
    WHERE strpos(m.key, '.') = 0
), leaves AS (
    SELECT key AS name FROM members WHERE kind NOT IN ('object', 'null')
    UNION ALL
    SELECT m.key || '.' || inner_member.key FROM members m
    CROSS JOIN LATERAL jsonb_each(CASE m.kind WHEN 'object' THEN m.value ELSE '{}' END) AS inner_member
    WHERE strpos(inner_member.key, '.') = 0
)
SELECT name FROM leaves GROUP BY name ORDER BY count(*) DESC, name LIMIT $3;
