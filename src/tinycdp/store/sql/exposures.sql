-- name: begin_recording
-- An erasure takes the same lock exclusively: what was recorded before is found by it, and what comes later sees that the
-- profile is gone.
-- locks: advisory (77, 0), shared
SELECT pg_advisory_xact_lock_shared(77, 0);

-- name: units_of_identifiers
-- The profile of each identifier, and what it is bucketed by. Identifiers without a profile are left out.
-- args: environment_id, kinds text[], values text[]
-- index: identifiers_pkey, profiles_pkey
SELECT a.kind, a.value, p.id, p.bucketing_key
FROM unnest($2::text[], $3::text[]) AS wanted (kind, value)
JOIN identifiers a ON a.environment_id = $1 AND a.kind = wanted.kind AND a.value = wanted.value
JOIN profiles p ON p.environment_id = $1 AND p.id = a.profile_id;

-- name: newest_erasure
-- When data was erased last; an erasure that comes later waits for this transaction.
-- args: environment_id
-- index: erasures_pkey
SELECT erased_at FROM erasures WHERE environment_id = $1 ORDER BY id DESC LIMIT 1;

-- name: record_exposures
-- What is known already stays as it is: two processes may have answered the same profile. Sorted, so that two flushes
-- that meet wait for each other in one order. A use is written once a day, else only looked up. Profiles that were erased since
-- are left out. Where the outbox has a consumer, the ids of the new rows go there, in runs.
-- args: environment_id, definition_ids integer[], versions integer[], stages smallint[], variants text[],
--       units text[] (NULL for a use without an exposure), profile_ids bigint[], rules text[], revisions integer[],
--       first_at timestamptz[], now timestamptz
-- index: flag_uses_pkey, exposures_pkey, profiles_pkey, outbox_cursors_pkey
-- locks: the rows it inserts; advisory (79, environment), shared, before a position is taken
WITH given AS (
    SELECT definition_id, (first_at AT TIME ZONE 'UTC')::date AS day, version, stage, variant, unit, profile_id, rule,
           revision, first_at
    FROM unnest($2::integer[], $3::integer[], $4::smallint[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                $9::integer[], $10::timestamptz[])
        AS g (definition_id, version, stage, variant, unit, profile_id, rule, revision, first_at)
), used AS (
    INSERT INTO flag_uses AS known (environment_id, definition_id, rule, first_day, last_day)
    SELECT $1, definition_id, rule, min(day), max(day) FROM given g
    WHERE NOT EXISTS (
        SELECT 1 FROM flag_uses u WHERE u.environment_id = $1 AND u.definition_id = g.definition_id
        AND u.rule = g.rule AND u.last_day >= g.day)
    GROUP BY definition_id, rule ORDER BY definition_id, rule
    ON CONFLICT (environment_id, definition_id, rule) DO UPDATE SET last_day = excluded.last_day
    WHERE known.last_day < excluded.last_day
), kept AS (
    INSERT INTO exposures (environment_id, definition_id, day, version, stage, variant, unit, profile_id, rule, revision,
                           first_at)
    SELECT $1, definition_id, day, version, stage, variant, unit, profile_id, rule, revision, first_at
    FROM given g WHERE unit IS NOT NULL AND (profile_id IS NULL OR EXISTS (
        SELECT 1 FROM profiles p WHERE p.environment_id = $1 AND p.id = g.profile_id))
    ORDER BY definition_id, day, version, stage, rule, variant, unit, first_at
    ON CONFLICT DO NOTHING
    RETURNING id
), runs AS (
    SELECT min(id) AS first, max(id) AS last
    FROM (SELECT id, id - row_number() OVER (ORDER BY id) AS run FROM kept) AS numbered GROUP BY run
), packed AS (
    SELECT json_build_array(json_build_object(
        'kind', 'exposures', 'ids', json_agg(json_build_array(first, last) ORDER BY first))) AS changes
    FROM runs WHERE EXISTS (SELECT 1 FROM outbox_cursors c WHERE c.environment_id = $1 AND c.lapsed_at IS NULL)
    HAVING count(*) > 0
), fence AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared(79, $1) FROM packed
), placed AS MATERIALIZED (
    SELECT nextval('versions') AS position, p.changes FROM fence, packed p
), queued AS (
    INSERT INTO outbox (environment_id, position, slot, at, changes)
    SELECT $1, position, position / 16384 % 8, $11::timestamptz, changes FROM placed
)
SELECT count(*) FROM kept;

-- name: exposures_of_erased_units
-- args: environment_id, units text[]
-- index: exposures_of_unit
SELECT id FROM exposures WHERE environment_id = $1 AND unit = ANY ($2) ORDER BY id;

-- name: count_exposures
-- Distinct units per day, variant and rule.
-- args: environment_id, definition_id, from date, to date (inclusive)
-- index: exposures_pkey
SELECT day, variant, rule, count(DISTINCT unit) AS units
FROM exposures WHERE environment_id = $1 AND definition_id = $2 AND day BETWEEN $3 AND $4
GROUP BY day, variant, rule
ORDER BY day, variant, rule;

-- name: count_exposed
-- Distinct units per variant over a range of days, and of those the ones that were given another variant as well.
-- args: environment_id, definition_id, from date, to date (inclusive)
-- index: exposures_pkey
WITH seen AS (
    SELECT unit, variant, count(*) OVER (PARTITION BY unit) > 1 AS crossed
    FROM (SELECT DISTINCT unit, variant FROM exposures
          WHERE environment_id = $1 AND definition_id = $2 AND day BETWEEN $3 AND $4) AS each
)
SELECT variant, count(*) AS units, count(*) FILTER (WHERE crossed) AS crossed,
       (SELECT count(DISTINCT unit) FROM seen) AS all_units,
       (SELECT count(DISTINCT unit) FROM seen WHERE crossed) AS all_crossed
FROM seen GROUP BY variant ORDER BY variant;

-- name: sample_of_rule
-- The units that a rule gave something under a version or a later one, per variant that it gave them first; and how many
-- were given another of its variants afterwards, whichever way. No join: on a table that was never analysed, a join of
-- it with itself may take forever.
-- args: environment_id, definition_id, rule text, since_version integer, since_stage smallint, variants text[], from date,
--       to date (inclusive), afresh_since timestamptz (NULL unless units that keep an older variant are left out)
-- index: exposures_pkey, session_variants_pkey
WITH given AS (
    SELECT unit, variant, max(first_at) AS last_at,
           min(first_at) FILTER (WHERE rule = $3 AND (version, stage) >= ($4, $5)) AS entered_at
    FROM exposures WHERE environment_id = $1 AND definition_id = $2 AND day BETWEEN $7 AND $8
    GROUP BY unit, variant
), placed AS (
    SELECT unit, variant, last_at, first_value(variant) OVER w AS first, first_value(entered_at) OVER w AS entered_at
    FROM given
    WINDOW w AS (PARTITION BY unit ORDER BY entered_at NULLS LAST, variant)
), units AS (
    SELECT first, bool_or(last_at > entered_at AND variant <> first AND variant = ANY ($6::text[])) AS crossed
    FROM placed WHERE entered_at IS NOT NULL AND ($9::timestamptz IS NULL OR NOT EXISTS (
        SELECT 1 FROM session_variants s WHERE s.environment_id = $1 AND s.definition_id = $2 AND s.unit = placed.unit
        AND s.session = '' AND s.assigned_at < $9))
    GROUP BY unit, first
)
SELECT first AS variant, count(*) AS units, count(*) FILTER (WHERE crossed) AS crossed FROM units GROUP BY first;

-- name: exposures_of_flag
-- A page of a flag's exposures, the newest day first. `flag` is the key the definition has, or had last.
-- args: environment_id, definition_id, variant text (NULL for all), from date, to date (inclusive),
--       before: day date, version integer, stage smallint, rule text, variant text, unit text; n (NULL for all)
-- index: exposures_pkey, definition_versions_pkey
SELECT definition_id, day, version, stage, variant, unit, profile_id, rule, revision, first_at,
       (SELECT key FROM definition_versions v WHERE v.environment_id = $1 AND v.definition_id = e.definition_id
        ORDER BY v.version DESC LIMIT 1) AS flag
FROM exposures e
WHERE environment_id = $1 AND definition_id = $2 AND ($3::text IS NULL OR variant = $3) AND day BETWEEN $4 AND $5
  AND (day, version, stage, rule, variant, unit)
      < ($6::date, $7::integer, $8::smallint, $9::text, $10::text, $11::text)
ORDER BY day DESC, version DESC, stage DESC, rule DESC, variant DESC, unit DESC
LIMIT $12;

-- name: exposures_of_units
-- The same of some units, over all flags or one; a profile has at most a few rows a day.
-- args: environment_id, units text[], definition_id integer (NULL for all), variant text (NULL for all), from date, to date,
--       before: day date, definition_id integer, version integer, stage smallint, rule text, variant text, unit text; n
-- index: exposures_of_unit, definition_versions_pkey
SELECT definition_id, day, version, stage, variant, unit, profile_id, rule, revision, first_at,
       (SELECT key FROM definition_versions v WHERE v.environment_id = $1 AND v.definition_id = e.definition_id
        ORDER BY v.version DESC LIMIT 1) AS flag
FROM exposures e
WHERE environment_id = $1 AND unit = ANY ($2) AND ($3::integer IS NULL OR definition_id = $3)
  AND ($4::text IS NULL OR variant = $4) AND day BETWEEN $5 AND $6
  AND (day, definition_id, version, stage, rule, variant, unit)
      < ($7::date, $8::integer, $9::integer, $10::smallint, $11::text, $12::text, $13::text)
ORDER BY day DESC, definition_id DESC, version DESC, stage DESC, rule DESC, variant DESC, unit DESC
LIMIT $14;

-- name: units_of_profile
-- Everything a profile may have been bucketed by: the keys of this profile and of those it absorbed, and each identifier,
-- because an unknown profile is bucketed by the identifier of the request.
-- args: environment_id, profile_id
-- index: profiles_pkey, merges_of_survivor, identifiers_of_profile
WITH RECURSIVE merged AS (
    SELECT id, bucketing_key FROM profiles WHERE environment_id = $1 AND id = $2
    UNION
    SELECT p.id, p.bucketing_key
    FROM merged
    JOIN merges m ON m.environment_id = $1 AND m.survivor_id = merged.id AND m.undone_at IS NULL
    JOIN profiles p ON p.environment_id = $1 AND p.id = m.absorbed_id
)
SELECT bucketing_key AS unit FROM merged
UNION
SELECT value FROM identifiers WHERE environment_id = $1 AND profile_id = $2;

-- name: delete_exposures_of_units
-- For an erasure. A profile's exposures all stand under its units.
-- args: environment_id, units text[]
-- index: exposures_of_unit
DELETE FROM exposures WHERE environment_id = $1 AND unit = ANY ($2);

-- name: flags_exposed_before
-- The flags that have exposures before a day.
-- args: environment_id, before date
-- index: definitions_pkey, exposures_pkey
SELECT d.id FROM definitions d
WHERE d.environment_id = $1 AND d.kind = 'flag' AND EXISTS (
    SELECT 1 FROM exposures e WHERE e.environment_id = $1 AND e.definition_id = d.id AND e.day < $2)
ORDER BY d.id;

-- name: nth_exposure
-- The row of a flag that has n older ones, if it is before a day.
-- args: environment_id, definition_id, before date, n
-- index: exposures_pkey
SELECT day, version, stage, rule, variant, unit FROM exposures
WHERE environment_id = $1 AND definition_id = $2 AND day < $3
ORDER BY day, version, stage, rule, variant, unit OFFSET $4 LIMIT 1;

-- name: prune_exposures
-- A flag's rows before a place in its key.
-- args: environment_id, definition_id, day date, version integer, stage smallint, rule text, variant text, unit text
-- index: exposures_pkey
DELETE FROM exposures
WHERE environment_id = $1 AND definition_id = $2
  AND (day, version, stage, rule, variant, unit) < ($3::date, $4::integer, $5::smallint, $6::text, $7::text, $8::text);

-- name: recording_since
-- The instant from which exposures have been recorded here: a flag without uses before it may have been used.
SELECT applied_at FROM migrations WHERE name LIKE '0002%';

-- name: uses_of_flags
-- args: environment_id
-- index: flag_uses_pkey
SELECT definition_id, rule, first_day, last_day FROM flag_uses WHERE environment_id = $1;

-- name: versions_of_flags
-- Every version of the flags there are, the newest first, with when it was published and went live.
-- args: environment_id, definition_ids integer[]
-- index: definition_versions_pkey, revisions_pkey
SELECT v.definition_id, v.version, v.document, r.published_at, r.live_at
FROM definition_versions v JOIN revisions r ON r.environment_id = v.environment_id AND r.revision = v.from_revision
WHERE v.environment_id = $1 AND v.definition_id = ANY ($2)
ORDER BY v.definition_id, v.version DESC;
