-- What an environment does with what it is sent: enrichment, limits, privacy. Takes no time: the table is new.

-- Versions are kept: who changed what when. The newest of each name counts.
CREATE TABLE policies (
    environment_id integer NOT NULL REFERENCES environments,
    name           text NOT NULL,
    version        integer NOT NULL,
    document       json NOT NULL,
    changed_at     timestamptz NOT NULL,
    changed_by     text NOT NULL,
    PRIMARY KEY (environment_id, name, version)
);
