-- Kill switches and the variants that sessions hold. Takes no time: both tables are new, and older code ignores them.

-- A kill is outside the revisions, so that it acts at once, whatever is being published or is warming up, and so that the
-- next publish does not undo it. Rows stay: a past decision is answered by the kills of its own instant.
CREATE TABLE flag_kills (
    environment_id integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    definition_id  integer NOT NULL,
    killed_at      timestamptz NOT NULL,
    killed_by      text NOT NULL,
    note           text NOT NULL,
    revived_at     timestamptz,
    revived_by     text,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, definition_id) REFERENCES definitions
);
CREATE UNIQUE INDEX one_kill_at_a_time ON flag_kills (environment_id, definition_id) WHERE revived_at IS NULL;

-- The variant a session was given of a flag with `hold`, until it has asked nothing for that long.
CREATE TABLE flag_holds (
    environment_id integer NOT NULL,
    definition_id  integer NOT NULL,
    unit           text NOT NULL,
    session        text NOT NULL,
    variant        text NOT NULL,
    held_until     timestamptz NOT NULL,
    PRIMARY KEY (environment_id, definition_id, unit, session)
);
CREATE INDEX flag_holds_expired ON flag_holds (held_until);
