-- name: profiles_with_state
-- args: environment_id integer, ids bigint[]
-- index: profiles_pkey
SELECT id, bucketing_key, created_at, first_seen_at, last_seen_at, properties, state, version, recompute_at, merged_into
FROM profiles WHERE environment_id = $1 AND id = ANY ($2::bigint[]) AND merged_into IS NULL;
