-- name: create_export
-- One that begins as `running` is for the process that creates it: others take it when it does not advance.
-- args: environment_id, request json, format, name, author, key_id, schedule_id, due_at, now, status
-- index: exports_of_schedule
INSERT INTO exports
    (environment_id, request, format, name, author, key_id, schedule_id, due_at, created_at, advanced_at, status)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)
ON CONFLICT (environment_id, schedule_id, due_at) WHERE schedule_id IS NOT NULL DO NOTHING
RETURNING *;

-- name: find_export
-- args: environment_id, id
-- index: exports_pkey
SELECT * FROM exports WHERE environment_id = $1 AND id = $2;

-- name: list_exports
-- Newest first.
-- args: environment_id, before (id), n
-- index: exports_pkey
SELECT * FROM exports WHERE environment_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: newest_of_schedules
-- args: environment_id, schedule_ids integer[]
-- index: exports_of_schedule
SELECT e.* FROM unnest($2::integer[]) AS of (id) CROSS JOIN LATERAL (
    SELECT * FROM exports WHERE environment_id = $1 AND schedule_id = of.id ORDER BY due_at DESC LIMIT 1
) AS e;

-- name: unfinished_exports
-- What waits, and what has not advanced since an instant: its process may have ended.
-- args: environment_id, since, n
-- index: exports_unfinished
SELECT id FROM exports
WHERE environment_id = $1 AND (status = 'waiting' OR status = 'running' AND advanced_at < $2) ORDER BY id LIMIT $3;

-- name: count_unfinished
-- args: environment_id
-- index: exports_unfinished
SELECT count(*) FROM exports WHERE environment_id = $1 AND status IN ('waiting', 'running');

-- name: schedule_runs
-- Whether an export of a schedule waits or runs.
-- args: environment_id, schedule_id
-- index: exports_unfinished
SELECT EXISTS (SELECT 1 FROM exports
               WHERE environment_id = $1 AND status IN ('waiting', 'running') AND schedule_id = $2);

-- name: try_export
-- One process writes an export at a time. The connection holds the lock until it closes.
-- args: environment_id, id
-- locks: advisory (two halves of a hash), exclusive, held by the connection
SELECT pg_try_advisory_lock(hashtextextended('export ' || $1::integer::text || ' ' || $2::bigint::text, 82));

-- name: is_written
-- Whether a connection has the export's lock.
-- args: environment_id, id
-- locks: advisory (two halves of a hash), exclusive, for the statement
SELECT NOT pg_try_advisory_xact_lock(
    hashtextextended('export ' || $1::integer::text || ' ' || $2::bigint::text, 82));

-- name: begin_export
-- Begins it anew, whatever an attempt before this one did; nothing if it was cancelled.
-- args: environment_id, id, attempt (the last one), now, place
-- index: exports_pkey
UPDATE exports SET status = 'running', attempt = attempt + 1, rows = 0, share = 0, total = NULL, started_at = $4,
    advanced_at = $4, place = $5
WHERE environment_id = $1 AND id = $2 AND attempt = $3 AND status IN ('waiting', 'running')
RETURNING *;

-- name: forget_attempt
-- For the process that made the attempt and has ended it. Nothing if another one began it anew.
-- args: environment_id, id, attempt
-- index: exports_pkey
UPDATE exports SET attempt = attempt - 1
WHERE environment_id = $1 AND id = $2 AND attempt = $3 AND status = 'running';

-- name: advance_export
-- Nothing is updated if it was cancelled, or begun anew by another process.
-- args: environment_id, id, attempt, now, rows, total, share
-- index: exports_pkey
UPDATE exports SET rows = $5, total = $6, share = $7, advanced_at = $4
WHERE environment_id = $1 AND id = $2 AND attempt = $3 AND status = 'running';

-- name: finish_export
-- args: environment_id, id, attempt, now, rows, size, as_of, erasures, note, expires_at
-- index: exports_pkey
UPDATE exports SET status = 'done', rows = $5, total = $5, share = 1, size = $6, as_of = $7, erasures = $8, note = $9,
    expires_at = $10, advanced_at = $4, finished_at = $4
WHERE environment_id = $1 AND id = $2 AND attempt = $3 AND status = 'running';

-- name: fail_export
-- args: environment_id, id, attempt, now, code, error
-- index: exports_pkey
UPDATE exports SET status = 'failed', code = $5, error = $6, advanced_at = $4, finished_at = $4
WHERE environment_id = $1 AND id = $2 AND attempt = $3 AND status = 'running';

-- name: cancel_export
-- args: environment_id, id, now, who
-- index: exports_pkey
UPDATE exports SET status = 'canceled', advanced_at = $3, finished_at = $3, ended_at = $3, ended_by = $4
WHERE environment_id = $1 AND id = $2 AND status IN ('waiting', 'running');

-- name: remove_export
-- The file is no longer offered. Its place is kept until the file is gone. who: NULL if it expired
-- args: environment_id, id, now, who, note
-- index: exports_pkey
UPDATE exports SET status = 'removed', advanced_at = $3, ended_at = $3, ended_by = $4, note = $5
WHERE environment_id = $1 AND id = $2 AND status = 'done';

-- name: count_erasures
-- args: environment_id
-- index: erasures_pkey
SELECT count(*) FROM erasures WHERE environment_id = $1;

-- name: outdated_exports
-- Finished exports whose time is over, or from whose snapshot a profile was erased since.
-- args: environment_id, now
-- index: exports_with_files, erasures_pkey
SELECT e.id, e.expires_at <= $2 AS expired FROM exports e
WHERE e.environment_id = $1 AND e.place <> '' AND e.status = 'done'
  AND (e.expires_at <= $2 OR e.erasures < (SELECT count(*) FROM erasures r WHERE r.environment_id = $1))
ORDER BY e.id LIMIT 100;

-- name: unwanted_files
-- Exports that ended without a file, and those whose file is no longer offered: what their attempts left goes.
-- args: environment_id, after (id)
-- index: exports_with_files
SELECT * FROM exports
WHERE environment_id = $1 AND id > $2 AND place <> '' AND status IN ('canceled', 'failed', 'removed')
ORDER BY id LIMIT 100;

-- name: file_is_gone
-- args: environment_id, id
-- index: exports_pkey
UPDATE exports SET place = '' WHERE environment_id = $1 AND id = $2 AND status <> 'done';

-- name: prune_exports
-- args: environment_id, before
-- index: exports_pkey
DELETE FROM exports WHERE environment_id = $1 AND finished_at < $2 AND place = '';

-- name: set_next
-- args: environment_id, definition_id, next_at (NULL: not due)
-- index: export_schedules_pkey
INSERT INTO export_schedules (environment_id, definition_id, next_at) VALUES ($1, $2, $3)
ON CONFLICT (environment_id, definition_id) DO UPDATE SET next_at = excluded.next_at;

-- name: hold_due
-- One process queues what is due; another one skips it.
-- args: environment_id, now
-- index: export_schedules_pkey
-- locks: the rows of due schedules
SELECT definition_id, next_at FROM export_schedules WHERE environment_id = $1 AND next_at <= $2
ORDER BY definition_id FOR UPDATE SKIP LOCKED;

-- name: next_of_schedules
-- args: environment_id
-- index: export_schedules_pkey
SELECT definition_id, next_at FROM export_schedules WHERE environment_id = $1;

-- name: drop_schedules
-- args: environment_id, definition_ids integer[]
-- index: export_schedules_pkey
DELETE FROM export_schedules WHERE environment_id = $1 AND definition_id = ANY ($2);
