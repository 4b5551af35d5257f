-- Which templates were applied. Every node of a cluster is a replica of this one table.
CREATE TABLE IF NOT EXISTS $database.migrations $on_cluster (
    name String,
    digest String,
    applied_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree  -- @single
ENGINE = ReplicatedMergeTree('/tinycdp/$database_name/migrations', '{shard}-{replica}')  -- @cluster
ORDER BY name;
