-- name: open_log
-- The log begins with the revision that is live now: earlier flags are not news.
-- args: environment_id integer
-- index: happening_logs_pkey
INSERT INTO happening_logs (environment_id, revision)
SELECT id, live_revision FROM environments WHERE id = $1
ON CONFLICT DO NOTHING;

-- name: try_deliver
-- One process at a time delivers for an environment; Postgres lets go of the lock when the connection ends.
-- args: environment_id integer
-- locks: advisory (84, environment), exclusive, held by the connection
SELECT pg_try_advisory_lock(84, $1);

-- name: hold_log
-- args: environment_id integer
-- index: happening_logs_pkey
-- locks: the row
SELECT l.last_seq, l.revision, e.live_revision
FROM happening_logs l JOIN environments e ON e.id = l.environment_id
WHERE l.environment_id = $1
FOR UPDATE OF l;

-- name: see_log
-- args: environment_id integer
-- index: happening_logs_pkey
SELECT l.last_seq, l.revision, e.live_revision
FROM happening_logs l JOIN environments e ON e.id = l.environment_id
WHERE l.environment_id = $1;

-- name: move_log
-- args: environment_id integer, last_seq bigint, revision integer
-- index: happening_logs_pkey
UPDATE happening_logs SET last_seq = $2, revision = $3 WHERE environment_id = $1;

-- name: lapse_log
-- args: environment_id integer, now timestamptz
-- index: happening_logs_pkey
UPDATE happening_logs SET lapsed_at = $2 WHERE environment_id = $1;

-- name: append_happenings
-- args: environment_id integer, now timestamptz, arrays of seq, position, at, type, profile_id, other_id, object_id,
--       revision, cause
-- index: happenings_pkey
INSERT INTO happenings (environment_id, recorded_at, seq, position, at, type, profile_id, other_id, object_id, revision, cause)
SELECT $1::integer, $2::timestamptz, n.*
FROM unnest($3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[],
            $10::integer[], $11::text[]) AS n;

-- name: changed_flags
-- Flags that revisions created, updated or deleted, in order.
-- args: environment_id integer, after integer, upto integer
-- index: definition_versions_pkey
SELECT s.revision, s.definition_id,
       CASE WHEN NOT bool_or(s.begins) THEN 'deleted' WHEN bool_or(s.ends) THEN 'updated' ELSE 'created' END AS change,
       r.live_at
FROM (
    SELECT definition_id, from_revision AS revision, true AS begins, false AS ends FROM definition_versions
    WHERE environment_id = $1 AND from_revision > $2 AND from_revision <= $3
    UNION ALL
    SELECT definition_id, until_revision, false, true FROM definition_versions
    WHERE environment_id = $1 AND until_revision > $2 AND until_revision <= $3
) AS s
JOIN definitions d ON d.environment_id = $1 AND d.id = s.definition_id AND d.kind = 'flag'
JOIN revisions r ON r.environment_id = $1 AND r.revision = s.revision
GROUP BY s.revision, s.definition_id, r.live_at
ORDER BY s.revision, s.definition_id;

-- name: read_happenings
-- What a destination wants after a position of its lane, in order.
-- args: environment_id integer, after bigint, upto bigint, types text[], segments bigint[] (null: all),
--       from_position bigint, from_revision integer, n integer, names text[] of events (null: all)
-- index: happenings_pkey
SELECT seq, position, at, type, profile_id, other_id, object_id, revision, cause
FROM happenings
WHERE environment_id = $1 AND seq > $2 AND seq <= $3 AND type = ANY ($4::text[])
  AND ($5::bigint[] IS NULL OR type NOT IN ('segment.entered', 'segment.exited') OR object_id = ANY ($5::bigint[]))
  AND ($9::text[] IS NULL OR type <> 'event' OR cause = ANY ($9::text[]))
  AND CASE WHEN revision IS NULL THEN position > $6::bigint ELSE revision > $7::integer END
ORDER BY seq
LIMIT $8;

-- name: named_events
-- Messages with their names; calls without one are named by their kind.
-- args: environment_id integer, ids bigint[], from timestamptz, to timestamptz, names text[] (null: all)
-- index: events_pkey
SELECT id, CASE WHEN name <> '' THEN name ELSE '$' || kind END AS name, occurred_at
FROM events
WHERE environment_id = $1 AND id = ANY ($2::bigint[]) AND received_at BETWEEN $3::timestamptz AND $4::timestamptz
  AND ($5::text[] IS NULL OR CASE WHEN name <> '' THEN name ELSE '$' || kind END = ANY ($5::text[]));

-- name: forwarded_events
-- What is said of messages. They arrived at their instant at the earliest, so older partitions are not looked at.
-- args: environment_id integer, ids bigint[], since timestamptz
-- index: events_pkey
SELECT id, kind, CASE WHEN name <> '' THEN name ELSE '$' || kind END AS name, message_id, occurred_at, received_at,
       properties, context
FROM events
WHERE environment_id = $1 AND id = ANY ($2::bigint[]) AND received_at >= $3::timestamptz;

-- name: find_happening
-- args: environment_id integer, seq bigint
-- index: happenings_pkey
SELECT seq, position, at, type, profile_id, other_id, object_id, revision, cause
FROM happenings WHERE environment_id = $1 AND seq = $2;

-- name: seq_at
-- The newest happening before an instant.
-- args: environment_id integer, at timestamptz
-- index: happenings_pkey
SELECT coalesce(max(seq), 0) FROM happenings WHERE environment_id = $1 AND recorded_at < $2;

-- name: seq_before_position
-- The newest happening up to a position.
-- args: environment_id integer, position bigint
-- index: happenings_pkey
SELECT coalesce(max(seq), 0) FROM happenings WHERE environment_id = $1 AND position <= $2;

-- name: prune_happenings
-- What a destination still waits for, or has not got, stays until its row goes.
-- args: environment_id integer, before timestamptz, n integer
-- index: happenings_pkey
DELETE FROM happenings WHERE environment_id = $1 AND seq IN (
    SELECT h.seq FROM happenings h
    WHERE h.environment_id = $1 AND h.recorded_at < $2
      AND h.seq NOT IN (SELECT w.seq FROM waiting_deliveries w WHERE w.environment_id = $1)
      AND h.seq NOT IN (SELECT u.seq FROM undelivered u WHERE u.environment_id = $1)
    ORDER BY h.seq LIMIT $3);

-- name: survivors
-- The profile that each is part of now; erased ones are not returned.
-- args: environment_id integer, profile_ids bigint[]
-- index: profiles_pkey
WITH RECURSIVE led AS (
    SELECT p.id AS wanted, p.id, p.merged_into FROM profiles p WHERE p.environment_id = $1 AND p.id = ANY ($2::bigint[])
    UNION ALL
    SELECT led.wanted, p.id, p.merged_into FROM led JOIN profiles p ON p.environment_id = $1 AND p.id = led.merged_into
)
SELECT wanted, id FROM led WHERE merged_into IS NULL;

-- name: names_of_definitions
-- The newest key and name of each, also of deleted ones.
-- args: environment_id integer, definition_ids integer[]
-- index: definition_versions_pkey
SELECT DISTINCT ON (definition_id) definition_id, key, coalesce(document ->> 'name', '') AS name
FROM definition_versions WHERE environment_id = $1 AND definition_id = ANY ($2::integer[])
ORDER BY definition_id, version DESC;

-- name: find_revisions
-- args: environment_id integer, revisions integer[]
-- index: revisions_pkey
SELECT revision, author, note FROM revisions WHERE environment_id = $1 AND revision = ANY ($2::integer[]);
