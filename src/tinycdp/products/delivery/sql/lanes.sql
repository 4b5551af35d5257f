-- name: open_lanes
-- Of new destinations; those that have a lane keep it.
-- args: environment_id integer, definition_ids integer[]
-- index: destination_lanes_pkey
INSERT INTO destination_lanes (environment_id, definition_id, cursor, from_position, from_revision)
SELECT l.environment_id, d.id, l.last_seq, v.position, e.live_revision
FROM (SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS position FROM versions) AS v,
     unnest($2::integer[]) AS d (id)
JOIN happening_logs l ON l.environment_id = $1
JOIN environments e ON e.id = $1
ON CONFLICT DO NOTHING;

-- name: count_lanes
-- args: environment_id integer
-- index: destination_lanes_pkey
SELECT count(*) FROM destination_lanes WHERE environment_id = $1;

-- name: close_lanes
-- args: environment_id integer, definition_ids integer[]
-- index: destination_lanes_pkey
WITH waiting AS (DELETE FROM waiting_deliveries WHERE environment_id = $1 AND definition_id = ANY ($2::integer[])),
     dead AS (DELETE FROM undelivered WHERE environment_id = $1 AND definition_id = ANY ($2::integer[])),
     log AS (DELETE FROM deliveries WHERE environment_id = $1 AND definition_id = ANY ($2::integer[])),
     batch AS (DELETE FROM delivery_batches WHERE environment_id = $1 AND definition_id = ANY ($2::integer[])),
     secret AS (DELETE FROM destination_secrets WHERE environment_id = $1 AND definition_id = ANY ($2::integer[]))
DELETE FROM destination_lanes WHERE environment_id = $1 AND definition_id = ANY ($2::integer[]);

-- name: find_lane
-- args: environment_id integer, definition_id integer
-- index: destination_lanes_pkey
SELECT cursor, from_position, from_revision, generation, state, reason, delivered, failing_since, last_success_at,
       last_failure_at, last_failure
FROM destination_lanes WHERE environment_id = $1 AND definition_id = $2;

-- name: see_lane
-- args: environment_id integer, definition_id integer
-- index: destination_lanes_pkey, happening_logs_pkey
SELECT l.generation, g.last_seq
FROM destination_lanes l JOIN happening_logs g ON g.environment_id = l.environment_id
WHERE l.environment_id = $1 AND l.definition_id = $2;

-- name: take_lane
-- The owner before changes neither cursor nor new rows any more.
-- args: environment_id integer, definition_id integer
-- index: destination_lanes_pkey
-- locks: the row
UPDATE destination_lanes SET generation = generation + 1 WHERE environment_id = $1 AND definition_id = $2
RETURNING cursor, from_position, from_revision, generation, state, reason, delivered, failing_since, last_success_at,
          last_failure_at, last_failure;

-- name: move_lane
-- The cursor moves only for the owner of the newest generation, and never back.
-- args: environment_id integer, definition_id integer, generation bigint, cursor bigint, delivered bigint,
--       success_at timestamptz or null, failure_at timestamptz or null, failure text, state text, reason text,
--       failed bigint, probe_at timestamptz or null
-- index: destination_lanes_pkey
-- locks: the row
UPDATE destination_lanes SET
    cursor = CASE WHEN generation = $3 THEN greatest(cursor, $4::bigint) ELSE cursor END,
    delivered = delivered + $5::bigint,
    failed = failed + $11::bigint,
    probe_at = CASE WHEN generation = $3 THEN $12::timestamptz ELSE probe_at END,
    last_success_at = coalesce($6::timestamptz, last_success_at),
    last_failure_at = coalesce($7::timestamptz, last_failure_at),
    last_failure = CASE WHEN $7::timestamptz IS NULL THEN last_failure ELSE $8::text END,
    failing_since = CASE WHEN $6::timestamptz IS NOT NULL THEN NULL ELSE coalesce(failing_since, $7::timestamptz) END,
    state = CASE WHEN generation = $3 AND state = 'active' THEN $9::text ELSE state END,
    reason = CASE WHEN generation = $3 AND state = 'active' THEN $10::text ELSE reason END
WHERE environment_id = $1 AND definition_id = $2
RETURNING generation, state, failing_since;

-- name: set_state
-- args: environment_id integer, definition_id integer, state text, reason text
-- index: destination_lanes_pkey
UPDATE destination_lanes SET state = $3, reason = $4, generation = generation + 1, failing_since = NULL
WHERE environment_id = $1 AND definition_id = $2;

-- name: rewind_lane
-- What waits or is undelivered beyond the new cursor comes again through the log.
-- args: environment_id integer, definition_id integer, cursor bigint
-- index: destination_lanes_pkey
-- locks: the row
WITH dropped AS (DELETE FROM waiting_deliveries WHERE environment_id = $1 AND definition_id = $2 AND seq > $3),
     dead AS (DELETE FROM undelivered WHERE environment_id = $1 AND definition_id = $2 AND seq > $3),
     batch AS (DELETE FROM delivery_batches WHERE environment_id = $1 AND definition_id = $2)
UPDATE destination_lanes SET cursor = $3, from_position = 0, from_revision = 0, generation = generation + 1
WHERE environment_id = $1 AND definition_id = $2;

-- name: list_waiting
-- With what happened; a row whose happening was dropped is of no use.
-- args: environment_id integer, definition_id integer
-- index: waiting_deliveries_pkey
SELECT w.seq, w.attempts, w.next_at, w.reason, h.position, h.at, h.type, h.profile_id, h.other_id, h.object_id, h.revision,
       h.cause
FROM waiting_deliveries w JOIN happenings h ON h.environment_id = $1 AND h.seq = w.seq
WHERE w.environment_id = $1 AND w.definition_id = $2 ORDER BY w.seq;

-- name: drop_waiting
-- args: environment_id integer, definition_id integer, seqs bigint[]
-- index: waiting_deliveries_pkey
DELETE FROM waiting_deliveries WHERE environment_id = $1 AND definition_id = $2 AND seq = ANY ($3::bigint[]);

-- name: change_waiting
-- args: environment_id integer, definition_id integer, seqs bigint[], attempts smallint[], next_ats timestamptz[], reasons text[]
-- index: waiting_deliveries_pkey
UPDATE waiting_deliveries w SET attempts = n.attempts, next_at = n.next_at, reason = n.reason
FROM unnest($3::bigint[], $4::smallint[], $5::timestamptz[], $6::text[]) AS n (seq, attempts, next_at, reason)
WHERE w.environment_id = $1 AND w.definition_id = $2 AND w.seq = n.seq;

-- name: add_waiting
-- args: environment_id integer, definition_id integer, seq bigint, profile_ids bigint[], attempts smallint, next_at timestamptz,
--       reason text
-- index: waiting_deliveries_pkey
INSERT INTO waiting_deliveries (environment_id, definition_id, seq, profile_ids, attempts, next_at, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING;

-- name: add_undelivered
-- Of profiles that were erased meanwhile nothing is kept.
-- args: environment_id integer, definition_id integer, seq bigint, profile_ids bigint[], attempts smallint, reason text,
--       status smallint, answer text, now timestamptz
-- index: undelivered_pkey
INSERT INTO undelivered (environment_id, definition_id, seq, profile_ids, attempts, reason, status, answer, died_at)
SELECT $1, $2, $3, $4::bigint[], $5, $6, $7, $8, $9 WHERE NOT EXISTS (
    SELECT FROM unnest($4::bigint[]) AS u (id) WHERE u.id > 0
    AND NOT EXISTS (SELECT FROM profiles p WHERE p.environment_id = $1 AND p.id = u.id))
ON CONFLICT (environment_id, definition_id, seq) DO UPDATE SET
    attempts = excluded.attempts, reason = excluded.reason, status = excluded.status, answer = excluded.answer,
    died_at = excluded.died_at;

-- name: list_undelivered
-- Oldest first.
-- args: environment_id integer, definition_id integer, after bigint, n integer
-- index: undelivered_pkey
SELECT u.seq, u.attempts, u.reason, u.status, u.answer, u.died_at, h.type, h.at, h.profile_id
FROM undelivered u LEFT JOIN happenings h ON h.environment_id = $1 AND h.seq = u.seq
WHERE u.environment_id = $1 AND u.definition_id = $2 AND u.seq > $3
ORDER BY u.seq LIMIT $4;

-- name: revive
-- Undelivered ones wait again, as if they were new. Without `seqs` all. Those beyond the cursor come through the log.
-- args: environment_id integer, definition_id integer, seqs bigint[] or null, now timestamptz
-- index: undelivered_pkey
WITH raised AS (
    UPDATE destination_lanes SET generation = generation + 1 WHERE environment_id = $1 AND definition_id = $2
    RETURNING cursor
), taken AS (
    DELETE FROM undelivered
    WHERE environment_id = $1 AND definition_id = $2 AND ($3::bigint[] IS NULL OR seq = ANY ($3::bigint[]))
    RETURNING seq, profile_ids
), added AS (
    INSERT INTO waiting_deliveries (environment_id, definition_id, seq, profile_ids, attempts, next_at, reason)
    SELECT $1, $2, t.seq, t.profile_ids, 0, $4::timestamptz, '' FROM taken t, raised r WHERE t.seq <= r.cursor
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM taken;

-- name: add_delivery
-- Of profiles that were erased meanwhile nothing is kept: an answer may have their data.
-- args: environment_id integer, definition_id integer, seq bigint or null, profile_ids bigint[], attempt smallint, at timestamptz,
--       duration_ms integer, status smallint, error text, answer text
INSERT INTO deliveries (environment_id, definition_id, seq, profile_ids, attempt, at, duration_ms, status, error, answer)
SELECT $1, $2, $3, $4::bigint[], $5, $6, $7, $8, $9, $10 WHERE NOT EXISTS (
    SELECT FROM unnest($4::bigint[]) AS u (id) WHERE u.id > 0
    AND NOT EXISTS (SELECT FROM profiles p WHERE p.environment_id = $1 AND p.id = u.id));

-- name: list_deliveries
-- Newest first.
-- args: environment_id integer, definition_id integer, before bigint, only_failed boolean, n integer
-- index: deliveries_of_destination
SELECT d.id, d.seq, d.attempt, d.at, d.duration_ms, d.status, d.error, d.answer, d.records, h.type, h.at AS happened_at,
       h.profile_id
FROM deliveries d LEFT JOIN happenings h ON h.environment_id = $1 AND h.seq = d.seq
WHERE d.environment_id = $1 AND d.definition_id = $2 AND d.id < $3 AND (NOT $4::boolean OR d.error <> '')
ORDER BY d.id DESC LIMIT $5;

-- name: healths
-- Without `definition_ids` of all lanes. What waits and what is undelivered is counted up to 100,000.
-- args: environment_id integer, definition_ids integer[] or null
-- index: destination_lanes_pkey, waiting_deliveries_pkey, undelivered_pkey, happenings_pkey, delivery_batches_pkey
SELECT l.definition_id, l.state, l.reason, l.cursor, g.last_seq, l.delivered, l.failed, l.failing_since, l.last_success_at,
       l.last_failure_at, l.last_failure, l.probe_at, g.lapsed_at,
       (SELECT count(*) FROM (SELECT FROM waiting_deliveries w
        WHERE w.environment_id = $1 AND w.definition_id = l.definition_id LIMIT 100000) AS w)
       + coalesce(b.records, 0) AS waiting,
       least((SELECT min(w.next_at) FROM waiting_deliveries w
              WHERE w.environment_id = $1 AND w.definition_id = l.definition_id AND w.attempts > 0), b.next_at) AS next_at,
       (SELECT count(*) FROM (SELECT FROM undelivered u
        WHERE u.environment_id = $1 AND u.definition_id = l.definition_id LIMIT 100000) AS u) AS undelivered,
       (SELECT h.recorded_at FROM happenings h
        WHERE h.environment_id = $1 AND h.seq > l.cursor ORDER BY h.seq LIMIT 1) AS oldest_at
FROM destination_lanes l JOIN happening_logs g ON g.environment_id = l.environment_id
LEFT JOIN delivery_batches b ON b.environment_id = $1 AND b.definition_id = l.definition_id AND b.attempts > 0
WHERE l.environment_id = $1 AND ($2::integer[] IS NULL OR l.definition_id = ANY ($2::integer[]));

-- name: lane_figures
-- Of the first lanes of all environments, for a scrape. What waits and what is undelivered is counted up to 100,000.
-- args: n integer
-- index: destination_lanes_pkey, saved_definitions_pkey, waiting_deliveries_pkey, undelivered_pkey, happenings_pkey,
--        delivery_batches_pkey
SELECT concat_ws('/', o.key, p.key, e.key) AS environment, s.key AS destination,
       l.state = 'active' AND coalesce(s.document ->> 'paused', 'false') <> 'true' AS is_active,
       g.last_seq - l.cursor AS behind, l.delivered, l.failed,
       (SELECT count(*) FROM (SELECT FROM waiting_deliveries w
        WHERE w.environment_id = l.environment_id AND w.definition_id = l.definition_id LIMIT 100000) AS w)
       + coalesce(b.records, 0) AS waiting,
       (SELECT count(*) FROM (SELECT FROM undelivered u
        WHERE u.environment_id = l.environment_id AND u.definition_id = l.definition_id LIMIT 100000) AS u) AS undelivered,
       (SELECT h.recorded_at FROM happenings h
        WHERE h.environment_id = l.environment_id AND h.seq > l.cursor ORDER BY h.seq LIMIT 1) AS oldest_at
FROM (SELECT * FROM destination_lanes ORDER BY environment_id, definition_id LIMIT $1) AS l
JOIN happening_logs g ON g.environment_id = l.environment_id
JOIN saved_definitions s ON s.environment_id = l.environment_id AND s.definition_id = l.definition_id AND s.is_newest
LEFT JOIN delivery_batches b
ON b.environment_id = l.environment_id AND b.definition_id = l.definition_id AND b.attempts > 0
JOIN environments e ON e.id = l.environment_id
JOIN projects p ON p.id = e.project_id
JOIN organisations o ON o.id = p.organisation_id;

-- name: erase_profiles
-- What deliveries know of erased profiles. A message about another one stays: it will not name them.
-- Lanes write attempts after they have taken their row, so each attempt is written before this, and deleted, or after
-- this, and left out.
-- args: environment_id integer, profile_ids bigint[]
-- locks: the rows of all lanes
WITH held AS MATERIALIZED (SELECT count(*) FROM (SELECT FROM destination_lanes WHERE environment_id = $1 FOR UPDATE) AS l),
     waiting AS (DELETE FROM waiting_deliveries WHERE environment_id = $1 AND profile_ids[1] = ANY ($2::bigint[])),
     dead AS (DELETE FROM undelivered WHERE environment_id = $1 AND profile_ids && $2::bigint[])
DELETE FROM deliveries WHERE environment_id = $1 AND profile_ids && $2::bigint[];

-- name: prune_deliveries
-- Old attempts, and all but the newest n of each destination.
-- args: environment_id integer, before timestamptz, n integer
-- index: deliveries_of_destination
WITH bounds AS MATERIALIZED (
    SELECT l.definition_id, (
        SELECT k.id FROM deliveries k WHERE k.environment_id = $1 AND k.definition_id = l.definition_id
        ORDER BY k.id DESC OFFSET $3 LIMIT 1) AS upto
    FROM destination_lanes l WHERE l.environment_id = $1
)
DELETE FROM deliveries d USING bounds b
WHERE d.environment_id = $1 AND d.definition_id = b.definition_id AND (d.at < $2 OR d.id <= b.upto);

-- name: prune_undelivered
-- args: environment_id integer, before timestamptz
DELETE FROM undelivered WHERE environment_id = $1 AND died_at < $2;

-- name: list_secrets
-- Oldest first.
-- args: environment_id integer, definition_id integer, now timestamptz
-- index: secrets_of_destination
SELECT id, algorithm, secret, is_shown, created_at, expires_at FROM destination_secrets
WHERE environment_id = $1 AND definition_id = $2 AND (expires_at IS NULL OR expires_at > $3) ORDER BY id;

-- name: add_secret
-- args: environment_id integer, definition_id integer, algorithm text, secret bytea, is_shown boolean, now timestamptz
INSERT INTO destination_secrets (environment_id, definition_id, algorithm, secret, is_shown, created_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: retire_secrets
-- Those that were never shown end at once.
-- args: environment_id integer, definition_id integer, now timestamptz, expires_at timestamptz
-- index: secrets_of_destination
UPDATE destination_secrets
SET expires_at = CASE WHEN is_shown THEN least(coalesce(expires_at, $4::timestamptz), $4::timestamptz) ELSE $3::timestamptz END
WHERE environment_id = $1 AND definition_id = $2;

-- name: hold_lane
-- args: environment_id integer, definition_id integer
-- index: destination_lanes_pkey
-- locks: the row
SELECT state FROM destination_lanes WHERE environment_id = $1 AND definition_id = $2 FOR UPDATE;
