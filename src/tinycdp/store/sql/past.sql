-- name: find_identifier
-- args: environment_id, kind text, value text
-- index: identifiers_pkey
SELECT id, kind, value, profile_id, created_at FROM identifiers WHERE environment_id = $1 AND kind = $2 AND value = $3;

-- name: survivor_at
-- The profile that an id led to at an instant, through the merges in effect then.
-- args: environment_id, id bigint, at timestamptz
-- index: merges_of_absorbed
WITH RECURSIVE chain AS (
    SELECT $2::bigint AS id
    UNION
    SELECT m.survivor_id FROM chain c
    JOIN merges m ON m.environment_id = $1 AND m.absorbed_id = c.id AND m.merged_at <= $3
                 AND (m.undone_at IS NULL OR m.undone_at > $3)
)
SELECT id FROM chain c WHERE NOT EXISTS (
    SELECT 1 FROM merges m WHERE m.environment_id = $1 AND m.absorbed_id = c.id AND m.merged_at <= $3
                           AND (m.undone_at IS NULL OR m.undone_at > $3))
LIMIT 1;

-- name: moves_since
-- Moves of identifiers after an instant, from or to any of these profiles.
-- args: environment_id, profile_ids bigint[], at timestamptz
-- index: identifier_moves_from, identifier_moves_to
SELECT from_id, to_id, identifier_ids, moved_at AS at FROM identifier_moves
WHERE environment_id = $1 AND (from_id = ANY ($2) OR to_id = ANY ($2)) AND moved_at > $3
ORDER BY id DESC;

-- name: identifiers_of
-- args: environment_id, profile_ids bigint[]
-- index: identifiers_of_profile
SELECT id, kind, value, profile_id, created_at FROM identifiers
WHERE environment_id = $1 AND profile_id = ANY ($2) ORDER BY id;

-- name: messages_until
-- Messages that had arrived by an instant under these identifiers. Unordered: state does not depend on order.
-- args: environment_id, identifier_ids bigint[], at timestamptz, n (NULL for all)
-- index: events_of_identifier
SELECT e.kind, e.name, e.message_id, e.occurred_at, e.received_at, e.target, e.properties,
       coalesce(e.context -> 'active' = 'false', false) AS inactive, e.identifier_id
FROM events e
WHERE e.environment_id = $1 AND e.identifier_id = ANY ($2) AND e.received_at <= $3 LIMIT $4;

-- name: oldest_arrival
-- args: environment_id
-- index: events_pkey
SELECT received_at FROM events WHERE environment_id = $1 ORDER BY id LIMIT 1;

-- name: revisions_at
-- The live and the newest revision at an instant; 0 before the first.
-- args: environment_id, at timestamptz
SELECT coalesce(max(revision) FILTER (WHERE live_at <= $2), 0) AS live, coalesce(max(revision), 0) AS head
FROM revisions WHERE environment_id = $1 AND published_at <= $2;

-- name: lists_at
-- The lists that identifiers were on at an instant.
-- args: environment_id, identifier_ids bigint[], at timestamptz
-- index: identifiers_environment_id_id_key, listed_identifiers_pkey
SELECT a.id AS identifier_id, l.segment_id
FROM identifiers a
JOIN listed_identifiers l ON l.environment_id = $1 AND l.kind = a.kind AND l.value = a.value
WHERE a.environment_id = $1 AND a.id = ANY ($2)
  AND l.listed_at <= $3 AND (l.unlisted_at IS NULL OR l.unlisted_at > $3);
