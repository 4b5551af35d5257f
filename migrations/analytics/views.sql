-- The views of one environment, in a database of its own, for SQL that its clients write. They are made when they are
-- first needed, and again when a segment or flag is added.
--
-- $views           the database of the views
-- $environment     the id of the environment
-- $segments, $flags   expressions: the key of `segment_id`, of `definition_id`; '' if there is none
CREATE DATABASE IF NOT EXISTS $views $on_cluster;

-- One row per event. person_id is who the event belongs to now.
CREATE OR REPLACE VIEW $views.events $on_cluster AS
SELECT
    id AS event_id,
    name,
    kind,
    occurred_at,
    received_at,
    active,
    dictGetOrDefault('$database_name.who', 'profile_id', (environment_id, identifier_id), profile_id) AS person_id,
    identifier_id,
    message_id,
    properties,
    context
FROM $database.events
WHERE environment_id = $environment;

-- One row per person, as of now.
CREATE OR REPLACE VIEW $views.people $on_cluster AS
SELECT
    profile_id AS person_id,
    properties,
    first_seen,
    last_seen,
    group_key,
    group_traits,
    arrayFilter(key -> key != '', arrayMap(segment_id -> $segments, segments)) AS segments
FROM $database.people FINAL
WHERE environment_id = $environment AND alive;

-- Entries into segments and exits from them. profile_id is the profile's at that time.
CREATE OR REPLACE VIEW $views.segment_history $on_cluster AS
SELECT $segments AS segment, profile_id, at, entered
FROM $database.moved FINAL
WHERE environment_id = $environment;

-- Each value that a profile property was set to, as JSON text.
CREATE OR REPLACE VIEW $views.property_history $on_cluster AS
SELECT
    property,
    dictGetOrDefault('$database_name.who', 'profile_id', (environment_id, identifier_id), profile_id) AS person_id,
    identifier_id,
    at,
    message_id,
    value
FROM $database.said FINAL
WHERE environment_id = $environment;

-- Which unit got which variant of a flag, and when first.
CREATE OR REPLACE VIEW $views.exposures $on_cluster AS
SELECT $flags AS flag, unit, nullIf(profile_id, 0) AS person_id, variant, rule, version AS flag_version, first_at
FROM $database.exposed FINAL
WHERE environment_id = $environment;
