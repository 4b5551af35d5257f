-- name: force_custom_plans
-- Plan each statement for its own ids: a generic plan reads the events of all profiles.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true);

-- name: count_profiles
-- How many profiles existed at an instant.
-- args: environment_id, at timestamptz
-- index: profiles_pkey
SELECT count(*) FROM profiles WHERE environment_id = $1 AND merged_into IS NULL AND created_at <= $2;

-- name: sample_profiles
-- A sample by a hash of the id: the same profiles each time, old and new ones alike. A larger sample contains the
-- smaller one.
-- args: environment_id, at timestamptz, n (NULL for all)
-- index: profiles_pkey
SELECT id FROM profiles WHERE environment_id = $1 AND merged_into IS NULL AND created_at <= $2
ORDER BY ((id & 1073741823) * 2654435761) & 4294967295, id LIMIT $3;

-- name: units_of
-- What decides a flag besides its conditions: the bucketing key and the identifiers.
-- args: environment_id, ids bigint[]
-- index: profiles_pkey, identifiers_of_profile
SELECT p.id, p.bucketing_key,
       ARRAY(SELECT a.kind || ' ' || a.value FROM identifiers a
             WHERE a.environment_id = $1 AND a.profile_id = p.id ORDER BY a.id LIMIT 1000) AS identifiers
FROM profiles p WHERE p.environment_id = $1 AND p.id = ANY ($2);
