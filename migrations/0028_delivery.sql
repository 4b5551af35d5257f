-- Destinations, and what happened that they want. New tables only, so it takes no time; older code works on them, but
-- delivers nothing.
ALTER TABLE saved_definitions DROP CONSTRAINT kind_is_known;
ALTER TABLE saved_definitions ADD CONSTRAINT kind_is_known
    CHECK (kind IN ('report', 'metric', 'event', 'dashboard', 'destination'));

-- How far the log of an environment is. last_seq: of its newest happening. revision: the newest live revision whose flags
-- are in it. lapsed_at: when what happened was last lost, because nothing wrote it for longer than the outbox keeps rows.
CREATE TABLE happening_logs (
    environment_id integer PRIMARY KEY REFERENCES environments,
    last_seq       bigint NOT NULL DEFAULT 0,
    revision       integer NOT NULL,
    lapsed_at      timestamptz
);

-- What happened and some destination wants, in order. Ids only: what is sent is read when it is sent.
-- position: the version of the transaction. other_id: the absorbed profile of a merge, or the one that an undo gave back.
-- object_id: a segment, a merge or a flag. revision: of a flag.
CREATE TABLE happenings (
    environment_id integer NOT NULL,
    seq            bigint NOT NULL,
    position       bigint NOT NULL,
    at             timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    type           text NOT NULL,
    profile_id     bigint,
    other_id       bigint,
    object_id     bigint,
    revision       integer,
    cause          text NOT NULL,
    PRIMARY KEY (environment_id, seq)
);

-- How far a destination is: all up to cursor was delivered, waits, or is undelivered. It gets what was committed after
-- from_position, and flags of revisions after from_revision. generation: another owner, or a replay, raises it; an owner
-- of an older one reads anew.
CREATE TABLE destination_lanes (
    environment_id  integer NOT NULL,
    definition_id   integer NOT NULL,
    cursor          bigint NOT NULL,
    from_position   bigint NOT NULL,
    from_revision   integer NOT NULL,
    generation      bigint NOT NULL DEFAULT 0,
    state           text NOT NULL DEFAULT 'active',
    reason          text NOT NULL DEFAULT '',
    delivered       bigint NOT NULL DEFAULT 0,
    failing_since   timestamptz,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    last_failure    text NOT NULL DEFAULT '',
    PRIMARY KEY (environment_id, definition_id),
    CONSTRAINT state_is_known CHECK (state IN ('active', 'paused', 'disabled'))
);

-- What failed, and what waits behind it: later happenings of the same people.
CREATE TABLE waiting_deliveries (
    environment_id integer NOT NULL,
    definition_id  integer NOT NULL,
    seq            bigint NOT NULL,
    profile_ids    bigint[] NOT NULL,
    attempts       smallint NOT NULL,
    next_at        timestamptz NOT NULL,
    reason         text NOT NULL,
    PRIMARY KEY (environment_id, definition_id, seq)
);

-- What was tried as often as the schedule says.
CREATE TABLE undelivered (
    environment_id integer NOT NULL,
    definition_id  integer NOT NULL,
    seq            bigint NOT NULL,
    profile_ids    bigint[] NOT NULL,
    attempts       smallint NOT NULL,
    reason         text NOT NULL,
    status         smallint,
    answer         text NOT NULL,
    died_at        timestamptz NOT NULL,
    PRIMARY KEY (environment_id, definition_id, seq)
);

-- Attempts, the newest of each destination. answer: the beginning of what a failed one got; it may have personal data,
-- so an erasure deletes the row. seq: null for a test.
CREATE TABLE deliveries (
    environment_id integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    definition_id  integer NOT NULL,
    seq            bigint,
    profile_ids    bigint[] NOT NULL,
    attempt        smallint NOT NULL,
    at             timestamptz NOT NULL,
    duration_ms    integer NOT NULL,
    status         smallint,
    error          text NOT NULL,
    answer         text NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX deliveries_of_destination ON deliveries (environment_id, definition_id, id);

-- What signs. During a rotation there are two. shown: it was answered once, and may be in use.
CREATE TABLE destination_secrets (
    environment_id integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    definition_id  integer NOT NULL,
    secret         bytea NOT NULL,
    is_shown       boolean NOT NULL,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX secrets_of_destination ON destination_secrets (environment_id, definition_id);
