-- Erasure of people, identifiers that are refused, and the secret that values are hashed with. Takes no time: one column on
-- the few rows of environments, the rest is new. Older code works on it, but lets suppressed people through.

-- 244 random bits of the server's strong source; a volatile default gives each environment its own.
ALTER TABLE environments
    ADD COLUMN secret bytea NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());

-- Whose messages are refused: the identifier's keyed hash, never the identifier. id grows, so that a process sees at once
-- whether it knows the newest.
CREATE TABLE suppressions (
    environment_id integer NOT NULL REFERENCES environments,
    digest         bytea NOT NULL,
    kind           text NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    note           text NOT NULL,
    created_at     timestamptz NOT NULL,
    created_by     text NOT NULL,
    PRIMARY KEY (environment_id, digest)
);
CREATE INDEX suppressions_in_order ON suppressions (environment_id, id);

-- Receipts. No personal data: digests are keyed hashes of the identifiers, and the ids lead nowhere any more.
CREATE TABLE erasures (
    environment_id integer NOT NULL REFERENCES environments,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    people         integer NOT NULL,
    profile_ids    bigint[] NOT NULL,
    alias_ids      bigint[] NOT NULL,
    digests        bytea[] NOT NULL,
    counts         json NOT NULL,
    note           text NOT NULL,
    erased_at      timestamptz NOT NULL,
    erased_by      text NOT NULL,
    PRIMARY KEY (environment_id, id)
);
