-- name: last_position
-- The newest position that was drawn, by a finished or running transaction.
SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM versions;

-- name: writers
-- The running transactions that may have drawn a position: each takes the lock before it draws, and Postgres releases the
-- lock only after the transaction's changes are visible.
-- args: environment_id integer
-- locks: none; reads who holds advisory (79, environment)
SELECT coalesce(array_agg(virtualtransaction), '{}') FROM pg_locks
WHERE locktype = 'advisory' AND classid = 79 AND objid::bigint = $1::integer AND objsubid = 2 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: find_cursor
-- args: environment_id integer, consumer text
-- index: outbox_cursors_pkey
SELECT position, claimed, lapsed_at FROM outbox_cursors WHERE environment_id = $1 AND consumer = $2;

-- name: read_outbox
-- args: environment_id integer, after bigint, upto bigint, n bigint (NULL for all)
-- index: outbox_pkey
SELECT position, at, changes::text AS changes FROM outbox
WHERE environment_id = $1 AND position > $2 AND position <= $3 ORDER BY position LIMIT $4;

-- name: claim_batch
-- args: environment_id integer, consumer text, after bigint, last bigint
-- index: outbox_cursors_pkey
-- locks: the row
UPDATE outbox_cursors SET claimed = $4
WHERE environment_id = $1 AND consumer = $2 AND position = $3 AND lapsed_at IS NULL AND coalesce(claimed, $4) = $4
RETURNING true;

-- name: acknowledge_batch
-- Of two processes with the same batch the second waits for the first, and then finds that the cursor has moved.
-- args: environment_id integer, consumer text, after bigint, last bigint, now timestamptz
-- index: outbox_cursors_pkey
-- locks: the row
UPDATE outbox_cursors SET position = $4, claimed = NULL, moved_at = $5
WHERE environment_id = $1 AND consumer = $2 AND position = $3 AND lapsed_at IS NULL AND coalesce(claimed, $4) = $4
RETURNING true;

-- name: hold_consumers
-- Registering a consumer and truncating a slot exclude each other: a consumer that starts at the oldest row must find all
-- later ones.
-- locks: advisory (80, 0), exclusive
SELECT pg_advisory_xact_lock(80, 0);

-- name: register_cursor
-- Under the environment's exclusive lock: every earlier transaction is finished, and every later one finds the cursor.
-- args: environment_id integer, consumer text, position bigint, now timestamptz
-- index: outbox_cursors_pkey
INSERT INTO outbox_cursors (environment_id, consumer, position, registered_at, moved_at) VALUES ($1, $2, $3, $4, $4)
ON CONFLICT DO NOTHING;

-- name: oldest_position
-- args: environment_id integer
-- index: outbox_pkey
SELECT position FROM outbox WHERE environment_id = $1 ORDER BY position LIMIT 1;

-- name: drop_cursor
-- args: environment_id integer, consumer text
-- index: outbox_cursors_pkey
DELETE FROM outbox_cursors WHERE environment_id = $1 AND consumer = $2;

-- name: lags
-- How far behind each consumer is; at most $1 of its unread rows are counted.
-- args: most bigint
-- index: outbox_pkey
SELECT concat_ws('/', o.key, p.key, e.key) AS environment, c.consumer, c.lapsed_at IS NOT NULL AS lapsed,
       (SELECT count(*) FROM (SELECT 1 FROM outbox u WHERE u.environment_id = c.environment_id AND u.position > c.position
                              LIMIT $1) AS unread) AS rows,
       (SELECT u.at FROM outbox u WHERE u.environment_id = c.environment_id AND u.position > c.position
        ORDER BY u.position LIMIT 1) AS oldest_at
FROM outbox_cursors c
JOIN environments e ON e.id = c.environment_id
JOIN projects p ON p.id = e.project_id
JOIN organisations o ON o.id = p.organisation_id
ORDER BY 1, 2;

-- name: lapse_cursors
-- Consumers whose oldest unread row is older than an instant.
-- args: now timestamptz, before timestamptz
-- index: outbox_pkey
UPDATE outbox_cursors c SET lapsed_at = $1
WHERE c.lapsed_at IS NULL
  AND (SELECT u.at FROM outbox u WHERE u.environment_id = c.environment_id AND u.position > c.position
       ORDER BY u.position LIMIT 1) < $2
RETURNING c.environment_id, c.consumer;
