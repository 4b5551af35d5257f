-- name: next_profile_ids
-- args: n integer
SELECT array_agg(nextval('profile_ids')) FROM generate_series(1, $1);

-- name: lock_profiles
-- In order of id, so that two groups that share profiles cannot deadlock.
-- args: environment_id integer, ids bigint[]
-- index: profiles_pkey
-- locks: these rows, FOR NO KEY UPDATE
SELECT id, bucketing_key, created_at, first_seen_at, last_seen_at, properties, state, version, recompute_at, merged_into
FROM profiles
WHERE environment_id = $1 AND id = ANY ($2)
ORDER BY id
FOR NO KEY UPDATE;

-- name: claim_due_profiles
-- The wake-up: due profiles, the longest overdue first; profiles that another transaction has locked are skipped.
-- args: environment_id integer, now timestamptz, n integer
-- index: profiles_due
-- locks: these rows, FOR NO KEY UPDATE SKIP LOCKED
SELECT id, bucketing_key, created_at, first_seen_at, last_seen_at, properties, state, version, recompute_at, merged_into
FROM profiles
WHERE environment_id = $1 AND recompute_at <= $2
ORDER BY recompute_at
LIMIT $3
FOR NO KEY UPDATE SKIP LOCKED;

-- name: postpone_profile
-- args: environment_id integer, id bigint, recompute_at timestamptz
-- index: profiles_pkey
UPDATE profiles SET recompute_at = $3 WHERE environment_id = $1 AND id = $2;

-- name: next_due_at
-- args: environment_id integer
-- index: profiles_due
SELECT min(recompute_at) FROM profiles WHERE environment_id = $1 AND recompute_at IS NOT NULL;

-- name: try_backfill
-- One process at a time backfills an environment. JIT is off: it would take longer than the reads it compiles. Both
-- settings end when the connection returns to its pool.
-- args: environment_id integer
-- locks: advisory (75, environment), exclusive, held by the connection
SELECT pg_try_advisory_lock(75, $1), set_config('jit', 'off', false);

-- name: write_behind
-- This transaction commits without waiting for the disk, and does not delay those that wait. A crash of the machine may
-- undo it as a whole, together with all later commits.
SET LOCAL synchronous_commit = off;

-- name: profiles_to_backfill
-- The next profiles of a backfill, in order of id, without locks: they are locked when there is something to write.
-- args: environment_id integer, after_id bigint, last_id bigint, n integer
-- index: profiles_pkey
SELECT id, bucketing_key, created_at, first_seen_at, last_seen_at, properties, state, version, recompute_at, merged_into
FROM profiles
WHERE environment_id = $1 AND id > $2 AND id <= $3 AND merged_into IS NULL
ORDER BY id
LIMIT $4;

-- name: claim_unchanged_profiles
-- The profiles that are unchanged since they were read, and that no other transaction has locked to change them.
-- args: environment_id integer, ids bigint[], versions bigint[]
-- index: profiles_pkey
-- locks: these rows, FOR NO KEY UPDATE SKIP LOCKED: it never waits, so it cannot be part of a deadlock
SELECT p.id
FROM unnest($2::bigint[], $3::bigint[]) AS seen (id, version)
JOIN profiles p ON p.environment_id = $1 AND p.id = seen.id
WHERE p.version = seen.version
FOR NO KEY UPDATE OF p SKIP LOCKED;

-- name: save_profiles
-- One version for the whole group, drawn after the locks, so that a profile's version only grows. It is also the position
-- of the outbox row, which is written only if the environment has a consumer; registering one waits for this transaction.
-- The fence shows readers of the outbox that a position was drawn. NULL properties are not changed.
-- args: environment_id integer, ids, firsts, lasts, properties, states, recompute_ats, merged_intos (arrays),
--       now timestamptz, changes json (NULL for none)
-- index: profiles_pkey, outbox_cursors_pkey
-- locks: advisory (79, environment), shared, before the version is taken
WITH fence AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(79, $1)),
v AS MATERIALIZED (SELECT nextval('versions') AS version FROM fence),
saved AS (
    UPDATE profiles p
    SET first_seen_at = s.first_seen_at, last_seen_at = s.last_seen_at,
        properties = coalesce(s.properties, p.properties), state = s.state, version = (SELECT version FROM v),
        recompute_at = s.recompute_at, merged_into = s.merged_into
    FROM unnest($2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::jsonb[], $6::bytea[], $7::timestamptz[], $8::bigint[])
        AS s (id, first_seen_at, last_seen_at, properties, state, recompute_at, merged_into)
    WHERE p.environment_id = $1 AND p.id = s.id
),
queued AS (
    INSERT INTO outbox (environment_id, position, slot, at, changes)
    SELECT $1, version, version / 16384 % 8, $9::timestamptz, $10::json FROM v
    WHERE $10::json IS NOT NULL
      AND EXISTS (SELECT 1 FROM outbox_cursors c WHERE c.environment_id = $1 AND c.lapsed_at IS NULL)
)
SELECT version FROM v;

-- name: insert_profiles
-- args: environment_id integer, version bigint, ids, bucketing_keys, created_ats, firsts, lasts, properties, states,
--       recompute_ats (arrays)
INSERT INTO profiles (environment_id, version, id, bucketing_key, created_at, first_seen_at, last_seen_at, properties,
                      state, recompute_at)
SELECT $1, $2, n.*
FROM unnest($3::bigint[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::jsonb[], $9::bytea[],
            $10::timestamptz[]) AS n;

-- name: next_version
-- args: environment_id integer
-- locks: advisory (79, environment), shared, before the version is taken
WITH fence AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(79, $1))
SELECT nextval('versions') FROM fence;

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

-- name: load_by_identifiers
-- Profiles with their identifiers, each by one of them, which is given back: what load_by_identifier reads, of many.
-- args: environment_id integer, kinds text[], values text[] of as many
-- index: identifiers_pkey, profiles_pkey, identifiers_of_profile
SELECT p.id, p.bucketing_key, p.created_at, p.first_seen_at, p.last_seen_at, p.properties, p.state, p.version,
       p.recompute_at, p.merged_into,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 1000) AS identifiers,
       (SELECT live_revision FROM environments WHERE id = $1) AS live_revision,
       f.kind, f.value
FROM unnest($2::text[], $3::text[]) AS wanted (kind, value)
JOIN identifiers f ON f.environment_id = $1 AND f.kind = wanted.kind AND f.value = wanted.value
JOIN profiles p ON p.environment_id = $1 AND p.id = f.profile_id;

-- name: load_by_value
-- A profile with its identifiers, by one of any kind: of several the first of `kinds`, then by name.
-- args: environment_id integer, value text, kinds text[]
-- index: identifiers_values, profiles_pkey, identifiers_of_profile
WITH strongest AS MATERIALIZED (
    SELECT a.profile_id FROM identifiers a WHERE a.environment_id = $1 AND a.value = $2
    ORDER BY array_position($3::text[], a.kind) NULLS LAST, a.kind LIMIT 1
)
SELECT p.id, p.bucketing_key, p.created_at, p.first_seen_at, p.last_seen_at, p.properties, p.state, p.version,
       p.recompute_at, p.merged_into,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 1000) AS identifiers,
       (SELECT live_revision FROM environments WHERE id = $1) AS live_revision
FROM strongest f JOIN profiles p ON p.environment_id = $1 AND p.id = f.profile_id;

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

-- name: search_by_identifier
-- By the prefix of any identifier, in the order of identifiers: a short prefix is as fast as a long one. The bounds are
-- explicit because the planner cannot turn LIKE with a parameter into them. reach bounds how many identifiers are read to
-- find a profile with rare properties.
-- args: environment_id, first text, last text (both inclusive), after_value text, after_kind text, n, reach,
--       having jsonb, paths text[] and prefixes text[] of properties, fingerprint of a segment or NULL
-- index: identifiers_values, profiles_pkey, memberships_pkey
WITH seen AS (
    SELECT f.kind, f.value, f.profile_id FROM identifiers f
    WHERE f.environment_id = $1 AND f.value ~>=~ $2 AND f.value ~<=~ $3
      AND f.value ~>=~ $4 AND (f.value ~>~ $4 OR f.kind ~>~ $5)
    ORDER BY f.value USING ~<~, f.kind USING ~<~
    LIMIT $7
)
SELECT p.id, p.properties, p.first_seen_at, p.last_seen_at,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS identifiers,
       s.kind, s.value
FROM seen s JOIN profiles p ON p.environment_id = $1 AND p.id = s.profile_id
WHERE p.properties @> $8::jsonb AND NOT EXISTS (
    SELECT 1 FROM unnest($9::text[], $10::text[]) AS w (path, prefix)
    WHERE jsonb_typeof(p.properties #> string_to_array(w.path, '.')) NOT IN ('string', 'number')
       OR starts_with(p.properties #>> string_to_array(w.path, '.'), w.prefix) IS NOT TRUE)
  AND ($11::bigint IS NULL OR EXISTS (
    SELECT 1 FROM memberships m WHERE m.environment_id = $1 AND m.fingerprint = $11 AND m.profile_id = p.id))
ORDER BY s.value USING ~<~, s.kind USING ~<~
LIMIT $6;

-- name: identifier_at
-- The identifier at which a search by prefix stopped reading.
-- args: environment_id, first text, last text, after_value text, after_kind text, reach
-- index: identifiers_values
SELECT f.value, f.kind FROM identifiers f
WHERE f.environment_id = $1 AND f.value ~>=~ $2 AND f.value ~<=~ $3
  AND f.value ~>=~ $4 AND (f.value ~>~ $4 OR f.kind ~>~ $5)
ORDER BY f.value USING ~<~, f.kind USING ~<~
OFFSET $6 - 1 LIMIT 1;

-- name: search_by_properties
-- By exact values of properties, the newest profile first. Materialized, so that a rare value is found by its index and not
-- by scanning profiles.
-- args: environment_id, having jsonb, before_id bigint, n, paths text[] and prefixes text[] of more properties,
--       fingerprint of a segment or NULL
-- index: profiles_properties, profiles_pkey, memberships_pkey
WITH found AS MATERIALIZED (
    SELECT id FROM profiles p
    WHERE environment_id = $1 AND merged_into IS NULL AND properties @> $2 AND NOT EXISTS (
        SELECT 1 FROM unnest($5::text[], $6::text[]) AS w (path, prefix)
        WHERE jsonb_typeof(p.properties #> string_to_array(w.path, '.')) NOT IN ('string', 'number')
           OR starts_with(p.properties #>> string_to_array(w.path, '.'), w.prefix) IS NOT TRUE)
      AND ($7::bigint IS NULL OR EXISTS (
        SELECT 1 FROM memberships m WHERE m.environment_id = $1 AND m.fingerprint = $7 AND m.profile_id = p.id))
), page AS (
    SELECT id FROM found WHERE id < $3 ORDER BY id DESC LIMIT $4
)
SELECT p.id, p.properties, p.first_seen_at, p.last_seen_at,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS identifiers
FROM page JOIN profiles p ON p.environment_id = $1 AND p.id = page.id
ORDER BY p.id DESC;

-- name: newest_profiles
-- The newest profiles, all of them or those whose properties begin with these prefixes. reach bounds how many are read.
-- args: environment_id, before_id bigint, n, reach, paths text[] and prefixes text[] of properties
-- index: profiles_pkey
WITH seen AS (
    SELECT id, properties, first_seen_at, last_seen_at FROM profiles
    WHERE environment_id = $1 AND merged_into IS NULL AND id < $2 ORDER BY id DESC LIMIT $4
)
SELECT s.id, s.properties, s.first_seen_at, s.last_seen_at,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = s.id ORDER BY a.id LIMIT 20) AS identifiers
FROM seen s
WHERE NOT EXISTS (
    SELECT 1 FROM unnest($5::text[], $6::text[]) AS w (path, prefix)
    WHERE jsonb_typeof(s.properties #> string_to_array(w.path, '.')) NOT IN ('string', 'number')
       OR starts_with(s.properties #>> string_to_array(w.path, '.'), w.prefix) IS NOT TRUE)
ORDER BY s.id DESC
LIMIT $3;

-- name: newest_profile_at
-- The profile at which a search of the newest stopped reading.
-- args: environment_id, before_id bigint, reach
-- index: profiles_pkey
SELECT id FROM profiles WHERE environment_id = $1 AND merged_into IS NULL AND id < $2 ORDER BY id DESC OFFSET $3 - 1 LIMIT 1;

-- name: newest_members
-- The newest profiles in a segment, all of them or those whose properties begin with these prefixes. reach bounds how many
-- members are read.
-- args: environment_id, before_id bigint, n, reach, paths text[] and prefixes text[] of properties, fingerprint
-- index: memberships_pkey, profiles_pkey
WITH seen AS (
    SELECT profile_id AS id FROM memberships
    WHERE environment_id = $1 AND fingerprint = $7 AND profile_id < $2 ORDER BY profile_id DESC LIMIT $4
)
SELECT p.id, p.properties, p.first_seen_at, p.last_seen_at,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 20) AS identifiers
FROM seen s JOIN profiles p ON p.environment_id = $1 AND p.id = s.id
WHERE NOT EXISTS (
    SELECT 1 FROM unnest($5::text[], $6::text[]) AS w (path, prefix)
    WHERE jsonb_typeof(p.properties #> string_to_array(w.path, '.')) NOT IN ('string', 'number')
       OR starts_with(p.properties #>> string_to_array(w.path, '.'), w.prefix) IS NOT TRUE)
ORDER BY p.id DESC
LIMIT $3;

-- name: newest_member_at
-- The member at which a search of the newest members stopped reading.
-- args: environment_id, before_id bigint, reach, fingerprint
-- index: memberships_pkey
SELECT profile_id FROM memberships
WHERE environment_id = $1 AND fingerprint = $4 AND profile_id < $2 ORDER BY profile_id DESC OFFSET $3 - 1 LIMIT 1;

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
