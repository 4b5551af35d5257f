-- name: find_stream
-- args: environment_id integer, definition_id integer
-- index: destination_lanes_pkey
SELECT stream::text FROM destination_lanes WHERE environment_id = $1 AND definition_id = $2;

-- name: find_batch
-- args: environment_id integer, definition_id integer
-- index: delivery_batches_pkey
SELECT number, first_seq, last_seq, records, attempts, next_at, reason
FROM delivery_batches WHERE environment_id = $1 AND definition_id = $2;

-- name: absorb_waiting
-- What waits was left by another type of the same destination: it comes again through the log.
-- args: environment_id integer, definition_id integer
-- index: waiting_deliveries_pkey, destination_lanes_pkey
-- locks: the row of the lane
WITH dropped AS (DELETE FROM waiting_deliveries WHERE environment_id = $1 AND definition_id = $2 RETURNING seq),
     first AS (SELECT min(seq) AS seq FROM dropped)
UPDATE destination_lanes l SET cursor = f.seq - 1 FROM first f
WHERE l.environment_id = $1 AND l.definition_id = $2 AND f.seq <= l.cursor
RETURNING l.cursor;

-- name: cut_batch
-- Only by the owner of the newest generation. Its number is the instant, or one more than that of the batch before: a
-- database that was restored has greater ones than it had.
-- args: environment_id integer, definition_id integer, generation bigint, first_seq bigint, last_seq bigint, records integer,
--       instant bigint, now timestamptz
-- index: destination_lanes_pkey
-- locks: the row of the lane
WITH lane AS (
    UPDATE destination_lanes SET batch = greatest(batch + 1, $7::bigint)
    WHERE environment_id = $1 AND definition_id = $2 AND generation = $3
    RETURNING batch
)
INSERT INTO delivery_batches (environment_id, definition_id, number, first_seq, last_seq, records, next_at)
SELECT $1, $2, batch, $4::bigint, $5::bigint, $6::integer, $8::timestamptz FROM lane
ON CONFLICT (environment_id, definition_id) DO UPDATE SET
    number = excluded.number, first_seq = excluded.first_seq, last_seq = excluded.last_seq, records = excluded.records,
    attempts = 0, next_at = excluded.next_at, reason = ''
RETURNING number, first_seq, last_seq, records, attempts, next_at, reason;

-- name: drop_batch
-- args: environment_id integer, definition_id integer, number bigint
-- index: delivery_batches_pkey
DELETE FROM delivery_batches WHERE environment_id = $1 AND definition_id = $2 AND number = $3;

-- name: forget_batch
-- It was left by another type of the same destination: what it had comes one by one.
-- args: environment_id integer, definition_id integer
-- index: delivery_batches_pkey
DELETE FROM delivery_batches WHERE environment_id = $1 AND definition_id = $2;

-- name: postpone_batch
-- args: environment_id integer, definition_id integer, number bigint, attempts integer, next_at timestamptz, reason text
-- index: delivery_batches_pkey
UPDATE delivery_batches SET attempts = $4, next_at = $5, reason = $6
WHERE environment_id = $1 AND definition_id = $2 AND number = $3;

-- name: hurry_batch
-- args: environment_id integer, definition_id integer, now timestamptz
-- index: delivery_batches_pkey
UPDATE delivery_batches SET next_at = $3 WHERE environment_id = $1 AND definition_id = $2 AND next_at > $3;

-- name: log_batch
-- args: environment_id integer, definition_id integer, seq bigint, attempt integer, at timestamptz, duration_ms integer,
--       error text, records integer
INSERT INTO deliveries (environment_id, definition_id, seq, profile_ids, attempt, at, duration_ms, error, answer, records)
VALUES ($1, $2, $3, '{}', least($4::integer, 32767), $5, $6, $7, '', $8);

-- name: recorded_at
-- args: environment_id integer, seq bigint
-- index: happenings_pkey
SELECT recorded_at FROM happenings WHERE environment_id = $1 AND seq = $2;
