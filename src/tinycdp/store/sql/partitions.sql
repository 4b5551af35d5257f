-- name: default_partition_holds
-- Whether the default partition has messages of a span of time, of any environment.
-- args: first timestamptz, end timestamptz (exclusive)
SELECT 1 FROM events_default WHERE received_at >= $1 AND received_at < $2 LIMIT 1;
