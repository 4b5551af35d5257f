-- What each transaction changed, for consumers that follow it. New tables only, so it takes no time; older code works on
-- it, but writes no rows: register consumers when every machine runs this release.

-- One row per transaction that changed something, while its environment has a consumer. position: the version that the
-- transaction gave. changes: a list, documented in engine/outbox.py. slot: position / 16384 % 8; a slot whose rows all
-- consumers have had is truncated.
CREATE TABLE outbox (
    environment_id integer NOT NULL,
    position       bigint NOT NULL,
    slot           smallint NOT NULL,
    at             timestamptz NOT NULL,
    changes        json NOT NULL,
    PRIMARY KEY (environment_id, position, slot)
) PARTITION BY LIST (slot);
CREATE TABLE outbox_0 PARTITION OF outbox FOR VALUES IN (0);
CREATE TABLE outbox_1 PARTITION OF outbox FOR VALUES IN (1);
CREATE TABLE outbox_2 PARTITION OF outbox FOR VALUES IN (2);
CREATE TABLE outbox_3 PARTITION OF outbox FOR VALUES IN (3);
CREATE TABLE outbox_4 PARTITION OF outbox FOR VALUES IN (4);
CREATE TABLE outbox_5 PARTITION OF outbox FOR VALUES IN (5);
CREATE TABLE outbox_6 PARTITION OF outbox FOR VALUES IN (6);
CREATE TABLE outbox_7 PARTITION OF outbox FOR VALUES IN (7);

-- How far each consumer is: everything up to position is done. claimed: where the batch ends that it has in hand.
-- lapsed_at: it fell too far behind, and rows it had not read may be gone.
CREATE TABLE outbox_cursors (
    environment_id integer NOT NULL,
    consumer       text NOT NULL,
    position       bigint NOT NULL,
    claimed        bigint,
    registered_at  timestamptz NOT NULL,
    moved_at       timestamptz NOT NULL,
    lapsed_at      timestamptz,
    PRIMARY KEY (environment_id, consumer),
    CONSTRAINT a_claim_lies_ahead CHECK (claimed > position)
);
