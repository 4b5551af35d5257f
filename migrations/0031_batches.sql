-- Destinations that take batches. New columns with constant defaults, and a table, so it takes no time; older code ignores
-- them, and delivers to these destinations nothing.

-- stream: names the lane to what it writes to, for good. Two installations may write to one table. batch: the number of the
-- newest batch; they grow. A new lane is rare, so that the default is computed per row costs nothing.
ALTER TABLE destination_lanes ADD COLUMN stream uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE destination_lanes ADD COLUMN batch bigint NOT NULL DEFAULT 0;

-- The batch that a lane is writing: its bounds in the log, stored before the first try, and when it is tried again.
CREATE TABLE delivery_batches (
    environment_id integer NOT NULL,
    definition_id  integer NOT NULL,
    number         bigint NOT NULL,
    first_seq      bigint NOT NULL,
    last_seq       bigint NOT NULL,
    records        integer NOT NULL,
    attempts       integer NOT NULL DEFAULT 0,
    next_at        timestamptz NOT NULL,
    reason         text NOT NULL DEFAULT '',
    PRIMARY KEY (environment_id, definition_id)
);

-- Of how many records an attempt was; null: of a message on its own.
ALTER TABLE deliveries ADD COLUMN records integer;
