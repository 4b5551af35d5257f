-- The first schema. Takes no time: every table is new. There is no older code to run on it.
--
-- Every row of data carries its environment, first in every key, so that a distributed Postgres can shard by
-- (environment, profile). Instants are timestamptz with millisecond precision, read and written as integers.

CREATE TABLE organisations (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key  text NOT NULL UNIQUE,
    name text NOT NULL
);

CREATE TABLE projects (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation_id integer NOT NULL REFERENCES organisations,
    key             text NOT NULL,
    name            text NOT NULL,
    UNIQUE (organisation_id, key)
);

-- live_revision serves; head_revision is the newest published one, ahead of live while it warms up.
CREATE TABLE environments (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id    integer NOT NULL REFERENCES projects,
    key           text NOT NULL,
    zone          text NOT NULL,
    live_revision integer NOT NULL DEFAULT 0,
    head_revision integer NOT NULL DEFAULT 0,
    UNIQUE (project_id, key),
    CONSTRAINT live_is_never_ahead_of_head CHECK (live_revision <= head_revision)
);

-- A key is stored as the SHA-256 of its text: it has 160 random bits, so no slow hash is needed.
CREATE TABLE api_keys (
    environment_id integer NOT NULL REFERENCES environments,
    id             integer GENERATED ALWAYS AS IDENTITY,
    name           text NOT NULL,
    prefix         text NOT NULL,
    digest         bytea NOT NULL UNIQUE,
    scopes         text[] NOT NULL,
    created_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    PRIMARY KEY (environment_id, id),
    CONSTRAINT a_key_has_a_scope CHECK (cardinality(scopes) > 0)
);

-- A message id counts once per environment, for ever: this is the memory of it. digest is 16 bytes of BLAKE2b.
CREATE TABLE message_ids (
    environment_id integer NOT NULL,
    digest         bytea NOT NULL,
    PRIMARY KEY (environment_id, digest)
);

CREATE SEQUENCE profile_ids;
-- One number per committed group of messages; a profile's version is the newest that touched it.
CREATE SEQUENCE versions;
CREATE SEQUENCE event_ids;

-- recompute_at: the first instant at which a membership may change by itself. Most updates leave it and the
-- properties alone, so that they are heap-only; fillfactor leaves them room.
CREATE TABLE profiles (
    environment_id integer NOT NULL,
    id             bigint NOT NULL,
    bucketing_key  text NOT NULL,
    created_at     timestamptz NOT NULL,
    first_seen_at  timestamptz,
    last_seen_at   timestamptz,
    properties     jsonb NOT NULL,
    state          bytea NOT NULL,
    version        bigint NOT NULL,
    recompute_at   timestamptz,
    merged_into    bigint,
    PRIMARY KEY (environment_id, id)
) WITH (fillfactor = 75);
CREATE INDEX profiles_due ON profiles (environment_id, recompute_at) WHERE recompute_at IS NOT NULL;
CREATE INDEX profiles_properties ON profiles USING gin (properties jsonb_path_ops);

-- Which profile an identifier belongs to, and by which claim: the strongest and earliest message that carried it
-- together with its owner. An alias without an owner stands for itself.
CREATE TABLE aliases (
    environment_id integer NOT NULL,
    kind           text NOT NULL,
    value          text NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    profile_id     bigint NOT NULL,
    owner_id       bigint,
    claim_strength smallint,
    claimed_at     timestamptz,
    claimed_by     text,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (environment_id, kind, value),
    UNIQUE (environment_id, id)
);
CREATE INDEX aliases_of_profile ON aliases (environment_id, profile_id);
CREATE INDEX aliases_values ON aliases (environment_id, value text_pattern_ops);

-- Every accepted message, append-only, with the alias it came by: a merge moves aliases, never events.
-- target is the group of a group call and the previous id of an alias call.
CREATE TABLE events (
    environment_id integer NOT NULL,
    id             bigint NOT NULL DEFAULT nextval('event_ids'),
    alias_id       bigint NOT NULL,
    kind           text NOT NULL,
    name           text NOT NULL,
    message_id     text NOT NULL,
    occurred_at    timestamptz NOT NULL,
    received_at    timestamptz NOT NULL,
    original_at    timestamptz,
    sent_at        timestamptz,
    clamped        boolean NOT NULL,
    target         text,
    properties     jsonb NOT NULL,
    context        jsonb NOT NULL
) PARTITION BY RANGE (received_at);
CREATE INDEX events_of_alias ON events (environment_id, alias_id, occurred_at);
CREATE INDEX events_in_order ON events (environment_id, id);
-- Catches what no monthly partition covers yet, so that ingestion never waits for one; the worker makes months ahead.
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- A membership belongs to a segment's fingerprint: a changed segment fills rows of its own before it goes live.
CREATE TABLE memberships (
    environment_id integer NOT NULL,
    fingerprint    bigint NOT NULL,
    profile_id     bigint NOT NULL,
    entered_at     timestamptz NOT NULL,
    PRIMARY KEY (environment_id, fingerprint, profile_id)
);

CREATE TABLE transitions (
    environment_id integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    segment_id     integer NOT NULL,
    profile_id     bigint NOT NULL,
    entered        boolean NOT NULL,
    at             timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX transitions_of_profile ON transitions (environment_id, profile_id, id);

-- One row per merge, with both people as they were: what undoing it needs.
CREATE TABLE merges (
    environment_id integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    survivor_id    bigint NOT NULL,
    absorbed_id    bigint NOT NULL,
    message_id     text NOT NULL,
    merged_at      timestamptz NOT NULL,
    alias_ids      bigint[] NOT NULL,
    survivor       jsonb NOT NULL,
    survivor_state bytea NOT NULL,
    absorbed       jsonb NOT NULL,
    absorbed_state bytea NOT NULL,
    undone_at      timestamptz,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX merges_of_survivor ON merges (environment_id, survivor_id);

-- Identifiers that were seen with two known people: never a silent skip.
CREATE TABLE refused_claims (
    environment_id integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    alias_id       bigint NOT NULL,
    kept_owner_id  bigint NOT NULL,
    other_owner_id bigint NOT NULL,
    message_id     text NOT NULL,
    refused_at     timestamptz NOT NULL,
    PRIMARY KEY (environment_id, id),
    UNIQUE (environment_id, alias_id, kept_owner_id, other_owner_id)
);

CREATE TABLE rejected_messages (
    environment_id integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    api_key_id     integer,
    code           text NOT NULL,
    message        text NOT NULL,
    path           text NOT NULL,
    payload        bytea NOT NULL,
    received_at    timestamptz NOT NULL,
    PRIMARY KEY (environment_id, id)
);

CREATE TABLE definitions (
    environment_id integer NOT NULL,
    id             integer GENERATED ALWAYS AS IDENTITY,
    kind           text NOT NULL,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (environment_id, id),
    CONSTRAINT kind_is_known CHECK (kind IN ('trait', 'segment', 'flag'))
);

-- Immutable versions. meaning is the version at which what it says last changed: a new description moves nobody.
-- document is json, not jsonb: the order of a split's variants decides who gets which.
-- The definitions of a revision r are the rows with from_revision <= r < until_revision.
CREATE TABLE definition_versions (
    environment_id integer NOT NULL,
    definition_id  integer NOT NULL,
    version        integer NOT NULL,
    key            text NOT NULL,
    meaning        integer NOT NULL,
    document       json NOT NULL,
    from_revision  integer NOT NULL,
    until_revision integer,
    PRIMARY KEY (environment_id, definition_id, version),
    FOREIGN KEY (environment_id, definition_id) REFERENCES definitions,
    CONSTRAINT a_version_lives_forward CHECK (until_revision > from_revision)
);
CREATE UNIQUE INDEX one_current_version ON definition_versions (environment_id, definition_id)
    WHERE until_revision IS NULL;

CREATE TABLE revisions (
    environment_id integer NOT NULL,
    revision       integer NOT NULL,
    author         text NOT NULL,
    note           text NOT NULL,
    published_at   timestamptz NOT NULL,
    live_at        timestamptz,
    PRIMARY KEY (environment_id, revision)
);

-- The warm-up of a revision: profiles with id <= last_profile_id are gone through in order of id; done counts them.
CREATE TABLE backfills (
    environment_id  integer NOT NULL,
    revision        integer NOT NULL,
    last_profile_id bigint NOT NULL,
    at_profile_id   bigint NOT NULL DEFAULT 0,
    total           bigint NOT NULL,
    done            bigint NOT NULL DEFAULT 0,
    started_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    PRIMARY KEY (environment_id, revision)
);
