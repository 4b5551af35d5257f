-- Every table has a primary key and is logged, and every key and index begins with the environment: so an environment can
-- be moved to another server, or its rows be sharded by it. The previous release works on the result.
--
-- Locks: ACCESS EXCLUSIVE on `events` and on the small tables below, until the end; ingest waits. It lasts as long as one
-- index is built over all stored events, about 2 s for a million of them. Message ids, profiles, identifiers,
-- memberships, transitions and exposures are not touched.

-- The key takes the place of an index that it begins with, so an event costs no index more than before. The instant is in
-- it because Postgres wants the column that a table is partitioned by in each key.
DROP INDEX events_in_order;
ALTER TABLE events ADD PRIMARY KEY (environment_id, id, received_at);

-- What is unlogged can be neither replicated nor moved. It holds some seconds of messages for live streams.
ALTER TABLE live_batches SET LOGGED;

-- A distributed table cannot have both an identity column and a foreign key to a shared table. Suppressions are compared
-- by their newest id, so no id may come twice: the numbers go on where the old sequence was.
CREATE SEQUENCE erasure_ids;
SELECT setval('erasure_ids', last_value, is_called) FROM erasures_id_seq;
ALTER TABLE erasures ALTER COLUMN id DROP IDENTITY;
ALTER TABLE erasures ALTER COLUMN id SET DEFAULT nextval('erasure_ids');

CREATE SEQUENCE suppression_ids;
SELECT setval('suppression_ids', last_value, is_called) FROM suppressions_id_seq;
ALTER TABLE suppressions ALTER COLUMN id DROP IDENTITY;
ALTER TABLE suppressions ALTER COLUMN id SET DEFAULT nextval('suppression_ids');

-- What is pruned by time is pruned for one environment after another. Counts of rejections are found by their key.
DROP INDEX flag_holds_expired, live_batches_by_time, plan_violations_by_day, registry_days_by_day, registry_hours_by_hour,
    rejected_messages_by_time, rejection_counts_by_hour;
CREATE INDEX flag_holds_expired ON flag_holds (environment_id, held_until);
CREATE INDEX live_batches_by_time ON live_batches (environment_id, at);
CREATE INDEX plan_violations_by_day ON plan_violations (environment_id, day);
CREATE INDEX registry_days_by_day ON registry_days (environment_id, day);
CREATE INDEX registry_hours_by_hour ON registry_hours (environment_id, hour);
CREATE INDEX rejected_messages_by_time ON rejected_messages (environment_id, received_at);
