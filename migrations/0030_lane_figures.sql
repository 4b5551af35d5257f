-- What a destination's page shows besides: attempts that failed, and when a receiver that does not answer is tried again.
-- Both columns are new and have a default, so it takes no time; older code writes neither.
ALTER TABLE destination_lanes ADD COLUMN failed bigint NOT NULL DEFAULT 0, ADD COLUMN probe_at timestamptz;
