-- What passes is observed, held against a plan, and can be watched. Takes no time: the tables are new, and a column
-- without a default changes no row. Older code works on it: it leaves the column NULL and observes nothing.

-- What the tracking plan did not expect of an event, NULL for nothing: [{"code", "path", "message"}].
ALTER TABLE events ADD COLUMN warnings jsonb;

-- What was ever seen: an event has the row with property '' and type ''; a property one row for each type. '$identify' and
-- '$group' stand for the traits of such calls, '$other' for what found no room. Rows are added to every few seconds;
-- fillfactor leaves room to do so in place.
CREATE TABLE registry_types (
    environment_id integer NOT NULL,
    event          text NOT NULL,
    property       text NOT NULL,
    type           text NOT NULL,
    n              bigint NOT NULL,
    first_at       timestamptz NOT NULL,
    last_at        timestamptz NOT NULL,
    PRIMARY KEY (environment_id, event, property, type)
) WITH (fillfactor = 80);

-- The same per day (UTC, of arrival) and SDK ("library version", '' for unknown): the timeline of types. Pruned.
CREATE TABLE registry_days (
    environment_id integer NOT NULL,
    event          text NOT NULL,
    day            date NOT NULL,
    property       text NOT NULL,
    type           text NOT NULL,
    sdk            text NOT NULL,
    n              bigint NOT NULL,
    PRIMARY KEY (environment_id, event, day, property, type, sdk)
) WITH (fillfactor = 80);
CREATE INDEX registry_days_by_day ON registry_days (day);

-- Volume per hour of arrival. Pruned.
CREATE TABLE registry_hours (
    environment_id integer NOT NULL,
    event          text NOT NULL,
    hour           timestamptz NOT NULL,
    n              bigint NOT NULL,
    PRIMARY KEY (environment_id, event, hour)
) WITH (fillfactor = 80);
CREATE INDEX registry_hours_by_hour ON registry_hours (hour);

CREATE TABLE registry_sdks (
    environment_id integer NOT NULL,
    library        text NOT NULL,
    version        text NOT NULL,
    platform       text NOT NULL,
    n              bigint NOT NULL,
    first_at       timestamptz NOT NULL,
    last_at        timestamptz NOT NULL,
    PRIMARY KEY (environment_id, library, version, platform)
) WITH (fillfactor = 80);

-- What the plan did not expect, counted; refused: of messages that were refused for it. Pruned.
CREATE TABLE plan_violations (
    environment_id integer NOT NULL,
    event          text NOT NULL,
    day            date NOT NULL,
    code           text NOT NULL,
    path           text NOT NULL,
    refused        boolean NOT NULL,
    n              bigint NOT NULL,
    first_at       timestamptz NOT NULL,
    last_at        timestamptz NOT NULL,
    PRIMARY KEY (environment_id, event, day, code, path, refused)
);
CREATE INDEX plan_violations_by_day ON plan_violations (day);

-- The tracking plan. Versions are kept; the newest of each event counts, and one without a document is no entry any more.
CREATE TABLE plan_entries (
    environment_id integer NOT NULL REFERENCES environments,
    event          text NOT NULL,
    version        integer NOT NULL,
    document       json,
    changed_at     timestamptz NOT NULL,
    changed_by     text NOT NULL,
    PRIMARY KEY (environment_id, event, version)
);

-- What is on its way to the readers of live streams, for seconds: lost with a crash, as it may be.
CREATE UNLOGGED TABLE live_batches (
    environment_id integer NOT NULL,
    reader         text NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    at             timestamptz NOT NULL,
    matched        integer NOT NULL,
    items          bytea NOT NULL,
    PRIMARY KEY (environment_id, reader, id)
);
CREATE INDEX live_batches_by_time ON live_batches (at);
