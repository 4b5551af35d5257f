-- name: add_types
-- Rows are sorted by key, so that two processes lock them in one order. The same holds for all statements that add here.
-- args: environment_id, events text[], properties text[], types text[], ns bigint[], firsts timestamptz[],
--       lasts timestamptz[]
-- index: registry_types_pkey
-- locks: the rows it adds to
INSERT INTO registry_types AS known (environment_id, event, property, type, n, first_at, last_at)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (environment_id, event, property, type) DO UPDATE SET n = known.n + excluded.n,
    first_at = least(known.first_at, excluded.first_at), last_at = greatest(known.last_at, excluded.last_at);

-- name: add_days
-- args: environment_id, events text[], days integer[] (since 1970), properties text[], types text[], sdks text[],
--       ns bigint[]
-- index: registry_days_pkey
INSERT INTO registry_days AS known (environment_id, event, day, property, type, sdk, n)
SELECT $1, g.event, date '1970-01-01' + g.day, g.property, g.type, g.sdk, g.n
FROM unnest($2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::bigint[])
    AS g (event, day, property, type, sdk, n)
ON CONFLICT (environment_id, event, day, property, type, sdk) DO UPDATE SET n = known.n + excluded.n;

-- name: add_hours
-- args: environment_id, events text[], hours timestamptz[], ns bigint[]
-- index: registry_hours_pkey
INSERT INTO registry_hours AS known (environment_id, event, hour, n)
SELECT $1, * FROM unnest($2::text[], $3::timestamptz[], $4::bigint[])
ON CONFLICT (environment_id, event, hour) DO UPDATE SET n = known.n + excluded.n;

-- name: add_sdks
-- args: environment_id, libraries text[], versions text[], platforms text[], ns bigint[], firsts timestamptz[],
--       lasts timestamptz[]
-- index: registry_sdks_pkey
INSERT INTO registry_sdks AS known (environment_id, library, version, platform, n, first_at, last_at)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (environment_id, library, version, platform) DO UPDATE SET n = known.n + excluded.n,
    first_at = least(known.first_at, excluded.first_at), last_at = greatest(known.last_at, excluded.last_at);

-- name: add_violations
-- args: environment_id, events text[], days integer[] (since 1970), codes text[], paths text[], rejected boolean[],
--       ns bigint[], firsts timestamptz[], lasts timestamptz[]
-- index: plan_violations_pkey
INSERT INTO plan_violations AS known (environment_id, event, day, code, path, rejected, n, first_at, last_at)
SELECT $1, g.event, date '1970-01-01' + g.day, g.code, g.path, g.rejected, g.n, g.first_at, g.last_at
FROM unnest($2::text[], $3::integer[], $4::text[], $5::text[], $6::boolean[], $7::bigint[], $8::timestamptz[],
            $9::timestamptz[]) AS g (event, day, code, path, rejected, n, first_at, last_at)
ON CONFLICT (environment_id, event, day, code, path, rejected) DO UPDATE SET n = known.n + excluded.n,
    first_at = least(known.first_at, excluded.first_at), last_at = greatest(known.last_at, excluded.last_at);

-- name: known_names
-- args: environment_id
-- index: registry_types_pkey
SELECT DISTINCT event, property FROM registry_types WHERE environment_id = $1;

-- name: known_sdks
-- args: environment_id
-- index: registry_sdks_pkey
SELECT library, version, platform, n, first_at, last_at FROM registry_sdks
WHERE environment_id = $1 ORDER BY n DESC, library, version, platform;

-- name: lock_registry
-- Keeps other transactions from writing to the environment's registry until this one ends.
-- args: environment_id
SELECT pg_advisory_xact_lock(hashtextextended('registry', $1));

-- name: clear_registry
-- Deletes what can be recounted from raw events. Violations of rejected messages cannot, and stay.
-- args: environment_id
-- locks: the rows it deletes
WITH types AS (DELETE FROM registry_types WHERE environment_id = $1),
     days AS (DELETE FROM registry_days WHERE environment_id = $1),
     hours AS (DELETE FROM registry_hours WHERE environment_id = $1),
     sdks AS (DELETE FROM registry_sdks WHERE environment_id = $1)
DELETE FROM plan_violations WHERE environment_id = $1 AND NOT rejected;

-- name: events_to_count
-- Stored messages in the order they were stored, after a position.
-- args: environment_id, after_id, n
-- index: events_pkey
SELECT id, kind, name, received_at, properties, context, warnings FROM events
WHERE environment_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- name: prune_registry
-- args: environment_id, oldest day date, oldest hour timestamptz
-- index: registry_days_by_day, plan_violations_by_day, registry_hours_by_hour
WITH days AS (DELETE FROM registry_days WHERE environment_id = $1 AND day < $2),
     hours AS (DELETE FROM registry_hours WHERE environment_id = $1 AND hour < $3)
DELETE FROM plan_violations WHERE environment_id = $1 AND day < $2;

-- name: planned_events
-- args: environment_id
-- index: plan_entries_pkey
SELECT DISTINCT event FROM plan_entries WHERE environment_id = $1;

-- name: make_room_for_events
-- Counts the rarest unplanned events as `$other`, so that names that came once cannot keep new events out for ever.
-- args: environment_id, how many may stay, rare up to this number, not seen since timestamptz
-- index: registry_types_pkey, registry_days_pkey, registry_hours_pkey, plan_entries_pkey
-- locks: the rows it moves, behind lock_registry
WITH known AS (
    SELECT event, n, last_at FROM registry_types
    WHERE environment_id = $1 AND property = '' AND event <> '$other'
), rare AS (
    SELECT event FROM known
    WHERE n <= $3 AND last_at < $4
        AND NOT EXISTS (SELECT 1 FROM plan_entries p WHERE p.environment_id = $1 AND p.event = known.event)
    ORDER BY n, last_at, event LIMIT greatest((SELECT count(*) FROM known) - $2::integer, 0)
), types AS (
    DELETE FROM registry_types WHERE environment_id = $1 AND event IN (SELECT event FROM rare)
    RETURNING property, n, first_at, last_at
), days AS (
    DELETE FROM registry_days WHERE environment_id = $1 AND event IN (SELECT event FROM rare)
    RETURNING day, property, sdk, n
), hours AS (
    DELETE FROM registry_hours WHERE environment_id = $1 AND event IN (SELECT event FROM rare) RETURNING hour, n
), moved_days AS (
    INSERT INTO registry_days AS known (environment_id, event, day, property, type, sdk, n)
    SELECT $1, '$other', day, CASE property WHEN '' THEN '' ELSE '$other' END AS called, '', sdk, sum(n)
    FROM days GROUP BY day, called, sdk
    ON CONFLICT (environment_id, event, day, property, type, sdk) DO UPDATE SET n = known.n + excluded.n
), moved_hours AS (
    INSERT INTO registry_hours AS known (environment_id, event, hour, n)
    SELECT $1, '$other', hour, sum(n) FROM hours GROUP BY hour
    ON CONFLICT (environment_id, event, hour) DO UPDATE SET n = known.n + excluded.n
)
INSERT INTO registry_types AS known (environment_id, event, property, type, n, first_at, last_at)
SELECT $1, '$other', CASE property WHEN '' THEN '' ELSE '$other' END AS called, '', sum(n), min(first_at), max(last_at)
FROM types GROUP BY called
ON CONFLICT (environment_id, event, property, type) DO UPDATE SET n = known.n + excluded.n,
    first_at = least(known.first_at, excluded.first_at), last_at = greatest(known.last_at, excluded.last_at);

-- name: make_room_for_properties
-- The same of the properties of each event.
-- args: environment_id, how many of an event may stay, rare up to this number, not seen since timestamptz
-- index: registry_types_pkey, registry_days_pkey
-- locks: the rows it moves, behind lock_registry
WITH known AS (
    SELECT event, property, sum(n) AS n, max(last_at) AS last_at, count(*) OVER (PARTITION BY event) AS of_event
    FROM registry_types WHERE environment_id = $1 AND property NOT IN ('', '$other') GROUP BY event, property
), ranked AS (
    SELECT event, property, of_event, row_number() OVER (PARTITION BY event ORDER BY n, last_at, property) AS place
    FROM known WHERE n <= $3 AND last_at < $4
), rare AS (
    SELECT event, property FROM ranked WHERE place <= of_event - $2::integer
), types AS (
    DELETE FROM registry_types WHERE environment_id = $1 AND (event, property) IN (SELECT event, property FROM rare)
    RETURNING event, n, first_at, last_at
), days AS (
    DELETE FROM registry_days WHERE environment_id = $1 AND (event, property) IN (SELECT event, property FROM rare)
    RETURNING event, day, sdk, n
), moved_days AS (
    INSERT INTO registry_days AS known (environment_id, event, day, property, type, sdk, n)
    SELECT $1, event, day, '$other', '', sdk, sum(n) FROM days GROUP BY event, day, sdk
    ON CONFLICT (environment_id, event, day, property, type, sdk) DO UPDATE SET n = known.n + excluded.n
)
INSERT INTO registry_types AS known (environment_id, event, property, type, n, first_at, last_at)
SELECT $1, event, '$other', '', sum(n), min(first_at), max(last_at) FROM types GROUP BY event
ON CONFLICT (environment_id, event, property, type) DO UPDATE SET n = known.n + excluded.n,
    first_at = least(known.first_at, excluded.first_at), last_at = greatest(known.last_at, excluded.last_at);

-- name: make_room_for_sdks
-- The same of SDKs.
-- args: environment_id, how many may stay, rare up to this number, not seen since timestamptz
-- index: registry_sdks_pkey
-- locks: the rows it moves, behind lock_registry
WITH known AS (
    SELECT library, version, platform, n, last_at FROM registry_sdks WHERE environment_id = $1 AND library <> '$other'
), rare AS (
    SELECT library, version, platform FROM known WHERE n <= $3 AND last_at < $4
    ORDER BY n, last_at, library, version, platform LIMIT greatest((SELECT count(*) FROM known) - $2::integer, 0)
), gone AS (
    DELETE FROM registry_sdks
    WHERE environment_id = $1 AND (library, version, platform) IN (SELECT library, version, platform FROM rare)
    RETURNING n, first_at, last_at
)
INSERT INTO registry_sdks AS known (environment_id, library, version, platform, n, first_at, last_at)
SELECT $1, '$other', '', '', sum(n), min(first_at), max(last_at) FROM gone HAVING count(*) > 0
ON CONFLICT (environment_id, library, version, platform) DO UPDATE SET n = known.n + excluded.n,
    first_at = least(known.first_at, excluded.first_at), last_at = greatest(known.last_at, excluded.last_at);

-- name: registry_events
-- Every event with its volume of today and of the last days.
-- args: environment_id, first of the last days date, today date
-- index: registry_types_pkey, registry_days_pkey
SELECT t.event, t.n, t.first_at, t.last_at,
       (SELECT count(DISTINCT p.property) FROM registry_types p
        WHERE p.environment_id = $1 AND p.event = t.event AND p.property <> '') AS properties,
       coalesce(d.lately, 0)::bigint AS lately, coalesce(d.today, 0)::bigint AS today
FROM registry_types t
LEFT JOIN LATERAL (
    SELECT sum(n) AS lately, sum(n) FILTER (WHERE day = $3) AS today FROM registry_days
    WHERE environment_id = $1 AND event = t.event AND day >= $2 AND property = ''
) AS d ON true
WHERE t.environment_id = $1 AND t.property = ''
ORDER BY lately DESC, t.event;

-- name: registry_event_names
-- The most frequent first. Names that begin with $ are the registry's own.
-- args: environment_id, last seen since
-- index: registry_types_pkey
SELECT event FROM registry_types
WHERE environment_id = $1 AND property = '' AND last_at >= $2 AND NOT starts_with(event, '$') ORDER BY n DESC, event;

-- name: registry_names_seen
-- Every event with its volume ever.
-- args: environment_id
-- index: registry_types_pkey
SELECT event, n, first_at, last_at FROM registry_types WHERE environment_id = $1 AND property = '' ORDER BY event;

-- name: registry_types_of
-- args: environment_id, event
-- index: registry_types_pkey
SELECT property, type, n, first_at, last_at FROM registry_types WHERE environment_id = $1 AND event = $2
ORDER BY property, n DESC, type;

-- name: registry_types_of_events
-- The types of the properties of some events.
-- args: environment_id, events text[]
-- index: registry_types_pkey
SELECT event, property, type, n FROM registry_types
WHERE environment_id = $1 AND event = ANY ($2) AND property <> '' ORDER BY event, property, type;

-- name: registry_sdks_of_events
-- The SDKs that sent some events since a day, with their volume of the last days.
-- args: environment_id, events text[], first day date, first of the last days date
-- index: registry_days_pkey
SELECT event, sdk, sum(n)::bigint AS n, coalesce(sum(n) FILTER (WHERE day >= $4), 0)::bigint AS lately,
       min(day) - date '1970-01-01' AS first_day, max(day) - date '1970-01-01' AS last_day
FROM registry_days WHERE environment_id = $1 AND event = ANY ($2) AND property = '' AND day >= $3
GROUP BY event, sdk ORDER BY event, n DESC, sdk;

-- name: registry_dictionary
-- A page of properties over all events, by code points, with their types in each event.
-- args: environment_id, after text, prefix text, the name of the overflow, n
-- index: registry_types_pkey
WITH page AS (
    SELECT DISTINCT property COLLATE "C" AS property FROM registry_types
    WHERE environment_id = $1 AND property COLLATE "C" > $2 AND starts_with(property, $3) AND property <> $4
    ORDER BY property LIMIT $5
)
SELECT t.property, t.event, t.type, t.n, t.first_at, t.last_at
FROM page JOIN registry_types t ON t.environment_id = $1 AND t.property = page.property
ORDER BY page.property, t.event, t.type;

-- name: registry_types_seen
-- The types of every property of every event, by how many values came.
-- args: environment_id
-- index: registry_types_pkey
SELECT event, property, type, n FROM registry_types
WHERE environment_id = $1 AND property <> '' ORDER BY event, n DESC, property;

-- name: registry_days_of
-- args: environment_id, event, first day date
-- index: registry_days_pkey
SELECT day - date '1970-01-01' AS day, property, type, sum(n)::bigint AS n FROM registry_days
WHERE environment_id = $1 AND event = $2 AND day >= $3 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: registry_sdks_of
-- The SDKs that sent an event or one of its properties, by type.
-- args: environment_id, event, property, first day date
-- index: registry_days_pkey
SELECT sdk, type, sum(n)::bigint AS n, min(day) - date '1970-01-01' AS first_day,
       max(day) - date '1970-01-01' AS last_day
FROM registry_days WHERE environment_id = $1 AND event = $2 AND property = $3 AND day >= $4
GROUP BY sdk, type ORDER BY n DESC, sdk, type;

-- name: registry_hours_of
-- args: environment_id, event, first hour timestamptz
-- index: registry_hours_pkey
SELECT hour, n FROM registry_hours WHERE environment_id = $1 AND event = $2 AND hour >= $3 ORDER BY hour;

-- name: newest_properties
-- Properties of an event for examples: its newest messages among the environment's newest. They are read from raw events,
-- so deleted messages give no example.
-- args: environment_id, kind text (NULL for any), name, messages looked at, n
-- index: events_pkey
SELECT properties FROM (SELECT id, kind, name, properties FROM events WHERE environment_id = $1 ORDER BY id DESC LIMIT $4)
    AS newest
WHERE name = $3 AND ($2::text IS NULL OR kind = $2) ORDER BY id DESC LIMIT $5;

-- name: newest_messages
-- What the newest messages of all events hold, for examples of properties.
-- args: environment_id, n
-- index: events_pkey
SELECT kind, name, properties FROM events WHERE environment_id = $1 ORDER BY id DESC LIMIT $2;

-- name: plan_violations_since
-- args: environment_id, event text (NULL for all), first day date, n
-- index: plan_violations_pkey
SELECT event, day - date '1970-01-01' AS day, code, path, rejected, n, first_at, last_at FROM plan_violations
WHERE environment_id = $1 AND ($2::text IS NULL OR event = $2) AND day >= $3
ORDER BY plan_violations.day DESC, n DESC, event, code, path, rejected LIMIT $4;

-- name: current_plan_entries
-- The newest version of each entry of every environment, without removed ones.
-- index: plan_entries_pkey
SELECT environment_id, event, version, document, changed_at, changed_by FROM (
    SELECT DISTINCT ON (environment_id, event) environment_id, event, version, document, changed_at, changed_by
    FROM plan_entries WHERE $1::integer IS NULL OR environment_id = $1
    ORDER BY environment_id, event, version DESC
) AS newest WHERE document IS NOT NULL ORDER BY environment_id, event;

-- name: plan_entry_versions
-- Newest first; document is null where the entry was removed.
-- args: environment_id, event, n
-- index: plan_entries_pkey
SELECT version, document, changed_at, changed_by FROM plan_entries
WHERE environment_id = $1 AND event = $2 ORDER BY version DESC LIMIT $3;

-- name: append_plan_entry
-- Inserts nothing if the version exists already: another process was faster.
-- args: environment_id, event, version, document json, now, author
INSERT INTO plan_entries (environment_id, event, version, document, changed_at, changed_by)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
RETURNING version;

-- name: append_live_batches
-- args: environment_id, now, readers text[], matched integer[], items bytea[]
INSERT INTO live_batches (environment_id, at, reader, matched, items)
SELECT $1, $2, g.* FROM unnest($3::text[], $4::integer[], $5::bytea[]) AS g (reader, matched, items);

-- name: take_live_batches
-- The batches for the readers of one process; each is returned once.
-- args: environment_id, readers text[]
-- index: live_batches_pkey
WITH taken AS (
    DELETE FROM live_batches WHERE environment_id = $1 AND reader = ANY ($2)
    RETURNING reader, id, at, matched, items
)
SELECT reader, at, matched, items FROM taken ORDER BY id;

-- name: prune_live_batches
-- Batches whose readers have gone.
-- args: environment_id, before
-- index: live_batches_by_time
DELETE FROM live_batches WHERE environment_id = $1 AND at < $2;
