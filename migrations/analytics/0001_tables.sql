-- The tables of analytics: a copy of what Postgres has, which can be made again at any time.
--
-- $local, $on_cluster    on a cluster each table is two: <name>_local on each shard, and <name>, which is all of them
-- @single, @cluster      ends a line that is only for one server, or only for a cluster
-- Every key begins with the environment. No materialized views: their deduplication differs between versions. No TTL.

-- Track, page and screen. The same batch sent twice is stored once, by its token. The profile is that of the event's time, and
-- is not in the key, so it can be rewritten; stored_profile_id never is: it says whose segments counted then. restored: the position of the anonymisation that stored the event again, 0 for
-- all others; its earlier copies are deleted by it.
CREATE TABLE IF NOT EXISTS $database.events$local $on_cluster (
    environment_id UInt32,
    id UInt64,
    name LowCardinality(String),
    kind Enum8('track' = 1, 'page' = 2, 'screen' = 3),
    occurred_at DateTime64(3, 'UTC'),
    received_at DateTime64(3, 'UTC'),
    active Bool,
    identifier_id UInt64,
    profile_id UInt64,
    stored_profile_id UInt64,
    message_id String,
    properties JSON(max_dynamic_paths=256),
    context JSON(max_dynamic_paths=64),
    restored UInt64
)
ENGINE = MergeTree  -- @single
ENGINE = ReplicatedMergeTree  -- @cluster
PARTITION BY toYYYYMM(received_at)
ORDER BY (environment_id, name, toDate(occurred_at), identifier_id, occurred_at)
SETTINGS non_replicated_deduplication_window = 10000  -- @single
SETTINGS replicated_deduplication_window = 10000  -- @cluster
;

CREATE TABLE IF NOT EXISTS $database.events $on_cluster AS $database.events_local  -- @cluster
ENGINE = Distributed('$cluster', '$database_name', 'events_local', cityHash64(profile_id))  -- @cluster
;

-- What each identify set: the value of one property, as JSON text. The profile is rewritten as that of events.
CREATE TABLE IF NOT EXISTS $database.said$local $on_cluster (
    environment_id UInt32,
    property LowCardinality(String),
    identifier_id UInt64,
    profile_id UInt64,
    at DateTime64(3, 'UTC'),
    message_id String,
    value String
)
ENGINE = ReplacingMergeTree  -- @single
ENGINE = ReplicatedReplacingMergeTree  -- @cluster
ORDER BY (environment_id, property, identifier_id, at, message_id);

CREATE TABLE IF NOT EXISTS $database.said $on_cluster AS $database.said_local  -- @cluster
ENGINE = Distributed('$cluster', '$database_name', 'said_local', cityHash64(identifier_id))  -- @cluster
;

-- Profiles as of the newest batch that touched them. segments are the live segments each is in;
-- group_traits the traits of its group, as JSON text.
CREATE TABLE IF NOT EXISTS $database.people$local $on_cluster (
    environment_id UInt32,
    profile_id UInt64,
    properties JSON(max_dynamic_paths=256),
    first_seen DateTime64(3, 'UTC'),
    last_seen DateTime64(3, 'UTC'),
    group_key String,
    group_traits String,
    segments Array(UInt32),
    alive Bool,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)  -- @single
ENGINE = ReplicatedReplacingMergeTree(version)  -- @cluster
ORDER BY (environment_id, profile_id);

CREATE TABLE IF NOT EXISTS $database.people $on_cluster AS $database.people_local  -- @cluster
ENGINE = Distributed('$cluster', '$database_name', 'people_local', cityHash64(profile_id))  -- @cluster
;

-- Entries into segments and exits from them, as they were recorded.
CREATE TABLE IF NOT EXISTS $database.moved$local $on_cluster (
    environment_id UInt32,
    segment_id UInt32,
    profile_id UInt64,
    at DateTime64(3, 'UTC'),
    entered Bool,
    id UInt64
)
ENGINE = ReplacingMergeTree  -- @single
ENGINE = ReplicatedReplacingMergeTree  -- @cluster
ORDER BY (environment_id, segment_id, profile_id, at, id);

CREATE TABLE IF NOT EXISTS $database.moved $on_cluster AS $database.moved_local  -- @cluster
ENGINE = Distributed('$cluster', '$database_name', 'moved_local', cityHash64(profile_id))  -- @cluster
;

-- Where an identifier belongs now, if that is not where its events say. Read through the dictionary `who`.
CREATE TABLE IF NOT EXISTS $database.overrides$local $on_cluster (
    environment_id UInt32,
    identifier_id UInt64,
    profile_id UInt64,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)  -- @single
ENGINE = ReplicatedReplacingMergeTree(version)  -- @cluster
ORDER BY (environment_id, identifier_id);

CREATE TABLE IF NOT EXISTS $database.overrides $on_cluster AS $database.overrides_local  -- @cluster
ENGINE = Distributed('$cluster', '$database_name', 'overrides_local', cityHash64(identifier_id))  -- @cluster
;

-- Which unit got which variant of a flag, and when first. version is the flag's.
CREATE TABLE IF NOT EXISTS $database.exposed$local $on_cluster (
    environment_id UInt32,
    definition_id UInt32,
    unit String,
    profile_id UInt64,
    variant String,
    rule String,
    version UInt32,
    first_at DateTime64(3, 'UTC'),
    id UInt64
)
ENGINE = ReplacingMergeTree(id)  -- @single
ENGINE = ReplicatedReplacingMergeTree(id)  -- @cluster
ORDER BY (environment_id, definition_id, unit, variant, rule, version, first_at);

CREATE TABLE IF NOT EXISTS $database.exposed $on_cluster AS $database.exposed_local  -- @cluster
ENGINE = Distributed('$cluster', '$database_name', 'exposed_local', cityHash64(unit))  -- @cluster
;

-- The newest position that changed the events of a name on a local day: what a cached answer is compared with.
CREATE TABLE IF NOT EXISTS $database.touched$local $on_cluster (
    environment_id UInt32,
    name LowCardinality(String),
    day Date32,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)  -- @single
ENGINE = ReplicatedReplacingMergeTree(version)  -- @cluster
ORDER BY (environment_id, name, day);

CREATE TABLE IF NOT EXISTS $database.touched $on_cluster AS $database.touched_local  -- @cluster
ENGINE = Distributed('$cluster', '$database_name', 'touched_local', cityHash64(name))  -- @cluster
;

-- How far each environment's copy is; without a row it is not complete. What answers state is the cursor in Postgres.
CREATE TABLE IF NOT EXISTS $database.watermarks$local $on_cluster (
    environment_id UInt32,
    position UInt64,
    at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(position)  -- @single
ENGINE = ReplicatedReplacingMergeTree(position)  -- @cluster
ORDER BY environment_id;

CREATE TABLE IF NOT EXISTS $database.watermarks $on_cluster AS $database.watermarks_local  -- @cluster
ENGINE = Distributed('$cluster', '$database_name', 'watermarks_local', environment_id)  -- @cluster
;

-- The overrides in memory. It never loads by itself: the feed does it after each change.
CREATE DICTIONARY IF NOT EXISTS $database.who $on_cluster (
    environment_id UInt32,
    identifier_id UInt64,
    profile_id UInt64
)
PRIMARY KEY environment_id, identifier_id
SOURCE(CLICKHOUSE(
    $account
    QUERY 'SELECT environment_id, identifier_id, argMax(profile_id, version) AS profile_id FROM $database.overrides GROUP BY environment_id, identifier_id'
))
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(0);
