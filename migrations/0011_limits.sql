-- What was not taken, told once however often it is sent again, and counted for longer than it is kept; and what was taken
-- but could not be stored. Reads the rejected messages once; older code works on it.

-- digest: of key, code and payload; NULL for those of older code. times: how often it came.
ALTER TABLE rejected_messages ADD COLUMN digest bytea;
ALTER TABLE rejected_messages ADD COLUMN times integer NOT NULL DEFAULT 1;
ALTER TABLE rejected_messages ADD COLUMN last_received_at timestamptz;
CREATE UNIQUE INDEX rejected_messages_once ON rejected_messages (environment_id, digest);
CREATE INDEX rejected_messages_by_time ON rejected_messages (received_at);

-- Per hour of arrival; api_key_id 0 for none. repeats: what had come before, as a retry brings it. Pruned.
CREATE TABLE rejection_counts (
    environment_id integer NOT NULL,
    hour           timestamptz NOT NULL,
    api_key_id     integer NOT NULL,
    code           text NOT NULL,
    messages       bigint NOT NULL,
    repeats        bigint NOT NULL,
    PRIMARY KEY (environment_id, hour, api_key_id, code)
);
CREATE INDEX rejection_counts_by_hour ON rejection_counts (hour);

INSERT INTO rejection_counts (environment_id, hour, api_key_id, code, messages, repeats)
SELECT environment_id, date_trunc('hour', received_at, 'UTC'), coalesce(api_key_id, 0), code, count(*), 0
FROM rejected_messages GROUP BY 1, 2, 3, 4;

-- Messages that were taken and then failed, as JSON. digest: of the message id, so that a retry adds none.
CREATE TABLE dead_letters (
    environment_id  integer NOT NULL,
    id              bigint GENERATED ALWAYS AS IDENTITY,
    digest          bytea NOT NULL,
    api_key_id      integer,
    code            text NOT NULL,
    error           text NOT NULL,
    payload         bytea NOT NULL,
    attempts        integer NOT NULL DEFAULT 1,
    first_failed_at timestamptz NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    PRIMARY KEY (environment_id, id),
    UNIQUE (environment_id, digest)
);
