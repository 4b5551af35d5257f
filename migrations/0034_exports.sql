-- Jobs that write files, and when schedules are due. The tables are new; the previous release does not know them.

-- status: `running` also while no process works on it; the next one begins anew. attempt: how often it was begun; what an
-- earlier attempt says is ignored. erasures: how many there were in the snapshot; once there are more, the file goes.
-- place: of the file in the storage, empty if there is none. schedule_id, due_at: what it was queued for.
CREATE TABLE exports (
    environment_id integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    request        json NOT NULL,
    format         text NOT NULL,
    name           text NOT NULL,
    status         text NOT NULL DEFAULT 'waiting',
    attempt        integer NOT NULL DEFAULT 0,
    rows           bigint NOT NULL DEFAULT 0,
    total          bigint,
    share          double precision NOT NULL DEFAULT 0,
    size           bigint,
    place          text NOT NULL DEFAULT '',
    as_of          timestamptz,
    erasures       bigint,
    note           text NOT NULL DEFAULT '',
    code           text,
    error          text,
    author         text NOT NULL,
    key_id         integer,
    schedule_id    integer,
    due_at         timestamptz,
    created_at     timestamptz NOT NULL,
    started_at     timestamptz,
    advanced_at    timestamptz NOT NULL,
    finished_at    timestamptz,
    expires_at     timestamptz,
    ended_by       text,
    ended_at       timestamptz,
    PRIMARY KEY (environment_id, id),
    CONSTRAINT export_status_is_known CHECK (status IN ('waiting', 'running', 'done', 'failed', 'canceled', 'removed')),
    CONSTRAINT export_format_is_known CHECK (format IN ('csv', 'json', 'jsonl', 'xlsx', 'parquet')),
    CONSTRAINT export_share_is_a_share CHECK (share BETWEEN 0 AND 1)
);
CREATE INDEX exports_unfinished ON exports (environment_id, id) WHERE status IN ('waiting', 'running');
CREATE INDEX exports_with_files ON exports (environment_id, expires_at) WHERE place <> '';
CREATE UNIQUE INDEX exports_of_schedule ON exports (environment_id, schedule_id, due_at) WHERE schedule_id IS NOT NULL;

-- next_at: NULL if it is paused, or never due again.
CREATE TABLE export_schedules (
    environment_id integer NOT NULL,
    definition_id  integer NOT NULL,
    next_at        timestamptz,
    PRIMARY KEY (environment_id, definition_id)
);
