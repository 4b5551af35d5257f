-- name: plan_anew
-- A statement for some thousand ids is planned for these: the plan for any number of them reads everybody's events.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true);

-- name: count_profiles
-- Who there was by an instant.
-- args: environment_id, at timestamptz
-- index: profiles_pkey
SELECT count(*) FROM profiles WHERE environment_id = $1 AND merged_into IS NULL AND created_at <= $2;

-- name: sample_profiles
-- Some of them, by a hash of the id: the same ones each time, as many of the old as of the new, and of a bigger sample
-- the smaller one is a part. In order of that hash.
-- args: environment_id, at timestamptz, n (NULL for all)
-- index: profiles_pkey
SELECT id FROM profiles WHERE environment_id = $1 AND merged_into IS NULL AND created_at <= $2
ORDER BY ((id & 1073741823) * 2654435761) & 4294967295, id LIMIT $3;

-- name: units_of
-- What decides a flag beside its conditions: the bucketing key, and every identifier.
-- args: environment_id, ids bigint[]
-- index: profiles_pkey, aliases_of_profile
SELECT p.id, p.bucketing_key,
       ARRAY(SELECT a.kind || ' ' || a.value FROM aliases a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 1000) AS aliases
FROM profiles p WHERE p.environment_id = $1 AND p.id = ANY ($2);
