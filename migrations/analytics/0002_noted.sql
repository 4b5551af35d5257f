-- The newest position that changed something of people that is no event: what a cached answer is compared with.
-- what is the kind of thing, name which: a profile property, a segment, a flag's exposures; see feed/plan.py.
CREATE TABLE IF NOT EXISTS $database.noted$local $on_cluster (
    environment_id UInt32,
    what LowCardinality(String),
    name String,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)  -- @single
ENGINE = ReplicatedReplacingMergeTree(version)  -- @cluster
ORDER BY (environment_id, what, name);

CREATE TABLE IF NOT EXISTS $database.noted $on_cluster AS $database.noted_local  -- @cluster
ENGINE = Distributed('$cluster', '$database_name', 'noted_local', cityHash64(name))  -- @cluster
;
