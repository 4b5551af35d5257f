-- name: rejections_by_code
-- Among the newest n, so that the cost is bounded.
-- args: environment_id, n
SELECT code, count(*) AS n
FROM (SELECT code FROM rejected_messages WHERE environment_id = $1 ORDER BY id DESC LIMIT $2) AS newest
GROUP BY code ORDER BY n DESC, code;

-- name: rows_of_profiles
-- For reads.count, which counts these three, or uses the planner's estimate if a count would be slow.
SELECT 1 FROM profiles WHERE environment_id = $1 AND merged_into IS NULL;

-- name: rows_of_events
SELECT 1 FROM events WHERE environment_id = $1;

-- name: rows_of_memberships
SELECT 1 FROM memberships WHERE environment_id = $1;

-- name: figures
-- Figures of an environment. lately: the newest messages, at most n, since an instant.
-- args: environment_id, now, lately_since, n
-- index: profiles_due, events_pkey
SELECT (SELECT count(*) FROM merges WHERE environment_id = $1 AND undone_at IS NULL) AS merges,
       (SELECT count(*) FROM rejected_claims WHERE environment_id = $1) AS rejected_claims,
       (SELECT count(*) FROM profiles WHERE environment_id = $1 AND recompute_at <= $2) AS overdue,
       (SELECT min(recompute_at) FROM profiles WHERE environment_id = $1 AND recompute_at IS NOT NULL) AS next_due_at,
       lately.n AS lately, lately.oldest AS lately_oldest
FROM (SELECT count(*) AS n, min(received_at) AS oldest
      FROM (SELECT received_at FROM events WHERE environment_id = $1 ORDER BY id DESC LIMIT $4) AS newest
      WHERE received_at > $3) AS lately;

-- name: add_minute
-- Adds what one process counted to what others have written for the minute. The lag is that of now.
-- args: environment_id, minute, accepted, duplicates, rejected, decisions, ingest bigint[], now
-- index: metric_minutes_pkey, profiles_due
-- locks: one row
INSERT INTO metric_minutes AS m (environment_id, minute, accepted, duplicates, rejected, decisions, ingest, lag_ms)
SELECT $1, $2::timestamptz, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::bigint[],
       coalesce((SELECT greatest(extract(epoch FROM $8::timestamptz - min(p.recompute_at)) * 1000, 0)::bigint
                 FROM profiles p WHERE p.environment_id = $1 AND p.recompute_at IS NOT NULL), 0)
ON CONFLICT (environment_id, minute) DO UPDATE SET
    accepted = m.accepted + EXCLUDED.accepted,
    duplicates = m.duplicates + EXCLUDED.duplicates,
    rejected = m.rejected + EXCLUDED.rejected,
    decisions = m.decisions + EXCLUDED.decisions,
    ingest = ARRAY(SELECT coalesce(a, 0) + coalesce(b, 0) FROM unnest(m.ingest, EXCLUDED.ingest) WITH ORDINALITY AS t (a, b, n)
                   ORDER BY n),
    lag_ms = greatest(m.lag_ms, EXCLUDED.lag_ms);

-- name: list_minutes
-- args: environment_id, since, until (exclusive)
-- index: metric_minutes_pkey
SELECT minute, accepted, duplicates, rejected, decisions, ingest, lag_ms FROM metric_minutes
WHERE environment_id = $1 AND minute >= $2 AND minute < $3 ORDER BY minute;

-- name: prune_minutes
-- args: environment_id, before
-- index: metric_minutes_pkey
DELETE FROM metric_minutes WHERE environment_id = $1 AND minute < $2;
