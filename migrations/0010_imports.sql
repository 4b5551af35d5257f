-- How far each import of a file has come. Takes no time: the table is new.

-- id: of the file's content and of how it is read, so that the same file is the same import. done: rows of the file that are
-- stored or refused for good; a run that was ended goes on behind them.
CREATE TABLE imports (
    environment_id integer NOT NULL REFERENCES environments,
    id             text NOT NULL,
    name           text NOT NULL,
    form           text NOT NULL,
    mapping        json NOT NULL,
    done           bigint NOT NULL DEFAULT 0,
    share          double precision NOT NULL DEFAULT 0,
    accepted       bigint NOT NULL DEFAULT 0,
    duplicates     bigint NOT NULL DEFAULT 0,
    rejected       bigint NOT NULL DEFAULT 0,
    author         text NOT NULL,
    started_at     timestamptz NOT NULL,
    advanced_at    timestamptz NOT NULL,
    finished_at    timestamptz,
    error          text,
    PRIMARY KEY (environment_id, id),
    CONSTRAINT form_is_known CHECK (form IN ('jsonl', 'csv', 'parquet')),
    CONSTRAINT share_is_a_share CHECK (share BETWEEN 0 AND 1)
);
CREATE INDEX imports_by_time ON imports (environment_id, started_at);
