-- name: open_syncs
-- Of new syncs, and of those whose document changed: all people are looked at. Messages are kept out meanwhile, so what was
-- marked before needs no other look.
-- args: environment_id integer, definition_ids integer[]
-- index: sync_states_pkey
INSERT INTO sync_states (environment_id, definition_id, mark)
SELECT $1, d.id, v.position
FROM (SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS position FROM versions) AS v,
     unnest($2::integer[]) AS d (id)
ON CONFLICT (environment_id, definition_id) DO UPDATE SET
    generation = sync_states.generation + 1, scan = 'all', scan_after = 0, scan_profiles = 0, scan_differences = 0,
    next_run_at = NULL;

-- name: overtake_syncs
-- Of destinations whose documents changed: a run that is on its way writes nothing any more, and the next one reads them.
-- args: environment_id integer, destination_ids integer[]
-- index: sync_states_pkey
UPDATE sync_states SET generation = generation + 1 WHERE environment_id = $1 AND destination_id = ANY ($2::integer[]);

-- name: close_syncs
-- args: environment_id integer, definition_ids integer[]
-- index: sync_states_pkey, sync_records_pkey, sync_removals_pkey
WITH known AS (DELETE FROM sync_records WHERE environment_id = $1 AND definition_id = ANY ($2::integer[])),
     leaving AS (DELETE FROM sync_removals WHERE environment_id = $1 AND definition_id = ANY ($2::integer[]))
DELETE FROM sync_states WHERE environment_id = $1 AND definition_id = ANY ($2::integer[]);

-- name: count_syncs
-- args: environment_id integer
-- index: sync_states_pkey
SELECT count(*) FROM sync_states WHERE environment_id = $1;

-- name: drop_marks
-- Of an environment whose last sync was deleted.
-- args: environment_id integer
-- index: sync_marks_pkey
DELETE FROM sync_marks WHERE environment_id = $1;

-- name: try_sync
-- One process at a time runs the syncs of an environment; Postgres lets go of the lock when the connection ends.
-- args: environment_id integer
-- locks: advisory (85, environment), exclusive, held by the connection
SELECT pg_try_advisory_lock(85, $1);

-- name: mark_profiles
-- args: environment_id integer, profile_ids bigint[], marks bigint[]
-- index: sync_marks_pkey
INSERT INTO sync_marks (environment_id, profile_id, mark)
SELECT $1, n.id, n.mark FROM unnest($2::bigint[], $3::bigint[]) AS n (id, mark)
ON CONFLICT (environment_id, profile_id) DO UPDATE SET mark = excluded.mark;

-- name: prune_marks
-- What all syncs have looked at.
-- args: environment_id integer, n integer
-- index: sync_marks_in_order, sync_states_pkey
DELETE FROM sync_marks WHERE environment_id = $1 AND profile_id IN (
    SELECT m.profile_id FROM sync_marks m
    WHERE m.environment_id = $1
      AND m.mark <= (SELECT min(s.mark) - 1 FROM sync_states s WHERE s.environment_id = $1)
    ORDER BY m.mark LIMIT $2);

-- name: rescan_syncs
-- After a time that is lost, all people are looked at.
-- args: environment_id integer
-- index: sync_states_pkey
UPDATE sync_states SET generation = generation + 1, scan = 'all', scan_after = 0, scan_profiles = 0, scan_differences = 0
WHERE environment_id = $1;

-- name: see_sync
-- args: environment_id integer, definition_id integer
-- index: sync_states_pkey
SELECT destination_id, meaning, generation, mark, mark_profile, scan, scan_after, scan_profiles, scan_differences, last_run,
       last_number, state, reason, is_requested, next_run_at, ran_at, problem, last_success_at, last_failure_at,
       last_failure, sent, removed, next_proof_at, proved_at, proof_profiles, proof_differences, differences
FROM sync_states WHERE environment_id = $1 AND definition_id = $2;

-- name: begin_run
-- The run before, if it is still on its way, writes nothing any more.
-- args: environment_id integer, definition_id integer, generation bigint, now timestamptz
-- index: sync_states_pkey
-- locks: the row
UPDATE sync_states SET generation = generation + 1, last_run = last_run + 1, is_requested = false, ran_at = $4
WHERE environment_id = $1 AND definition_id = $2 AND generation = $3
RETURNING destination_id, meaning, generation, mark, mark_profile, scan, scan_after, scan_profiles, scan_differences, last_run,
          last_number, state, reason, is_requested, next_run_at, ran_at, problem, last_success_at, last_failure_at,
          last_failure, sent, removed, next_proof_at, proved_at, proof_profiles, proof_differences, differences;

-- name: begin_scan
-- args: environment_id integer, definition_id integer, generation bigint, scan text, meaning bytea
-- index: sync_states_pkey
UPDATE sync_states SET scan = $4, scan_after = 0, scan_profiles = 0, scan_differences = 0, meaning = $5
WHERE environment_id = $1 AND definition_id = $2 AND generation = $3;

-- name: begin_anew
-- Another destination has nothing of the people yet.
-- args: environment_id integer, definition_id integer, generation bigint, destination_id integer
-- index: sync_states_pkey, sync_records_pkey, sync_removals_pkey
WITH ours AS (
    UPDATE sync_states SET destination_id = $4, scan = 'all', scan_after = 0, scan_profiles = 0, scan_differences = 0,
        keys_before = 0
    WHERE environment_id = $1 AND definition_id = $2 AND generation = $3 RETURNING definition_id
), known AS (
    DELETE FROM sync_records r USING ours WHERE r.environment_id = $1 AND r.definition_id = ours.definition_id
)
DELETE FROM sync_removals r USING ours WHERE r.environment_id = $1 AND r.definition_id = ours.definition_id;

-- name: hold_sync
-- args: environment_id integer, definition_id integer, generation bigint
-- index: sync_states_pkey
-- locks: the row
SELECT last_number FROM sync_states WHERE environment_id = $1 AND definition_id = $2 AND generation = $3 FOR UPDATE;

-- name: number_sends
-- args: environment_id integer, definition_id integer, last_number bigint
-- index: sync_states_pkey
UPDATE sync_states SET last_number = $3 WHERE environment_id = $1 AND definition_id = $2;

-- name: count_sends
-- args: environment_id integer, definition_id integer, sent bigint, removed bigint, success_at timestamptz or null,
--       failure_at timestamptz or null, failure text
-- index: sync_states_pkey
UPDATE sync_states SET sent = sent + $3::bigint, removed = removed + $4::bigint,
    last_success_at = coalesce($5::timestamptz, last_success_at),
    last_failure_at = coalesce($6::timestamptz, last_failure_at),
    last_failure = CASE WHEN $6::timestamptz IS NULL THEN last_failure ELSE $7::text END
WHERE environment_id = $1 AND definition_id = $2;

-- name: move_mark
-- args: environment_id integer, definition_id integer, mark bigint, profile_id bigint
-- index: sync_states_pkey
UPDATE sync_states SET mark = $3, mark_profile = $4 WHERE environment_id = $1 AND definition_id = $2;

-- name: move_scan
-- args: environment_id integer, definition_id integer, after bigint, profiles bigint, differences bigint
-- index: sync_states_pkey
UPDATE sync_states SET scan_after = $3, scan_profiles = scan_profiles + $4::bigint,
    scan_differences = scan_differences + $5::bigint
WHERE environment_id = $1 AND definition_id = $2;

-- name: end_scan
-- args: environment_id integer, definition_id integer, generation bigint, now timestamptz, next_proof_at timestamptz
-- index: sync_states_pkey
UPDATE sync_states SET scan = '', proved_at = $4, next_proof_at = $5, proof_profiles = scan_profiles,
    proof_differences = CASE WHEN scan = 'proof' THEN scan_differences ELSE 0 END,
    differences = differences + CASE WHEN scan = 'proof' THEN scan_differences ELSE 0 END
WHERE environment_id = $1 AND definition_id = $2 AND generation = $3;

-- name: end_run
-- args: environment_id integer, definition_id integer, generation bigint, next_run_at timestamptz, problem text, state text,
--       reason text
-- index: sync_states_pkey
UPDATE sync_states SET next_run_at = CASE WHEN is_requested THEN NULL ELSE $4::timestamptz END, problem = $5, state = $6,
    reason = $7
WHERE environment_id = $1 AND definition_id = $2 AND generation = $3;

-- name: marked_profiles
-- args: environment_id integer, mark bigint, profile_id bigint, upto bigint, n integer
-- index: sync_marks_in_order
SELECT profile_id, mark FROM sync_marks
WHERE environment_id = $1 AND (mark, profile_id) > ($2, $3) AND mark <= $4
ORDER BY mark, profile_id LIMIT $5;

-- name: marked_to
-- All marks up to this position are there: they are written with it.
-- args: environment_id integer, consumer text
-- index: outbox_cursors_pkey
SELECT position FROM outbox_cursors WHERE environment_id = $1 AND consumer = $2;

-- name: due_records
-- args: environment_id integer, definition_id integer, now timestamptz, n integer
-- index: sync_records_due
SELECT profile_id FROM sync_records WHERE environment_id = $1 AND definition_id = $2 AND next_change_at <= $3
ORDER BY next_change_at LIMIT $4;

-- name: next_due
-- args: environment_id integer, definition_id integer
-- index: sync_records_due
SELECT min(next_change_at) FROM sync_records
WHERE environment_id = $1 AND definition_id = $2 AND next_change_at IS NOT NULL;

-- name: unsettled_records
-- But for those that an attempt failed.
-- args: environment_id integer, definition_id integer, run bigint, after_id bigint, n integer
-- index: sync_records_unsettled
SELECT profile_id FROM sync_records
WHERE environment_id = $1 AND definition_id = $2 AND state IN ('sending', 'failed', 'waiting')
  AND tried_run < $3 AND attempts = 0 AND profile_id > $4
ORDER BY profile_id LIMIT $5;

-- name: records_to_retry
-- Those that an attempt failed; those that failed least often first, so that all get their turn.
-- args: environment_id integer, definition_id integer, run bigint, n integer
-- index: sync_records_unsettled
SELECT profile_id FROM sync_records
WHERE environment_id = $1 AND definition_id = $2 AND state IN ('sending', 'failed') AND tried_run < $3 AND attempts > 0
ORDER BY attempts, profile_id LIMIT $4;

-- name: candidates
-- People whose record a scan looks at: members, or all people, and all that the ledger has.
-- args: environment_id integer, definition_id integer, fingerprint bigint or null, after_id bigint, n integer
-- index: profiles_pkey, memberships_pkey, sync_records_pkey
SELECT id FROM (
    (SELECT p.id FROM profiles p
     WHERE $3::bigint IS NULL AND p.environment_id = $1 AND p.id > $4 AND p.merged_into IS NULL ORDER BY p.id LIMIT $5)
    UNION
    (SELECT m.profile_id FROM memberships m
     WHERE m.environment_id = $1 AND m.fingerprint = $3::bigint AND m.profile_id > $4 ORDER BY m.profile_id LIMIT $5)
    UNION
    (SELECT r.profile_id FROM sync_records r
     WHERE r.environment_id = $1 AND r.definition_id = $2 AND r.profile_id > $4 ORDER BY r.profile_id LIMIT $5)
) AS c (id)
ORDER BY id LIMIT $5;

-- name: synced_profiles
-- Profiles with all that a record may say. Merged ones are left out.
-- args: environment_id integer, profile_ids bigint[]
-- index: profiles_pkey, identifiers_of_profile
SELECT p.id, p.bucketing_key, p.created_at, p.first_seen_at, p.last_seen_at, p.properties, p.state, p.version,
       p.recompute_at, p.merged_into,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 1000) AS identifiers
FROM profiles p WHERE p.environment_id = $1 AND p.id = ANY ($2::bigint[]) AND p.merged_into IS NULL
ORDER BY p.id;

-- name: find_entries
-- Of some people, and of those who have some keys.
-- args: environment_id integer, definition_id integer, profile_ids bigint[], match_keys text[]
-- index: sync_records_pkey, sync_records_by_key
SELECT profile_id, match_key, hash, number, state, next_change_at, attempts, reason, tried_run
FROM sync_records WHERE environment_id = $1 AND definition_id = $2 AND profile_id = ANY ($3::bigint[])
UNION
SELECT profile_id, match_key, hash, number, state, next_change_at, attempts, reason, tried_run
FROM sync_records WHERE environment_id = $1 AND definition_id = $2 AND match_key = ANY ($4::text[]);

-- name: find_removals
-- args: environment_id integer, definition_id integer, match_keys text[]
-- index: sync_removals_pkey
SELECT match_key, profile_id, hash, number, is_allowed, attempts, reason, tried_run
FROM sync_removals WHERE environment_id = $1 AND definition_id = $2 AND match_key = ANY ($3::text[]);

-- name: release_keys
-- Before they are given to others: at no instant do two people have one key.
-- args: environment_id integer, definition_id integer, profile_ids bigint[]
-- index: sync_records_pkey
UPDATE sync_records SET match_key = NULL
WHERE environment_id = $1 AND definition_id = $2 AND profile_id = ANY ($3::bigint[]) AND match_key IS NOT NULL;

-- name: drop_entries
-- args: environment_id integer, definition_id integer, profile_ids bigint[]
-- index: sync_records_pkey
DELETE FROM sync_records WHERE environment_id = $1 AND definition_id = $2 AND profile_id = ANY ($3::bigint[]);

-- name: put_entries
-- args: environment_id integer, definition_id integer, arrays of profile_id, match_key, hash, number, state, next_change_at,
--       attempts, reason, tried_run
-- index: sync_records_pkey
INSERT INTO sync_records (environment_id, definition_id, profile_id, match_key, hash, number, state, next_change_at, attempts,
                          reason, tried_run)
SELECT $1, $2, n.* FROM unnest($3::bigint[], $4::text[], $5::bytea[], $6::bigint[], $7::text[], $8::timestamptz[],
                               $9::integer[], $10::text[], $11::bigint[]) AS n
ON CONFLICT (environment_id, definition_id, profile_id) DO UPDATE SET
    match_key = excluded.match_key, hash = excluded.hash, number = excluded.number, state = excluded.state,
    next_change_at = excluded.next_change_at, attempts = excluded.attempts, reason = excluded.reason,
    tried_run = excluded.tried_run;

-- name: drop_removals
-- args: environment_id integer, definition_id integer, match_keys text[]
-- index: sync_removals_pkey
DELETE FROM sync_removals WHERE environment_id = $1 AND definition_id = $2 AND match_key = ANY ($3::text[]);

-- name: put_removals
-- args: environment_id integer, definition_id integer, arrays of match_key, profile_id, hash, number, is_allowed, attempts,
--       reason, tried_run
-- index: sync_removals_pkey
INSERT INTO sync_removals (environment_id, definition_id, match_key, profile_id, hash, number, is_allowed, attempts, reason,
                           tried_run)
SELECT $1, $2, n.* FROM unnest($3::text[], $4::bigint[], $5::bytea[], $6::bigint[], $7::boolean[], $8::integer[], $9::text[],
                               $10::bigint[]) AS n
ON CONFLICT (environment_id, definition_id, match_key) DO UPDATE SET
    profile_id = excluded.profile_id, hash = excluded.hash, number = excluded.number, is_allowed = excluded.is_allowed,
    attempts = excluded.attempts, reason = excluded.reason, tried_run = excluded.tried_run;

-- name: count_leaving
-- Removals that the brake has not let pass, the keys that the receiver has without them, and those that it had when the brake
-- let everything pass.
-- args: environment_id integer, definition_id integer
-- index: sync_removals_pkey, sync_records_by_key, sync_states_pkey
SELECT (SELECT count(*) FROM sync_removals r
        WHERE r.environment_id = $1 AND r.definition_id = $2 AND NOT r.is_allowed) AS leaving,
       (SELECT count(*) FROM sync_records r
        WHERE r.environment_id = $1 AND r.definition_id = $2 AND r.match_key IS NOT NULL) AS known,
       coalesce((SELECT s.keys_before FROM sync_states s WHERE s.environment_id = $1 AND s.definition_id = $2), 0) AS before;

-- name: allow_removals
-- keys: that the receiver has without them; the share of the next removals is counted of these.
-- args: environment_id integer, definition_id integer, keys bigint
-- index: sync_removals_pkey, sync_states_pkey
WITH passed AS (UPDATE sync_states SET keys_before = $3 WHERE environment_id = $1 AND definition_id = $2)
UPDATE sync_removals SET is_allowed = true WHERE environment_id = $1 AND definition_id = $2 AND NOT is_allowed;

-- name: allow_erased
-- What was erased does not wait for the brake.
-- args: environment_id integer, definition_id integer, profile_ids bigint[]
-- index: sync_removals_pkey
UPDATE sync_removals SET is_allowed = true
WHERE environment_id = $1 AND definition_id = $2 AND profile_id = ANY ($3::bigint[]) AND NOT is_allowed;

-- name: forget_removals
-- Of a sync that leaves at the receiver what it has.
-- args: environment_id integer, definition_id integer
-- index: sync_removals_pkey
DELETE FROM sync_removals WHERE environment_id = $1 AND definition_id = $2;

-- name: removals_to_send
-- But for those that an attempt failed.
-- args: environment_id integer, definition_id integer, run bigint, n integer
-- index: sync_removals_pkey
SELECT match_key, profile_id, hash, number, is_allowed, attempts, reason, tried_run
FROM sync_removals WHERE environment_id = $1 AND definition_id = $2 AND is_allowed AND tried_run < $3 AND attempts = 0
ORDER BY match_key LIMIT $4;

-- name: removals_to_retry
-- Those that an attempt failed; those that failed least often first, so that all get their turn.
-- args: environment_id integer, definition_id integer, run bigint, n integer
-- index: sync_removals_pkey
SELECT match_key, profile_id, hash, number, is_allowed, attempts, reason, tried_run
FROM sync_removals WHERE environment_id = $1 AND definition_id = $2 AND is_allowed AND tried_run < $3 AND attempts > 0
ORDER BY attempts, match_key LIMIT $4;

-- name: request_run
-- args: environment_id integer, definition_id integer
-- index: sync_states_pkey
UPDATE sync_states SET is_requested = true, next_run_at = NULL WHERE environment_id = $1 AND definition_id = $2;

-- name: request_proof
-- The next run looks at all people.
-- args: environment_id integer, definition_id integer
-- index: sync_states_pkey
UPDATE sync_states SET is_requested = true, next_run_at = NULL, next_proof_at = NULL
WHERE environment_id = $1 AND definition_id = $2;

-- name: set_sync_state
-- args: environment_id integer, definition_id integer, state text, reason text
-- index: sync_states_pkey
UPDATE sync_states SET state = $3, reason = $4, is_requested = true, next_run_at = NULL
WHERE environment_id = $1 AND definition_id = $2;

-- name: count_records
-- args: environment_id integer, definition_id integer
-- index: sync_records_pkey, sync_removals_pkey
SELECT count(*) FILTER (WHERE state = 'sent') AS sent,
       count(*) FILTER (WHERE state IN ('sending', 'failed')) AS failed,
       count(*) FILTER (WHERE state = 'waiting') AS waiting,
       count(*) FILTER (WHERE state = 'unmatched') AS unmatched,
       count(*) FILTER (WHERE state = 'left') AS "left",
       (SELECT count(*) FROM sync_removals r WHERE r.environment_id = $1 AND r.definition_id = $2) AS removals,
       (SELECT count(*) FROM sync_removals r
        WHERE r.environment_id = $1 AND r.definition_id = $2 AND r.attempts > 0) AS failed_removals
FROM sync_records WHERE environment_id = $1 AND definition_id = $2;

-- name: list_records
-- args: environment_id integer, definition_id integer, states text[], after_id bigint, n integer
-- index: sync_records_pkey, sync_records_unsettled
SELECT profile_id, match_key, hash, number, state, next_change_at, attempts, reason, tried_run
FROM sync_records
WHERE environment_id = $1 AND definition_id = $2 AND profile_id > $4 AND state = ANY ($3::text[])
ORDER BY profile_id LIMIT $5;

-- name: list_removals
-- args: environment_id integer, definition_id integer, after text, n integer
-- index: sync_removals_pkey
SELECT match_key, profile_id, hash, number, is_allowed, attempts, reason, tried_run
FROM sync_removals WHERE environment_id = $1 AND definition_id = $2 AND match_key > $3
ORDER BY match_key LIMIT $4;

-- name: count_candidates
-- How many people a scan looks at.
-- args: environment_id integer, fingerprint bigint or null
-- index: profiles_pkey, memberships_pkey
SELECT CASE WHEN $2::bigint IS NULL
    THEN (SELECT count(*) FROM profiles WHERE environment_id = $1 AND merged_into IS NULL)
    ELSE (SELECT count(*) FROM memberships WHERE environment_id = $1 AND fingerprint = $2::bigint) END;

-- name: sync_figures
-- Of the first syncs of all environments, for a scrape. What is not settled is counted up to 100,000.
-- args: n integer
-- index: sync_states_pkey, saved_definitions_pkey, sync_records_unsettled, sync_removals_pkey
SELECT concat_ws('/', o.key, p.key, e.key) AS environment, d.key AS sync,
       s.state = 'active' AND s.problem = '' AND coalesce(d.document ->> 'paused', 'false') <> 'true' AS is_active,
       s.sent, s.removed, s.differences,
       (SELECT count(*) FROM (SELECT FROM sync_records r
        WHERE r.environment_id = s.environment_id AND r.definition_id = s.definition_id
          AND r.state IN ('sending', 'failed', 'waiting', 'unmatched') LIMIT 100000) AS r) AS unsettled,
       (SELECT count(*) FROM (SELECT FROM sync_removals r
        WHERE r.environment_id = s.environment_id AND r.definition_id = s.definition_id LIMIT 100000) AS r) AS removals,
       s.last_success_at
FROM (SELECT * FROM sync_states ORDER BY environment_id, definition_id LIMIT $1) AS s
JOIN saved_definitions d ON d.environment_id = s.environment_id AND d.definition_id = s.definition_id AND d.is_newest
JOIN environments e ON e.id = s.environment_id
JOIN projects p ON p.id = e.project_id
JOIN organisations o ON o.id = p.organisation_id;
