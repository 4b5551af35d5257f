-- How fast a warm-up goes, and how much it read: what its progress says. Takes no time: new columns with constant
-- defaults; the lock on `backfills` is short. Older code goes on working, and leaves them empty.
--
-- rate: profiles a second of the last seconds, rests included; advanced_at: when that was written.
ALTER TABLE backfills
    ADD COLUMN events bigint NOT NULL DEFAULT 0,
    ADD COLUMN rate double precision,
    ADD COLUMN advanced_at timestamptz;
