-- name: secrets
SELECT id, secret FROM environments;

-- name: suppression_marks
-- Changes whenever the list changes: an addition raises the newest id, a removal lowers the count.
-- index: suppressions_in_order
SELECT environment_id, count(*) AS n, max(id) AS newest FROM suppressions GROUP BY environment_id;

-- name: suppressed
-- args: environment_id
-- index: suppressions_pkey
SELECT digest, kind FROM suppressions WHERE environment_id = $1;

-- name: count_suppressions
-- args: environment_id
SELECT count(*) FROM suppressions WHERE environment_id = $1;

-- name: add_suppressions
-- args: environment_id, digests bytea[], kinds text[], note, now timestamptz, author
-- index: suppressions_pkey
WITH added AS (
    INSERT INTO suppressions (environment_id, digest, kind, note, created_at, created_by)
    SELECT $1, n.digest, n.kind, $4, $5, $6 FROM unnest($2::bytea[], $3::text[]) AS n (digest, kind) ORDER BY n.digest
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM added;

-- name: remove_suppressions
-- args: environment_id, digests bytea[]
-- index: suppressions_pkey
WITH gone AS (DELETE FROM suppressions WHERE environment_id = $1 AND digest = ANY ($2) RETURNING 1)
SELECT count(*) FROM gone;

-- name: list_suppressions
-- args: environment_id, before_id, n
-- index: suppressions_in_order
SELECT id, digest, kind, note, created_at, created_by FROM suppressions
WHERE environment_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: lock_erased_profiles
-- FOR UPDATE: another transaction that uses one of them waits, and then finds no row.
-- args: environment_id, ids bigint[]
-- index: profiles_pkey
-- locks: these rows, in order of id
SELECT id, bucketing_key, created_at, merged_into, state FROM profiles WHERE environment_id = $1 AND id = ANY ($2) ORDER BY id FOR UPDATE;

-- name: hold_exposures
-- Exposures recorded before are written before, or never: record_exposures takes this lock shared.
-- locks: advisory (77, 0), exclusive
SELECT pg_advisory_xact_lock(77, 0);

-- name: is_unit
-- Decisions may exist for an identifier that never sent a message.
-- args: environment_id, units text[]
-- index: exposures_of_unit, session_variants_pkey
SELECT EXISTS (SELECT 1 FROM exposures WHERE environment_id = $1 AND unit = ANY ($2))
    OR EXISTS (SELECT 1 FROM session_variants WHERE environment_id = $1 AND unit = ANY ($2));

-- name: erase_events
-- args: environment_id, identifier_ids bigint[]
-- index: events_of_identifier
DELETE FROM events WHERE environment_id = $1 AND identifier_id = ANY ($2);

-- name: forget_previous
-- Alias calls of other profiles that named this one, and were rejected or withdrawn: they lose the name.
-- args: environment_id, identifier_ids bigint[] and values text[] of the profile
-- index: identity_links_of_owner, events_of_identifier
UPDATE events SET target = NULL
WHERE environment_id = $1 AND kind = 'alias' AND target = ANY ($3) AND identifier_id = ANY (ARRAY(
    SELECT unnest(ARRAY[identifier_id, owner_id]) FROM identity_links
    WHERE environment_id = $1 AND (identifier_id = ANY ($2) OR owner_id = ANY ($2))
    UNION
    SELECT unnest(ARRAY[identifier_id, kept_owner_id, other_owner_id]) FROM rejected_claims
    WHERE environment_id = $1 AND (identifier_id = ANY ($2) OR kept_owner_id = ANY ($2) OR other_owner_id = ANY ($2))));

-- name: erase_memberships
-- args: environment_id, profile_ids bigint[], fingerprints bigint[]
-- index: memberships_pkey
DELETE FROM memberships WHERE environment_id = $1 AND profile_id = ANY ($2) AND fingerprint = ANY ($3);

-- name: erase_transitions
-- args: environment_id, profile_ids bigint[]
-- index: transitions_of_profile
DELETE FROM transitions WHERE environment_id = $1 AND profile_id = ANY ($2);

-- name: erase_exposures
-- args: environment_id, units text[]
-- index: exposures_of_unit
DELETE FROM exposures WHERE environment_id = $1 AND unit = ANY ($2);

-- name: erase_session_variants
-- args: environment_id, units text[]
DELETE FROM session_variants WHERE environment_id = $1 AND unit = ANY ($2);

-- name: erase_identity_links
-- args: environment_id, identifier_ids bigint[]
-- index: identity_links_pkey, identity_links_of_owner
DELETE FROM identity_links WHERE environment_id = $1 AND (identifier_id = ANY ($2) OR owner_id = ANY ($2));

-- name: erase_rejected_claims
-- args: environment_id, identifier_ids bigint[]
DELETE FROM rejected_claims
WHERE environment_id = $1 AND (identifier_id = ANY ($2) OR kept_owner_id = ANY ($2) OR other_owner_id = ANY ($2));

-- name: erase_identifier_moves
-- args: environment_id, profile_ids bigint[], identifier_ids bigint[]
DELETE FROM identifier_moves
WHERE environment_id = $1 AND (identifier_ids && $3 OR from_id = ANY ($2) OR to_id = ANY ($2));

-- name: erase_splits
-- args: environment_id, profile_ids bigint[], identifier_ids bigint[]
DELETE FROM splits WHERE environment_id = $1 AND (profile_id = ANY ($2) OR identifier_ids && $3);

-- name: erase_merges
-- args: environment_id, profile_ids bigint[], identifier_ids bigint[]
DELETE FROM merges
WHERE environment_id = $1 AND (survivor_id = ANY ($2) OR absorbed_id = ANY ($2) OR link_identifier_id = ANY ($3)
                               OR link_owner_id = ANY ($3));

-- name: blank_merges
-- Merges of other profiles that once included this one: the copies of state are deleted. Such a merge can still be
-- undone, because that reads raw events.
-- args: environment_id, identifier_ids bigint[]
UPDATE merges SET survivor = '{}', survivor_state = '', absorbed = '{}', absorbed_state = '',
    identifier_ids = ARRAY(SELECT unnest(identifier_ids) EXCEPT SELECT unnest($2::bigint[]) ORDER BY 1),
    survivor_identifier_ids = ARRAY(SELECT unnest(survivor_identifier_ids) EXCEPT SELECT unnest($2::bigint[]) ORDER BY 1)
WHERE environment_id = $1 AND (identifier_ids && $2 OR survivor_identifier_ids && $2);

-- name: drop_claims_of
-- args: environment_id, owner_ids bigint[]
UPDATE identifiers SET owner_id = NULL, claim_strength = NULL, claimed_at = NULL, claimed_by = NULL
WHERE environment_id = $1 AND owner_id = ANY ($2);

-- name: is_listed
-- An identifier may be on the list of a static segment before any message names it.
-- args: environment_id, kinds text[], values text[]
-- index: listed_identifiers_pkey
SELECT EXISTS (
    SELECT 1 FROM unnest($2::text[], $3::text[]) AS n (kind, value)
    JOIN listed_identifiers l ON l.environment_id = $1 AND l.kind = n.kind AND l.value = n.value);

-- name: erase_listed_identifiers
-- From lists, and from lists of the past.
-- args: environment_id, kinds text[], values text[]
-- index: listed_identifiers_pkey
DELETE FROM listed_identifiers l USING unnest($2::text[], $3::text[]) AS n (kind, value)
WHERE l.environment_id = $1 AND l.kind = n.kind AND l.value = n.value;

-- name: erase_list_edits
-- From edits that are being applied.
-- args: environment_id, kinds text[], values text[]
DELETE FROM list_edits e USING unnest($2::text[], $3::text[]) AS n (kind, value)
WHERE e.environment_id = $1 AND e.kind = n.kind AND e.value = n.value;

-- name: listings_held
-- args: environment_id, kinds text[], values text[]
-- index: listed_identifiers_pkey
SELECT l.kind, l.value, l.listed_at, l.unlisted_at,
       (SELECT key FROM definition_versions v WHERE v.environment_id = $1 AND v.definition_id = l.segment_id
        ORDER BY v.version DESC LIMIT 1) AS segment
FROM unnest($2::text[], $3::text[]) AS n (kind, value)
JOIN listed_identifiers l ON l.environment_id = $1 AND l.kind = n.kind AND l.value = n.value
ORDER BY l.listed_at, l.kind, l.value;

-- name: erase_identifiers
-- args: environment_id, profile_ids bigint[]
-- index: identifiers_of_profile
DELETE FROM identifiers WHERE environment_id = $1 AND profile_id = ANY ($2);

-- name: erase_profiles
-- args: environment_id, profile_ids bigint[]
-- index: profiles_pkey
DELETE FROM profiles WHERE environment_id = $1 AND id = ANY ($2);

-- name: rejections_naming
-- Candidates: the caller decides. They have one of the texts as JSON may write it, or other escapes, \u or \/, as PHP
-- writes them, which may hide one.
-- args: environment_id, texts text[]
SELECT r.id, r.payload, r.message FROM rejected_messages r
WHERE r.environment_id = $1 AND EXISTS (
    SELECT 1 FROM unnest($2::text[]) AS n (text)
    WHERE position(convert_to(n.text, 'UTF8') IN r.payload) > 0 OR position(n.text IN r.message) > 0
       OR position('\x5c75'::bytea IN r.payload) > 0 OR position('\x5c2f'::bytea IN r.payload) > 0);

-- name: dead_letters_naming
-- The same for messages that were accepted but could not be stored.
-- args: environment_id, texts text[]
SELECT d.id, d.payload, d.error AS message FROM dead_letters d
WHERE d.environment_id = $1 AND EXISTS (
    SELECT 1 FROM unnest($2::text[]) AS n (text)
    WHERE position(convert_to(n.text, 'UTF8') IN d.payload) > 0 OR position(n.text IN d.error) > 0
       OR position('\x5c75'::bytea IN d.payload) > 0 OR position('\x5c2f'::bytea IN d.payload) > 0);

-- name: erase_live_batches
-- Batches for readers of the live stream: a quarter of a second of messages, more if a reader is gone.
-- args: environment_id, texts text[] as they stand in JSON
DELETE FROM live_batches b WHERE b.environment_id = $1 AND EXISTS (
    SELECT 1 FROM unnest($2::text[]) AS n (text) WHERE position(convert_to(n.text, 'UTF8') IN b.items) > 0);

-- name: erase_dead_letters
-- args: environment_id, ids bigint[]
-- index: dead_letters_pkey
DELETE FROM dead_letters WHERE environment_id = $1 AND id = ANY ($2);

-- name: erase_rejected_messages
-- args: environment_id, ids bigint[]
-- index: rejected_messages_pkey
DELETE FROM rejected_messages WHERE environment_id = $1 AND id = ANY ($2);

-- name: group_calls_of
-- args: environment_id, identifier_ids bigint[]
-- index: events_of_identifier
SELECT target AS key, message_id FROM events
WHERE environment_id = $1 AND identifier_id = ANY ($2) AND kind = 'group' AND target IS NOT NULL;

-- name: stored_group_traits
-- The traits of groups that stored group calls set: the latest value of each, with its stamp.
-- args: environment_id, keys text[]
-- index: events_of_group
SELECT DISTINCT ON (e.target, t.name) e.target AS key, t.name, t.value, e.occurred_at, e.message_id
FROM events e, jsonb_each(e.properties) AS t (name, value)
WHERE e.environment_id = $1 AND e.kind = 'group' AND e.target = ANY ($2)
ORDER BY e.target, t.name, e.occurred_at DESC, e.message_id COLLATE "C" DESC;

-- name: erase_empty_groups
-- Groups that no other message names.
-- args: environment_id, keys text[]
-- index: groups_pkey, profiles_of_group, events_of_group
DELETE FROM groups g
WHERE g.environment_id = $1 AND g.key = ANY ($2) AND g.traits = '{}'
  AND NOT EXISTS (SELECT 1 FROM profiles p WHERE p.environment_id = $1 AND p.group_key = g.key)
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.environment_id = $1 AND e.kind = 'group' AND e.target = g.key);

-- name: copy_identifiers
-- Under other values and profiles, without claims. The new id of each is found by its value, which is random.
-- args: environment_id, ids bigint[], new values text[], new profile_ids bigint[]
-- index: identifiers_environment_id_id_key
WITH given AS (
    SELECT a.id, a.kind, a.created_at, n.value, n.profile_id
    FROM unnest($2::bigint[], $3::text[], $4::bigint[]) AS n (id, value, profile_id)
    JOIN identifiers a ON a.environment_id = $1 AND a.id = n.id
), made AS (
    INSERT INTO identifiers (environment_id, kind, value, profile_id, created_at)
    SELECT $1, kind, value, profile_id, created_at FROM given ORDER BY created_at, id
    RETURNING id, kind, value
)
SELECT given.id, made.id AS new_id FROM given JOIN made ON made.kind = given.kind AND made.value = given.value;

-- name: planned_events
-- The events with these names.
-- args: environment_id, identifier_ids bigint[], names text[]
-- index: events_of_identifier
SELECT id, name, properties FROM events
WHERE environment_id = $1 AND identifier_id = ANY ($2) AND name = ANY ($3);

-- name: keep_events
-- What is left of an event is its kind, its name, when it happened and arrived, and whether the profile was active.
-- args: environment_id, identifier_ids bigint[], new identifier_ids bigint[]
-- index: events_of_identifier, identifiers_environment_id_id_key
WITH kept AS (
    UPDATE events e SET
        identifier_id = n.new_id, message_id = replace(gen_random_uuid()::text, '-', ''),
        original_at = NULL, sent_at = NULL, target = NULL, properties = '{}', warnings = NULL,
        context = CASE WHEN e.context -> 'active' = 'false' THEN '{"active": false}'::jsonb ELSE '{}' END
    FROM unnest($2::bigint[], $3::bigint[]) AS n (id, new_id)
    WHERE e.environment_id = $1 AND e.identifier_id = n.id
    RETURNING e.id, e.identifier_id, e.received_at
)
SELECT k.id, a.profile_id, k.received_at
FROM kept k JOIN identifiers a ON a.environment_id = $1 AND a.id = k.identifier_id
ORDER BY k.id;

-- name: keep_properties
-- args: environment_id, identifier_ids bigint[], event ids bigint[], properties jsonb[]
-- index: events_of_identifier
UPDATE events e SET properties = n.properties
FROM unnest($3::bigint[], $4::jsonb[]) AS n (id, properties)
WHERE e.environment_id = $1 AND e.identifier_id = ANY ($2) AND e.id = n.id;

-- name: keep_transitions
-- args: environment_id, profile_ids bigint[], new profile_ids bigint[]
-- index: transitions_of_profile
WITH kept AS (
    UPDATE transitions t SET profile_id = n.new_id
    FROM unnest($2::bigint[], $3::bigint[]) AS n (id, new_id)
    WHERE t.environment_id = $1 AND t.profile_id = n.id
    RETURNING t.id, t.profile_id, t.segment_id, t.entered, t.at, t.cause
)
SELECT id, profile_id, segment_id, entered, at, cause FROM kept ORDER BY id;

-- name: keep_exposures
-- args: environment_id, units text[], new units text[], profile_ids bigint[], new profile_ids bigint[]
-- index: exposures_of_unit
UPDATE exposures e SET
    unit = n.new_unit,
    profile_id = (SELECT p.new_id FROM unnest($4::bigint[], $5::bigint[]) AS p (id, new_id) WHERE p.id = e.profile_id)
FROM unnest($2::text[], $3::text[]) AS n (unit, new_unit)
WHERE e.environment_id = $1 AND e.unit = n.unit;

-- name: append_erasure
-- args: environment_id, profiles, profile_ids bigint[], identifier_ids bigint[], digests bytea[], counts json, note, now, author,
--       kind
INSERT INTO erasures (environment_id, profiles, profile_ids, identifier_ids, digests, counts, note, erased_at, erased_by,
                      kind)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id;

-- name: find_erasure
-- args: environment_id, id
SELECT environment_id, id, kind, profiles, profile_ids, identifier_ids, digests, counts, note, erased_at, erased_by
FROM erasures WHERE environment_id = $1 AND id = $2;

-- name: list_erasures
-- args: environment_id, before_id, n
SELECT environment_id, id, kind, profiles, profile_ids, identifier_ids, digests, counts, note, erased_at, erased_by
FROM erasures WHERE environment_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: columns
-- Every column of every table with environments; partitions are part of their table.
SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, NULL) AS type
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND EXISTS (SELECT 1 FROM pg_attribute e WHERE e.attrelid = c.oid AND e.attname = 'environment_id')
ORDER BY c.relname, a.attnum;

-- name: memberships_of
-- args: environment_id, profile_ids bigint[], fingerprints bigint[]
-- index: memberships_pkey
SELECT fingerprint, entered_at FROM memberships
WHERE environment_id = $1 AND profile_id = ANY ($2) AND fingerprint = ANY ($3);

-- name: exposures_held
-- args: environment_id, units text[]
-- index: exposures_of_unit
SELECT e.day::text AS day, e.version, e.variant, e.rule, e.unit, e.first_at,
       (SELECT key FROM definition_versions v WHERE v.environment_id = $1 AND v.definition_id = e.definition_id
        ORDER BY v.version DESC LIMIT 1) AS flag
FROM exposures e WHERE e.environment_id = $1 AND e.unit = ANY ($2) ORDER BY e.first_at;

-- name: session_variants_held
-- args: environment_id, units text[]
SELECT unit, session, variant, kept_until FROM session_variants WHERE environment_id = $1 AND unit = ANY ($2);
