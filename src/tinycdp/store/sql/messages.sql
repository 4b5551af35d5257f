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

-- name: resolve_identifiers
-- args: environment_id integer, kinds text[], values text[]
-- index: identifiers_pkey
SELECT a.kind, a.value, a.id, a.profile_id, a.owner_id, a.claim_strength, a.claimed_at, a.claimed_by, a.created_at
FROM unnest($2::text[], $3::text[]) AS wanted (kind, value)
JOIN identifiers a ON a.environment_id = $1 AND a.kind = wanted.kind AND a.value = wanted.value;

-- name: identifiers_changed
-- Whether any identifier has changed its profile or claim since it was read; runs under the profiles' locks.
-- args: environment_id integer, ids bigint[], profile_ids bigint[], owner_ids bigint[], claimed_bys text[]
-- index: identifiers_environment_id_id_key
SELECT EXISTS (
    SELECT 1 FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) AS seen (id, profile_id, owner_id, claimed_by)
    JOIN identifiers a ON a.environment_id = $1 AND a.id = seen.id
    WHERE (a.profile_id, a.owner_id, a.claimed_by) IS DISTINCT FROM (seen.profile_id, seen.owner_id, seen.claimed_by));

-- name: next_profile_ids
-- args: n integer
SELECT array_agg(nextval('profile_ids')) FROM generate_series(1, $1);

-- name: create_identifiers
-- Rows that another process created meanwhile are not returned; the caller resolves again.
-- args: environment_id integer, kinds text[], values text[], profile_ids bigint[], now timestamptz
-- index: identifiers_pkey
INSERT INTO identifiers (environment_id, kind, value, profile_id, created_at)
SELECT $1, kind, value, profile_id, $5
FROM unnest($2::text[], $3::text[], $4::bigint[]) AS new (kind, value, profile_id)
ORDER BY kind, value
ON CONFLICT DO NOTHING
RETURNING kind, value, id, profile_id;

-- name: save_claims
-- args: environment_id integer, ids bigint[], owner_ids bigint[], strengths smallint[], ats timestamptz[], bys text[]
-- index: identifiers_environment_id_id_key
UPDATE identifiers a
SET owner_id = c.owner_id, claim_strength = c.strength, claimed_at = c.at, claimed_by = c.by
FROM unnest($2::bigint[], $3::bigint[], $4::smallint[], $5::timestamptz[], $6::text[])
    AS c (id, owner_id, strength, at, by)
WHERE a.environment_id = $1 AND a.id = c.id;

-- name: move_identifiers
-- Every move is recorded in identifier_moves: past decisions need the profile that an identifier had then.
-- args: environment_id integer, ids bigint[], profile_id bigint, now timestamptz
-- index: identifiers_environment_id_id_key
WITH moved AS (
    UPDATE identifiers a SET profile_id = $3 FROM identifiers was
    WHERE a.environment_id = $1 AND a.id = ANY ($2) AND was.environment_id = $1 AND was.id = a.id AND was.profile_id <> $3
    RETURNING a.id, was.profile_id AS from_id
)
INSERT INTO identifier_moves (environment_id, from_id, to_id, identifier_ids, moved_at)
SELECT $1, from_id, $3, array_agg(id ORDER BY id), $4 FROM moved GROUP BY from_id
RETURNING from_id, identifier_ids;

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

-- name: announce
-- Postgres delivers the notifications of one transaction in order.
-- args: payloads text[]
SELECT pg_notify('tinycdp', payload) FROM unnest($1::text[]) AS payload;
