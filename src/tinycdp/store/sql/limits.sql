-- name: log_rejections
-- A message has one row, however often it is received; the counts say how often. Rows are ordered, and this is the last
-- statement of its transaction, so two groups with the same rejections cannot deadlock. logged false: only count, unless
-- the row exists already. again: it was counted before.
-- args: environment_id, now timestamptz, hour timestamptz, api_key_ids integer[], digests bytea[], times integer[],
--       codes text[], messages text[], paths text[], payloads bytea[], loggeds boolean[], agains boolean[]
-- index: rejected_messages_once, rejection_counts_pkey
WITH arrived AS (
    SELECT * FROM unnest($4::integer[], $5::bytea[], $6::integer[], $7::text[], $8::text[], $9::text[], $10::bytea[],
                         $11::boolean[], $12::boolean[])
        AS a (api_key_id, digest, times, code, message, path, payload, logged, again)
), kept AS (
    INSERT INTO rejected_messages AS r (environment_id, api_key_id, received_at, last_received_at, digest, times, code,
                                        message, path, payload)
    SELECT $1, api_key_id, $2, $2, digest, times, code, message, path, payload FROM arrived a
    WHERE logged OR EXISTS (SELECT 1 FROM rejected_messages l WHERE l.environment_id = $1 AND l.digest = a.digest)
    ORDER BY digest
    ON CONFLICT (environment_id, digest)
        DO UPDATE SET times = r.times + excluded.times, last_received_at = excluded.last_received_at
    RETURNING digest, xmax = 0 AS fresh
)
INSERT INTO rejection_counts AS c (environment_id, hour, api_key_id, code, messages, repeats)
SELECT $1, $3, coalesce(a.api_key_id, 0), a.code, count(*) FILTER (WHERE k.fresh IS NOT FALSE AND NOT a.again),
       sum(a.times) - count(*) FILTER (WHERE k.fresh IS NOT FALSE AND NOT a.again)
FROM arrived a LEFT JOIN kept k USING (digest)
GROUP BY 3, 4 ORDER BY 3, 4
ON CONFLICT (environment_id, hour, api_key_id, code)
    DO UPDATE SET messages = c.messages + excluded.messages, repeats = c.repeats + excluded.repeats;

-- name: list_rejections
-- args: environment_id, before_id, code text (NULL for any), api_key_id integer (NULL for any), n
-- index: rejected_messages_pkey
SELECT r.id, r.code, r.message, r.path, r.payload, r.times, r.received_at,
       coalesce(r.last_received_at, r.received_at) AS last_received_at, k.name AS key_name
FROM rejected_messages r
LEFT JOIN api_keys k ON k.environment_id = r.environment_id AND k.id = r.api_key_id
WHERE r.environment_id = $1 AND r.id < $2 AND ($3::text IS NULL OR r.code = $3)
  AND ($4::integer IS NULL OR r.api_key_id = $4)
ORDER BY r.id DESC LIMIT $5;

-- name: rejection_counts
-- args: environment_id, since timestamptz, n
-- index: rejection_counts_pkey
SELECT c.hour, c.api_key_id, k.name AS key_name, c.code, c.messages, c.repeats
FROM rejection_counts c
LEFT JOIN api_keys k ON k.environment_id = c.environment_id AND k.id = c.api_key_id
WHERE c.environment_id = $1 AND c.hour >= $2
ORDER BY c.hour DESC, c.messages DESC, c.api_key_id, c.code LIMIT $3;

-- name: prune_rejections
-- args: environment_id, before timestamptz
-- index: rejected_messages_by_time
DELETE FROM rejected_messages WHERE environment_id = $1 AND received_at < $2;

-- name: prune_rejection_counts
-- args: environment_id, before timestamptz
-- index: rejection_counts_pkey
DELETE FROM rejection_counts WHERE environment_id = $1 AND hour < $2;

-- name: keep_dead_letter
-- A message that fails again keeps its letter, with the newest error.
-- args: environment_id, digest bytea, api_key_id integer, code text, error text, payload bytea, now timestamptz
-- index: dead_letters_environment_id_digest_key
INSERT INTO dead_letters AS d (environment_id, digest, api_key_id, code, error, payload, first_failed_at, last_failed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
ON CONFLICT (environment_id, digest) DO UPDATE
SET code = excluded.code, error = excluded.error, payload = excluded.payload, attempts = d.attempts + 1,
    last_failed_at = excluded.last_failed_at;

-- name: list_dead_letters
-- args: environment_id, before_id, code text (NULL for any), n
-- index: dead_letters_pkey
SELECT d.id, d.code, d.error, d.payload, d.attempts, d.first_failed_at, d.last_failed_at, d.api_key_id,
       k.name AS key_name
FROM dead_letters d
LEFT JOIN api_keys k ON k.environment_id = d.environment_id AND k.id = d.api_key_id
WHERE d.environment_id = $1 AND d.id < $2 AND ($3::text IS NULL OR d.code = $3)
ORDER BY d.id DESC LIMIT $4;

-- name: oldest_dead_letters
-- The letters of a replay: those given, or all of a code, oldest first.
-- args: environment_id, ids bigint[] (NULL for any), code text (NULL for any), after_id, n
-- index: dead_letters_pkey
SELECT id, payload, attempts, api_key_id FROM dead_letters
WHERE environment_id = $1 AND ($2::bigint[] IS NULL OR id = ANY ($2)) AND ($3::text IS NULL OR code = $3) AND id > $4
ORDER BY id LIMIT $5;

-- name: settle_dead_letters
-- Deletes the letters that did not fail again meanwhile.
-- args: environment_id, ids bigint[], attempts integer[]
-- index: dead_letters_pkey
DELETE FROM dead_letters d USING unnest($2::bigint[], $3::integer[]) AS s (id, attempts)
WHERE d.environment_id = $1 AND d.id = s.id AND d.attempts = s.attempts;

-- name: discard_dead_letters
-- args: environment_id, ids bigint[] (NULL for any), code text (NULL for any)
-- index: dead_letters_pkey
WITH gone AS (
    DELETE FROM dead_letters
    WHERE environment_id = $1 AND ($2::bigint[] IS NULL OR id = ANY ($2)) AND ($3::text IS NULL OR code = $3)
    RETURNING id
)
SELECT count(*) FROM gone;

-- name: prune_dead_letters
-- args: environment_id, before timestamptz, n
-- index: dead_letters_pkey
DELETE FROM dead_letters
WHERE environment_id = $1
  AND id IN (SELECT id FROM dead_letters WHERE environment_id = $1 AND last_failed_at < $2 LIMIT $3);
