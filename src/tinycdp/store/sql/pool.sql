-- name: identity
-- Which session of the server a connection is. The number alone may be used again, by another server above all.
SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid();

-- name: sessions
-- Those of these sessions that the server still has.
-- args: pids int[]
SELECT pid, backend_start FROM pg_stat_activity WHERE pid = ANY($1);
