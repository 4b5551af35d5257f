-- name: copy_identifiers
-- Under other values and profiles, without claims. The new id of each is found by its value, which is random.
-- args: environment_id, ids bigint[], new values text[], new profile_ids bigint[]
-- index: identifiers_environment_id_id_key
WITH given AS (
    SELECT a.id, a.kind, a.created_at, n.value, n.profile_id
    FROM unnest($2::bigint[], $3::text[], $4::bigint[]) AS n (id, value, profile_id)
    JOIN identifiers a ON a.environment_id = $1 AND a.id = n.id
), made AS (
    INSERT INTO identifiers (environment_id, kind, value, profile_id, created_at)
    SELECT $1, kind, value, profile_id, created_at FROM given ORDER BY created_at, id
    RETURNING id, kind, value
)
SELECT given.id, made.id AS new_id FROM given JOIN made ON made.kind = given.kind AND made.value = given.value;

-- name: planned_events
-- The events with these names.
-- args: environment_id, identifier_ids bigint[], names text[]
-- index: events_of_identifier
SELECT id, name, properties FROM events
WHERE environment_id = $1 AND identifier_id = ANY ($2) AND name = ANY ($3);

-- name: keep_events
-- What is left of an event is its kind, its name, when it happened and arrived, and whether the profile was active.
-- args: environment_id, identifier_ids bigint[], new identifier_ids bigint[]
-- index: events_of_identifier, identifiers_environment_id_id_key
WITH kept AS (
    UPDATE events e SET
        identifier_id = n.new_id, message_id = replace(gen_random_uuid()::text, '-', ''),
        original_at = NULL, sent_at = NULL, target = NULL, properties = '{}', warnings = NULL,
        context = CASE WHEN e.context -> 'active' = 'false' THEN '{"active": false}'::jsonb ELSE '{}' END
    FROM unnest($2::bigint[], $3::bigint[]) AS n (id, new_id)
    WHERE e.environment_id = $1 AND e.identifier_id = n.id
    RETURNING e.id, e.identifier_id, e.received_at
)
SELECT k.id, a.profile_id, k.received_at
FROM kept k JOIN identifiers a ON a.environment_id = $1 AND a.id = k.identifier_id
ORDER BY k.id;

-- name: keep_properties
-- args: environment_id, identifier_ids bigint[], event ids bigint[], properties jsonb[]
-- index: events_of_identifier
UPDATE events e SET properties = n.properties
FROM unnest($3::bigint[], $4::jsonb[]) AS n (id, properties)
WHERE e.environment_id = $1 AND e.identifier_id = ANY ($2) AND e.id = n.id;

-- name: keep_transitions
-- args: environment_id, profile_ids bigint[], new profile_ids bigint[]
-- index: transitions_of_profile
WITH kept AS (
    UPDATE transitions t SET profile_id = n.new_id
    FROM unnest($2::bigint[], $3::bigint[]) AS n (id, new_id)
    WHERE t.environment_id = $1 AND t.profile_id = n.id
    RETURNING t.id, t.profile_id, t.segment_id, t.entered, t.at, t.cause
)
SELECT id, profile_id, segment_id, entered, at, cause FROM kept ORDER BY id;

-- name: keep_exposures
-- args: environment_id, units text[], new units text[], profile_ids bigint[], new profile_ids bigint[]
-- index: exposures_of_unit
UPDATE exposures e SET
    unit = n.new_unit,
    profile_id = (SELECT p.new_id FROM unnest($4::bigint[], $5::bigint[]) AS p (id, new_id) WHERE p.id = e.profile_id)
FROM unnest($2::text[], $3::text[]) AS n (unit, new_unit)
WHERE e.environment_id = $1 AND e.unit = n.unit;
