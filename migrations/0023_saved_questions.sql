-- Saved reports, metrics, derived events and dashboards: every version of each, with who saved it, when and why.
-- document is json, not jsonb, so that its text is what was saved; null: deleted by this version.
-- change counts the saves of the environment, so the newest number says whether anything has changed.
CREATE TABLE saved_definitions (
    environment_id integer NOT NULL REFERENCES environments,
    definition_id  integer NOT NULL,
    version        integer NOT NULL,
    change         integer NOT NULL,
    kind           text NOT NULL,
    key            text NOT NULL,
    document       json,
    author         text NOT NULL,
    note           text NOT NULL,
    saved_at       timestamptz NOT NULL,
    is_newest      boolean NOT NULL,
    PRIMARY KEY (environment_id, definition_id, version),
    CONSTRAINT kind_is_known CHECK (kind IN ('report', 'metric', 'event', 'dashboard'))
);
CREATE UNIQUE INDEX saved_definitions_by_key ON saved_definitions (environment_id, kind, key)
    WHERE is_newest AND document IS NOT NULL;
CREATE INDEX saved_definitions_by_change ON saved_definitions (environment_id, change);
