-- name: identifiers_of_profiles
-- args: environment_id, profile_ids bigint[]
-- index: identifiers_of_profile
SELECT kind, value, id, profile_id, owner_id, claim_strength, claimed_at, claimed_by, created_at
FROM identifiers WHERE environment_id = $1 AND profile_id = ANY ($2) ORDER BY id;

-- name: identifiers_by_id
-- args: environment_id, ids bigint[]
-- index: identifiers_environment_id_id_key
SELECT kind, value, id, profile_id, owner_id, claim_strength, claimed_at, claimed_by, created_at
FROM identifiers WHERE environment_id = $1 AND id = ANY ($2) ORDER BY id;

-- name: count_identifiers
-- How many identifiers of these kinds the profiles have, and how many of them were first seen after an instant.
-- args: environment_id, profile_ids bigint[], kinds text[], sinces timestamptz[]
-- index: identifiers_of_profile
SELECT a.profile_id, a.kind, count(*) AS n, count(*) FILTER (WHERE a.created_at > k.since) AS recent
FROM unnest($3::text[], $4::timestamptz[]) AS k (kind, since)
JOIN identifiers a ON a.environment_id = $1 AND a.profile_id = ANY ($2) AND a.kind = k.kind
GROUP BY a.profile_id, a.kind;

-- name: find_links
-- The links of these pairs.
-- args: environment_id, identifier_ids bigint[], owner_ids bigint[], is_joins boolean[]
-- index: identity_links_pkey
SELECT l.identifier_id, l.owner_id, l.is_join, l.strength, l.said_at, l.said_by, l.linked_at, l.apart_at
FROM unnest($2::bigint[], $3::bigint[], $4::boolean[]) AS wanted (identifier_id, owner_id, is_join)
JOIN identity_links l ON l.environment_id = $1 AND l.identifier_id = wanted.identifier_id AND l.owner_id = wanted.owner_id
                     AND l.is_join = wanted.is_join;

-- name: save_links
-- A pair keeps its best rank. A pair that was kept apart is joined again, with the new rank.
-- args: environment_id, identifier_ids bigint[], owner_ids bigint[], is_joins boolean[], strengths smallint[],
--       said_ats timestamptz[], said_bys text[], now timestamptz
-- index: identity_links_pkey
INSERT INTO identity_links AS l (environment_id, identifier_id, owner_id, is_join, strength, said_at, said_by, linked_at)
SELECT $1, n.*, $8
FROM unnest($2::bigint[], $3::bigint[], $4::boolean[], $5::smallint[], $6::timestamptz[], $7::text[])
    AS n (identifier_id, owner_id, is_join, strength, said_at, said_by)
ON CONFLICT (environment_id, identifier_id, owner_id, is_join) DO UPDATE
SET strength = excluded.strength, said_at = excluded.said_at, said_by = excluded.said_by, apart_at = NULL,
    linked_at = CASE WHEN l.apart_at IS NULL THEN l.linked_at ELSE excluded.linked_at END
WHERE l.apart_at IS NOT NULL
   OR (excluded.strength, excluded.said_at, excluded.said_by) < (l.strength, l.said_at, l.said_by);

-- name: links_of_identifiers
-- All links of these identifiers, on either side, with those that were withdrawn.
-- args: environment_id, identifier_ids bigint[]
-- index: identity_links_pkey, identity_links_of_owner
SELECT identifier_id, owner_id, is_join, strength, said_at, said_by, linked_at, apart_at
FROM identity_links WHERE environment_id = $1 AND identifier_id = ANY ($2)
UNION
SELECT identifier_id, owner_id, is_join, strength, said_at, said_by, linked_at, apart_at
FROM identity_links WHERE environment_id = $1 AND owner_id = ANY ($2);

-- name: messages_of_identifiers
-- Every message with one of these identifiers, in no order; read through a cursor.
-- args: environment_id, identifier_ids bigint[]
-- index: events_of_identifier
SELECT e.kind, e.name, e.message_id, e.occurred_at, e.received_at, e.target, e.properties,
       coalesce(e.context ->> 'active' = 'false', false) AS inactive, e.identifier_id
FROM events e WHERE e.environment_id = $1 AND e.identifier_id = ANY ($2);

-- name: part_links
-- Keep these pairs apart from now on.
-- args: environment_id, identifier_ids bigint[], owner_ids bigint[], now timestamptz
-- index: identity_links_pkey
UPDATE identity_links l SET apart_at = $4
FROM unnest($2::bigint[], $3::bigint[]) AS gone (identifier_id, owner_id)
WHERE l.environment_id = $1 AND l.identifier_id = gone.identifier_id AND l.owner_id = gone.owner_id AND l.apart_at IS NULL;

-- name: drop_claims
-- Identifiers without an owner from now on.
-- args: environment_id, ids bigint[]
-- index: identifiers_environment_id_id_key
UPDATE identifiers SET owner_id = NULL, claim_strength = NULL, claimed_at = NULL, claimed_by = NULL
WHERE environment_id = $1 AND id = ANY ($2);

-- name: rekey_profiles
-- args: environment_id, ids bigint[], bucketing_keys text[], created_ats timestamptz[]
-- index: profiles_pkey
UPDATE profiles p SET bucketing_key = n.bucketing_key, created_at = n.created_at
FROM unnest($2::bigint[], $3::text[], $4::timestamptz[]) AS n (id, bucketing_key, created_at)
WHERE p.environment_id = $1 AND p.id = n.id;

-- name: redirect_profiles
-- Absorbed profiles with another survivor from now on.
-- args: environment_id, ids bigint[], merged_intos bigint[]
-- index: profiles_pkey
UPDATE profiles p SET merged_into = n.merged_into
FROM unnest($2::bigint[], $3::bigint[]) AS n (id, merged_into)
WHERE p.environment_id = $1 AND p.id = n.id;

-- name: append_merge
-- args: environment_id, survivor_id, absorbed_id, message_id, merged_at, identifier_ids, survivor, survivor_state, absorbed,
--       absorbed_state, cause, link_identifier_id, link_owner_id, survivor_identifier_ids, author, note
INSERT INTO merges (environment_id, survivor_id, absorbed_id, message_id, merged_at, identifier_ids, survivor,
                    survivor_state, absorbed, absorbed_state, cause, link_identifier_id, link_owner_id, survivor_identifier_ids,
                    author, note)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
RETURNING id;

-- name: find_merge
-- args: environment_id, id
-- locks: the row, FOR UPDATE: concurrent undoes run one after the other
SELECT id, survivor_id, absorbed_id, message_id, merged_at, identifier_ids, cause, link_identifier_id, link_owner_id, author, note,
       undone_at, undone_by, undo_note, survivor_identifier_ids, survivor, survivor_state, absorbed, absorbed_state
FROM merges WHERE environment_id = $1 AND id = $2 FOR UPDATE;

-- name: undo_merge
-- args: environment_id, ids bigint[], now, author, note
-- index: merges_pkey
UPDATE merges SET undone_at = $3, undone_by = $4, undo_note = $5 WHERE environment_id = $1 AND id = ANY ($2);

-- name: merges_below
-- The merges in force of these profiles, and of the profiles absorbed into them.
-- args: environment_id, survivor_ids bigint[]
-- index: merges_of_survivor
WITH RECURSIVE below AS (
    SELECT m.id, m.absorbed_id FROM merges m
    WHERE m.environment_id = $1 AND m.survivor_id = ANY ($2) AND m.undone_at IS NULL
    UNION
    SELECT m.id, m.absorbed_id FROM below b
    JOIN merges m ON m.environment_id = $1 AND m.survivor_id = b.absorbed_id AND m.undone_at IS NULL
)
SELECT m.id, m.survivor_id, m.absorbed_id, m.message_id, m.merged_at, m.identifier_ids, m.cause, m.link_identifier_id,
       m.link_owner_id, m.author, m.note, m.undone_at, m.undone_by, m.undo_note, m.survivor_identifier_ids, m.survivor,
       m.survivor_state, m.absorbed, m.absorbed_state
FROM below b JOIN merges m ON m.environment_id = $1 AND m.id = b.id ORDER BY m.id;

-- name: list_merges
-- Newest first; with profile ids, the merges that they survived or that absorbed them.
-- args: environment_id, profile_ids bigint[] (NULL for all), before_id, n
-- index: merges_pkey, merges_of_survivor, merges_of_absorbed
SELECT id, survivor_id, absorbed_id, message_id, merged_at, identifier_ids, cause, link_identifier_id, link_owner_id, author, note,
       undone_at, undone_by, undo_note
FROM merges
WHERE environment_id = $1 AND id < $3
  AND ($2::bigint[] IS NULL OR survivor_id = ANY ($2) OR absorbed_id = ANY ($2))
ORDER BY id DESC LIMIT $4;

-- name: append_split
-- args: environment_id, profile_id, identifier_ids, author, note, now
INSERT INTO splits (environment_id, profile_id, identifier_ids, author, note, split_at) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id;

-- name: splits_of_profile
-- args: environment_id, profile_id
-- index: splits_of_profile
SELECT id, identifier_ids, author, note, split_at FROM splits WHERE environment_id = $1 AND profile_id = $2 ORDER BY id;

-- name: reject_claims
-- One row per pair and reason.
-- args: environment_id, identifier_ids bigint[], kept_owner_ids bigint[], other_owner_ids bigint[], message_ids text[],
--       reasons text[], now timestamptz
-- index: rejected_claims_once
INSERT INTO rejected_claims (environment_id, identifier_id, kept_owner_id, other_owner_id, message_id, reason, rejected_at)
SELECT $1, n.*, $7 FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[]) AS n
ON CONFLICT DO NOTHING;

-- name: list_rejected_claims
-- Newest first, with the identifiers.
-- args: environment_id, reason text (NULL for all), identifier_ids bigint[] (NULL for all), before_id, n
SELECT r.id, r.reason, r.message_id, r.rejected_at, r.identifier_id, r.kept_owner_id, r.other_owner_id,
       a.kind, a.value, a.profile_id, k.kind AS kept_kind, k.value AS kept_value, k.profile_id AS kept_profile_id,
       o.kind AS other_kind, o.value AS other_value, o.profile_id AS other_profile_id
FROM rejected_claims r
JOIN identifiers a ON a.environment_id = $1 AND a.id = r.identifier_id
JOIN identifiers k ON k.environment_id = $1 AND k.id = r.kept_owner_id
JOIN identifiers o ON o.environment_id = $1 AND o.id = r.other_owner_id
WHERE r.environment_id = $1 AND r.id < $4 AND ($2::text IS NULL OR r.reason = $2)
  AND ($3::bigint[] IS NULL OR r.identifier_id = ANY ($3) OR r.kept_owner_id = ANY ($3) OR r.other_owner_id = ANY ($3))
ORDER BY r.id DESC LIMIT $5;

-- name: count_blocked
-- Sorted, so that two concurrent groups of messages cannot deadlock.
-- args: environment_id, kinds text[], values text[], counts bigint[], now timestamptz
INSERT INTO blocked_identifiers AS b (environment_id, kind, value, messages, first_at, last_at)
SELECT $1, n.*, $5, $5 FROM unnest($2::text[], $3::text[], $4::bigint[]) AS n (kind, value, messages)
ORDER BY n.kind, n.value
ON CONFLICT (environment_id, kind, value) DO UPDATE
SET messages = b.messages + excluded.messages, last_at = excluded.last_at;

-- name: list_blocked
-- The most frequent first.
-- args: environment_id, n
SELECT kind, value, messages, first_at, last_at FROM blocked_identifiers
WHERE environment_id = $1 ORDER BY messages DESC, kind, value LIMIT $2;

-- name: segments_since
-- When the present meaning of each segment was published: its first possible member is not older.
-- args: environment_id
SELECT DISTINCT ON (v.definition_id) v.definition_id, r.published_at
FROM definition_versions v
JOIN definition_versions m ON m.environment_id = $1 AND m.definition_id = v.definition_id AND m.version = v.meaning
JOIN definitions d ON d.environment_id = $1 AND d.id = v.definition_id AND d.kind = 'segment'
JOIN revisions r ON r.environment_id = $1 AND r.revision = m.from_revision
WHERE v.environment_id = $1
ORDER BY v.definition_id, v.version DESC;
