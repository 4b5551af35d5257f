-- What all processes counted, minute by minute. The table is new. The previous release still works: it writes nothing into it.

-- ingest: how many tracking requests waited for their commit for how long, by the bounds of runtime/metrics_history.py.
-- lag_ms: how long the most overdue wake-up had waited, at most.
CREATE TABLE metric_minutes (
    environment_id integer NOT NULL,
    minute timestamptz NOT NULL,
    accepted bigint NOT NULL,
    duplicates bigint NOT NULL,
    rejected bigint NOT NULL,
    decisions bigint NOT NULL,
    ingest bigint[] NOT NULL,
    lag_ms bigint NOT NULL,
    PRIMARY KEY (environment_id, minute)
);
