-- Syncs: what receivers of records have of each person. New tables only, so it takes no time; older code works on them,
-- but runs no sync.
ALTER TABLE saved_definitions DROP CONSTRAINT kind_is_known;
ALTER TABLE saved_definitions ADD CONSTRAINT kind_is_known
    CHECK (kind IN ('report', 'metric', 'event', 'dashboard', 'destination', 'schedule', 'sync'));

-- How far a sync is. destination_id: whose records the ledger has. meaning: of the document and of all that it names, as
-- the last complete scan had it. mark, mark_profile: all people marked up to there were looked at. scan: '', or why all
-- people are looked at, and scan_after: up to whom they were. last_run, last_number: of runs and of sends.
-- generation: another owner raises it; one with an older generation writes nothing any more.
CREATE TABLE sync_states (
    environment_id    integer NOT NULL,
    definition_id     integer NOT NULL,
    destination_id    integer,
    meaning           bytea NOT NULL DEFAULT '',
    generation        bigint NOT NULL DEFAULT 0,
    mark              bigint NOT NULL,
    mark_profile      bigint NOT NULL DEFAULT 0,
    scan              text NOT NULL DEFAULT 'all',
    scan_after        bigint NOT NULL DEFAULT 0,
    scan_profiles     bigint NOT NULL DEFAULT 0,
    scan_differences  bigint NOT NULL DEFAULT 0,
    last_run          bigint NOT NULL DEFAULT 0,
    last_number       bigint NOT NULL DEFAULT 0,
    state             text NOT NULL DEFAULT 'active',
    reason            text NOT NULL DEFAULT '',
    is_requested      boolean NOT NULL DEFAULT false,
    next_run_at       timestamptz,
    ran_at            timestamptz,
    problem           text NOT NULL DEFAULT '',
    last_success_at   timestamptz,
    last_failure_at   timestamptz,
    last_failure      text NOT NULL DEFAULT '',
    sent              bigint NOT NULL DEFAULT 0,
    removed           bigint NOT NULL DEFAULT 0,
    next_proof_at     timestamptz,
    proved_at         timestamptz,
    proof_profiles    bigint NOT NULL DEFAULT 0,
    proof_differences bigint NOT NULL DEFAULT 0,
    differences       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (environment_id, definition_id),
    CONSTRAINT state_is_known CHECK (state IN ('active', 'braked')),
    CONSTRAINT scan_is_known CHECK (scan IN ('', 'all', 'proof'))
);

-- People whose state, segments or identity may have changed since a position; one row each, for all syncs.
CREATE TABLE sync_marks (
    environment_id integer NOT NULL,
    profile_id     bigint NOT NULL,
    mark           bigint NOT NULL,
    PRIMARY KEY (environment_id, profile_id)
);
CREATE INDEX sync_marks_in_order ON sync_marks (environment_id, mark, profile_id);

-- What the receiver of a sync has of each person. match_key: as it knows the person; null if it has nothing. hash: of the
-- record that was sent last, number: of that send. next_change_at: when the record may change with time alone.
CREATE TABLE sync_records (
    environment_id integer NOT NULL,
    definition_id  integer NOT NULL,
    profile_id     bigint NOT NULL,
    match_key      text,
    hash           bytea,
    number         bigint NOT NULL,
    state          text NOT NULL,
    next_change_at timestamptz,
    attempts       integer NOT NULL,
    reason         text NOT NULL,
    tried_run      bigint NOT NULL,
    PRIMARY KEY (environment_id, definition_id, profile_id),
    CONSTRAINT state_is_known CHECK (state IN ('sent', 'sending', 'failed', 'waiting', 'unmatched', 'left', 'out'))
);
CREATE UNIQUE INDEX sync_records_by_key ON sync_records (environment_id, definition_id, match_key) WHERE match_key IS NOT NULL;
CREATE INDEX sync_records_due ON sync_records (environment_id, definition_id, next_change_at) WHERE next_change_at IS NOT NULL;
CREATE INDEX sync_records_unsettled ON sync_records (environment_id, definition_id, profile_id)
    WHERE state IN ('sending', 'failed', 'waiting', 'unmatched');

-- Keys that have to leave the receiver. is_allowed: the brake let it pass.
CREATE TABLE sync_removals (
    environment_id integer NOT NULL,
    definition_id  integer NOT NULL,
    match_key      text NOT NULL,
    profile_id     bigint NOT NULL,
    hash           bytea,
    number         bigint NOT NULL,
    is_allowed     boolean NOT NULL,
    attempts       integer NOT NULL,
    reason         text NOT NULL,
    tried_run      bigint NOT NULL,
    PRIMARY KEY (environment_id, definition_id, match_key)
);
