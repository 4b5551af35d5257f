-- The schema that the migrations make, for reading and for review. Written by `make schema`, never by hand.

CREATE TABLE public.api_keys (
    environment_id integer NOT NULL,
    id integer NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    digest bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    origins text[] DEFAULT '{}'::text[] NOT NULL,
    replaced_by integer,
    CONSTRAINT a_key_has_a_scope CHECK ((cardinality(scopes) > 0))
);

ALTER TABLE public.api_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.api_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.backfills (
    environment_id integer NOT NULL,
    revision integer NOT NULL,
    last_profile_id bigint NOT NULL,
    at_profile_id bigint DEFAULT 0 NOT NULL,
    total bigint NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    events bigint DEFAULT 0 NOT NULL,
    rate double precision,
    advanced_at timestamp with time zone
);

CREATE TABLE public.blocked_identifiers (
    environment_id integer NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    messages bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL
);

CREATE TABLE public.dead_letters (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    digest bytea NOT NULL,
    api_key_id integer,
    code text NOT NULL,
    error text NOT NULL,
    payload bytea NOT NULL,
    attempts integer DEFAULT 1 NOT NULL,
    first_failed_at timestamp with time zone NOT NULL,
    last_failed_at timestamp with time zone NOT NULL
);

ALTER TABLE public.dead_letters ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dead_letters_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.definition_versions (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    version integer NOT NULL,
    key text NOT NULL,
    meaning integer NOT NULL,
    document json NOT NULL,
    from_revision integer NOT NULL,
    until_revision integer,
    CONSTRAINT a_version_lives_forward CHECK ((until_revision > from_revision))
);

CREATE TABLE public.definitions (
    environment_id integer NOT NULL,
    id integer NOT NULL,
    kind text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT kind_is_known CHECK ((kind = ANY (ARRAY['trait'::text, 'segment'::text, 'flag'::text])))
);

ALTER TABLE public.definitions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.definitions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.deliveries (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    definition_id integer NOT NULL,
    seq bigint,
    profile_ids bigint[] NOT NULL,
    attempt smallint NOT NULL,
    at timestamp with time zone NOT NULL,
    duration_ms integer NOT NULL,
    status smallint,
    error text NOT NULL,
    answer text NOT NULL,
    records integer
);

ALTER TABLE public.deliveries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.deliveries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.delivery_batches (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    number bigint NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    records integer NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_at timestamp with time zone NOT NULL,
    reason text DEFAULT ''::text NOT NULL
);

CREATE TABLE public.destination_lanes (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    cursor bigint NOT NULL,
    from_position bigint NOT NULL,
    from_revision integer NOT NULL,
    generation bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'active'::text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    delivered bigint DEFAULT 0 NOT NULL,
    failing_since timestamp with time zone,
    last_success_at timestamp with time zone,
    last_failure_at timestamp with time zone,
    last_failure text DEFAULT ''::text NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    probe_at timestamp with time zone,
    stream uuid DEFAULT gen_random_uuid() NOT NULL,
    batch bigint DEFAULT 0 NOT NULL,
    CONSTRAINT state_is_known CHECK ((state = ANY (ARRAY['active'::text, 'paused'::text, 'disabled'::text])))
);

CREATE TABLE public.destination_secrets (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    definition_id integer NOT NULL,
    secret bytea NOT NULL,
    is_shown boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    algorithm text DEFAULT 'v1'::text NOT NULL,
    CONSTRAINT algorithm_is_known CHECK ((algorithm = ANY (ARRAY['v1'::text, 'v1a'::text])))
);

ALTER TABLE public.destination_secrets ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.destination_secrets_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.downloads (
    environment_id integer NOT NULL,
    digest bytea NOT NULL,
    key_id integer NOT NULL,
    path text NOT NULL,
    valid_until timestamp with time zone NOT NULL
);

CREATE TABLE public.environments (
    id integer NOT NULL,
    project_id integer NOT NULL,
    key text NOT NULL,
    zone text NOT NULL,
    live_revision integer DEFAULT 0 NOT NULL,
    head_revision integer DEFAULT 0 NOT NULL,
    secret bytea DEFAULT (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) NOT NULL,
    CONSTRAINT live_is_never_ahead_of_head CHECK ((live_revision <= head_revision))
);

ALTER TABLE public.environments ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.environments_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE public.erasure_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.erasures (
    environment_id integer NOT NULL,
    id bigint DEFAULT nextval('public.erasure_ids'::regclass) NOT NULL,
    profiles integer NOT NULL,
    profile_ids bigint[] NOT NULL,
    identifier_ids bigint[] NOT NULL,
    digests bytea[] NOT NULL,
    counts json NOT NULL,
    note text NOT NULL,
    erased_at timestamp with time zone NOT NULL,
    erased_by text NOT NULL,
    kind text DEFAULT 'erasure'::text NOT NULL,
    CONSTRAINT erasure_kind_is_known CHECK ((kind = ANY (ARRAY['erasure'::text, 'anonymization'::text])))
);

CREATE SEQUENCE public.event_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.events (
    environment_id integer NOT NULL,
    id bigint DEFAULT nextval('public.event_ids'::regclass) NOT NULL,
    identifier_id bigint NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    message_id text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    original_at timestamp with time zone,
    sent_at timestamp with time zone,
    clamped boolean NOT NULL,
    target text,
    properties jsonb NOT NULL,
    context jsonb NOT NULL,
    warnings jsonb
)
PARTITION BY RANGE (received_at);

CREATE TABLE public.events_default (
    environment_id integer CONSTRAINT events_environment_id_not_null NOT NULL,
    id bigint DEFAULT nextval('public.event_ids'::regclass) CONSTRAINT events_id_not_null NOT NULL,
    identifier_id bigint CONSTRAINT events_identifier_id_not_null NOT NULL,
    kind text CONSTRAINT events_kind_not_null NOT NULL,
    name text CONSTRAINT events_name_not_null NOT NULL,
    message_id text CONSTRAINT events_message_id_not_null NOT NULL,
    occurred_at timestamp with time zone CONSTRAINT events_occurred_at_not_null NOT NULL,
    received_at timestamp with time zone CONSTRAINT events_received_at_not_null NOT NULL,
    original_at timestamp with time zone,
    sent_at timestamp with time zone,
    clamped boolean CONSTRAINT events_clamped_not_null NOT NULL,
    target text,
    properties jsonb CONSTRAINT events_properties_not_null NOT NULL,
    context jsonb CONSTRAINT events_context_not_null NOT NULL,
    warnings jsonb
);

CREATE TABLE public.export_schedules (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    next_at timestamp with time zone
);

CREATE TABLE public.exports (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    request json NOT NULL,
    format text NOT NULL,
    name text NOT NULL,
    status text DEFAULT 'waiting'::text NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    rows bigint DEFAULT 0 NOT NULL,
    total bigint,
    share double precision DEFAULT 0 NOT NULL,
    size bigint,
    place text DEFAULT ''::text NOT NULL,
    as_of timestamp with time zone,
    erasures bigint,
    note text DEFAULT ''::text NOT NULL,
    code text,
    error text,
    author text NOT NULL,
    key_id integer,
    schedule_id integer,
    due_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    advanced_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    expires_at timestamp with time zone,
    ended_by text,
    ended_at timestamp with time zone,
    CONSTRAINT export_format_is_known CHECK ((format = ANY (ARRAY['csv'::text, 'json'::text, 'jsonl'::text, 'xlsx'::text, 'parquet'::text]))),
    CONSTRAINT export_share_is_a_share CHECK (((share >= (0)::double precision) AND (share <= (1)::double precision))),
    CONSTRAINT export_status_is_known CHECK ((status = ANY (ARRAY['waiting'::text, 'running'::text, 'done'::text, 'failed'::text, 'canceled'::text, 'removed'::text])))
);

ALTER TABLE public.exports ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.exports_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE public.exposure_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.exposures (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    day date NOT NULL,
    version integer NOT NULL,
    stage smallint NOT NULL,
    rule text NOT NULL,
    variant text NOT NULL,
    unit text NOT NULL,
    profile_id bigint,
    revision integer NOT NULL,
    first_at timestamp with time zone NOT NULL,
    id bigint DEFAULT nextval('public.exposure_ids'::regclass) NOT NULL
);

CREATE TABLE public.flag_kills (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    definition_id integer NOT NULL,
    killed_at timestamp with time zone NOT NULL,
    killed_by text NOT NULL,
    note text NOT NULL,
    revived_at timestamp with time zone,
    revived_by text
);

ALTER TABLE public.flag_kills ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.flag_kills_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.flag_uses (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    rule text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL
);

CREATE SEQUENCE public.versions
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.group_changes (
    environment_id integer NOT NULL,
    key text NOT NULL,
    version bigint DEFAULT nextval('public.versions'::regclass) NOT NULL,
    at_profile_id bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.groups (
    environment_id integer NOT NULL,
    key text NOT NULL,
    traits jsonb NOT NULL,
    stamps jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL
);

CREATE TABLE public.happening_logs (
    environment_id integer NOT NULL,
    last_seq bigint DEFAULT 0 NOT NULL,
    revision integer NOT NULL,
    lapsed_at timestamp with time zone
);

CREATE TABLE public.happenings (
    environment_id integer NOT NULL,
    seq bigint NOT NULL,
    "position" bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    type text NOT NULL,
    profile_id bigint,
    other_id bigint,
    object_id bigint,
    revision integer,
    cause text NOT NULL
);

CREATE TABLE public.identifier_moves (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    from_id bigint NOT NULL,
    to_id bigint NOT NULL,
    identifier_ids bigint[] NOT NULL,
    moved_at timestamp with time zone NOT NULL
);

ALTER TABLE public.identifier_moves ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.identifier_moves_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.identifiers (
    environment_id integer NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    id bigint NOT NULL,
    profile_id bigint NOT NULL,
    owner_id bigint,
    claim_strength smallint,
    claimed_at timestamp with time zone,
    claimed_by text,
    created_at timestamp with time zone NOT NULL
);

ALTER TABLE public.identifiers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.identifiers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.identity_links (
    environment_id integer NOT NULL,
    identifier_id bigint NOT NULL,
    owner_id bigint NOT NULL,
    is_join boolean NOT NULL,
    strength smallint NOT NULL,
    said_at timestamp with time zone NOT NULL,
    said_by text NOT NULL,
    linked_at timestamp with time zone NOT NULL,
    apart_at timestamp with time zone
);

CREATE TABLE public.imports (
    environment_id integer NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    form text NOT NULL,
    mapping json NOT NULL,
    done bigint DEFAULT 0 NOT NULL,
    share double precision DEFAULT 0 NOT NULL,
    accepted bigint DEFAULT 0 NOT NULL,
    duplicates bigint DEFAULT 0 NOT NULL,
    rejected bigint DEFAULT 0 NOT NULL,
    author text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    advanced_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    error text,
    CONSTRAINT form_is_known CHECK ((form = ANY (ARRAY['jsonl'::text, 'csv'::text, 'parquet'::text]))),
    CONSTRAINT share_is_a_share CHECK (((share >= (0)::double precision) AND (share <= (1)::double precision)))
);

CREATE TABLE public.key_changes (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    key_id integer NOT NULL,
    action text NOT NULL,
    name text NOT NULL,
    author text,
    note text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT action_is_known CHECK ((action = ANY (ARRAY['created'::text, 'changed'::text, 'rotated'::text, 'revoked'::text])))
);

ALTER TABLE public.key_changes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.key_changes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE public.list_edit_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.list_edits (
    environment_id integer NOT NULL,
    edit_id bigint NOT NULL,
    n integer NOT NULL,
    adds boolean NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    staged_at timestamp with time zone NOT NULL
);

CREATE TABLE public.listed_identifiers (
    environment_id integer NOT NULL,
    segment_id integer NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    listed_at timestamp with time zone NOT NULL,
    unlisted_at timestamp with time zone,
    CONSTRAINT a_listing_ends_later CHECK ((unlisted_at > listed_at))
);

CREATE TABLE public.live_batches (
    environment_id integer NOT NULL,
    reader text NOT NULL,
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    matched integer NOT NULL,
    items bytea NOT NULL
);

ALTER TABLE public.live_batches ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.live_batches_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.memberships (
    environment_id integer NOT NULL,
    fingerprint bigint NOT NULL,
    profile_id bigint NOT NULL,
    entered_at timestamp with time zone NOT NULL
);

CREATE TABLE public.merges (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    survivor_id bigint NOT NULL,
    absorbed_id bigint NOT NULL,
    message_id text NOT NULL,
    merged_at timestamp with time zone NOT NULL,
    identifier_ids bigint[] NOT NULL,
    survivor jsonb NOT NULL,
    survivor_state bytea NOT NULL,
    absorbed jsonb NOT NULL,
    absorbed_state bytea NOT NULL,
    undone_at timestamp with time zone,
    cause text DEFAULT 'claim'::text NOT NULL,
    link_identifier_id bigint,
    link_owner_id bigint,
    survivor_identifier_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    author text,
    note text DEFAULT ''::text NOT NULL,
    undone_by text,
    undo_note text DEFAULT ''::text NOT NULL,
    CONSTRAINT cause_is_known CHECK ((cause = ANY (ARRAY['claim'::text, 'alias'::text, 'manual'::text, 'undo'::text])))
);

ALTER TABLE public.merges ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.merges_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.message_ids (
    environment_id integer NOT NULL,
    digest bytea NOT NULL
);

CREATE TABLE public.metric_minutes (
    environment_id integer NOT NULL,
    minute timestamp with time zone NOT NULL,
    accepted bigint NOT NULL,
    duplicates bigint NOT NULL,
    rejected bigint NOT NULL,
    decisions bigint NOT NULL,
    ingest bigint[] NOT NULL,
    lag_ms bigint NOT NULL
);

CREATE TABLE public.migrations (
    name text NOT NULL,
    digest text NOT NULL,
    applied_at timestamp with time zone NOT NULL
);

CREATE TABLE public.organisations (
    id integer NOT NULL,
    key text NOT NULL,
    name text NOT NULL
);

ALTER TABLE public.organisations ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.organisations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.outbox (
    environment_id integer NOT NULL,
    "position" bigint NOT NULL,
    slot smallint NOT NULL,
    at timestamp with time zone NOT NULL,
    changes json NOT NULL
)
PARTITION BY LIST (slot);

CREATE TABLE public.outbox_0 (
    environment_id integer CONSTRAINT outbox_environment_id_not_null NOT NULL,
    "position" bigint CONSTRAINT outbox_position_not_null NOT NULL,
    slot smallint CONSTRAINT outbox_slot_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT outbox_at_not_null NOT NULL,
    changes json CONSTRAINT outbox_changes_not_null NOT NULL
);

CREATE TABLE public.outbox_1 (
    environment_id integer CONSTRAINT outbox_environment_id_not_null NOT NULL,
    "position" bigint CONSTRAINT outbox_position_not_null NOT NULL,
    slot smallint CONSTRAINT outbox_slot_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT outbox_at_not_null NOT NULL,
    changes json CONSTRAINT outbox_changes_not_null NOT NULL
);

CREATE TABLE public.outbox_2 (
    environment_id integer CONSTRAINT outbox_environment_id_not_null NOT NULL,
    "position" bigint CONSTRAINT outbox_position_not_null NOT NULL,
    slot smallint CONSTRAINT outbox_slot_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT outbox_at_not_null NOT NULL,
    changes json CONSTRAINT outbox_changes_not_null NOT NULL
);

CREATE TABLE public.outbox_3 (
    environment_id integer CONSTRAINT outbox_environment_id_not_null NOT NULL,
    "position" bigint CONSTRAINT outbox_position_not_null NOT NULL,
    slot smallint CONSTRAINT outbox_slot_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT outbox_at_not_null NOT NULL,
    changes json CONSTRAINT outbox_changes_not_null NOT NULL
);

CREATE TABLE public.outbox_4 (
    environment_id integer CONSTRAINT outbox_environment_id_not_null NOT NULL,
    "position" bigint CONSTRAINT outbox_position_not_null NOT NULL,
    slot smallint CONSTRAINT outbox_slot_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT outbox_at_not_null NOT NULL,
    changes json CONSTRAINT outbox_changes_not_null NOT NULL
);

CREATE TABLE public.outbox_5 (
    environment_id integer CONSTRAINT outbox_environment_id_not_null NOT NULL,
    "position" bigint CONSTRAINT outbox_position_not_null NOT NULL,
    slot smallint CONSTRAINT outbox_slot_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT outbox_at_not_null NOT NULL,
    changes json CONSTRAINT outbox_changes_not_null NOT NULL
);

CREATE TABLE public.outbox_6 (
    environment_id integer CONSTRAINT outbox_environment_id_not_null NOT NULL,
    "position" bigint CONSTRAINT outbox_position_not_null NOT NULL,
    slot smallint CONSTRAINT outbox_slot_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT outbox_at_not_null NOT NULL,
    changes json CONSTRAINT outbox_changes_not_null NOT NULL
);

CREATE TABLE public.outbox_7 (
    environment_id integer CONSTRAINT outbox_environment_id_not_null NOT NULL,
    "position" bigint CONSTRAINT outbox_position_not_null NOT NULL,
    slot smallint CONSTRAINT outbox_slot_not_null NOT NULL,
    at timestamp with time zone CONSTRAINT outbox_at_not_null NOT NULL,
    changes json CONSTRAINT outbox_changes_not_null NOT NULL
);

CREATE TABLE public.outbox_cursors (
    environment_id integer NOT NULL,
    consumer text NOT NULL,
    "position" bigint NOT NULL,
    claimed bigint,
    registered_at timestamp with time zone NOT NULL,
    moved_at timestamp with time zone NOT NULL,
    lapsed_at timestamp with time zone,
    CONSTRAINT a_claim_lies_ahead CHECK ((claimed > "position"))
);

CREATE TABLE public.plan_entries (
    environment_id integer NOT NULL,
    event text NOT NULL,
    version integer NOT NULL,
    document json,
    changed_at timestamp with time zone NOT NULL,
    changed_by text NOT NULL
);

CREATE TABLE public.plan_violations (
    environment_id integer NOT NULL,
    event text NOT NULL,
    day date NOT NULL,
    code text NOT NULL,
    path text NOT NULL,
    rejected boolean NOT NULL,
    n bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL
);

CREATE TABLE public.policies (
    environment_id integer NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    document json NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by text NOT NULL
);

CREATE SEQUENCE public.profile_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.profiles (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    bucketing_key text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    first_seen_at timestamp with time zone,
    last_seen_at timestamp with time zone,
    properties jsonb NOT NULL,
    state bytea NOT NULL,
    version bigint NOT NULL,
    recompute_at timestamp with time zone,
    merged_into bigint,
    group_key text
)
WITH (fillfactor='75');

CREATE TABLE public.projects (
    id integer NOT NULL,
    organisation_id integer NOT NULL,
    key text NOT NULL,
    name text NOT NULL
);

ALTER TABLE public.projects ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.projects_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.registry_days (
    environment_id integer NOT NULL,
    event text NOT NULL,
    day date NOT NULL,
    property text NOT NULL,
    type text NOT NULL,
    sdk text NOT NULL,
    n bigint NOT NULL
)
WITH (fillfactor='80');

CREATE TABLE public.registry_hours (
    environment_id integer NOT NULL,
    event text NOT NULL,
    hour timestamp with time zone NOT NULL,
    n bigint NOT NULL
)
WITH (fillfactor='80');

CREATE TABLE public.registry_sdks (
    environment_id integer NOT NULL,
    library text NOT NULL,
    version text NOT NULL,
    platform text NOT NULL,
    n bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL
)
WITH (fillfactor='80');

CREATE TABLE public.registry_types (
    environment_id integer NOT NULL,
    event text NOT NULL,
    property text NOT NULL,
    type text NOT NULL,
    n bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL
)
WITH (fillfactor='80');

CREATE TABLE public.rejected_claims (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    identifier_id bigint NOT NULL,
    kept_owner_id bigint NOT NULL,
    other_owner_id bigint NOT NULL,
    message_id text NOT NULL,
    rejected_at timestamp with time zone NOT NULL,
    reason text DEFAULT 'CLAIMED'::text NOT NULL
);

ALTER TABLE public.rejected_claims ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.rejected_claims_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.rejected_messages (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    api_key_id integer,
    code text NOT NULL,
    message text NOT NULL,
    path text NOT NULL,
    payload bytea NOT NULL,
    received_at timestamp with time zone NOT NULL,
    digest bytea,
    times integer DEFAULT 1 NOT NULL,
    last_received_at timestamp with time zone
);

ALTER TABLE public.rejected_messages ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.rejected_messages_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.rejection_counts (
    environment_id integer NOT NULL,
    hour timestamp with time zone NOT NULL,
    api_key_id integer NOT NULL,
    code text NOT NULL,
    messages bigint NOT NULL,
    repeats bigint NOT NULL
);

CREATE TABLE public.revisions (
    environment_id integer NOT NULL,
    revision integer NOT NULL,
    author text NOT NULL,
    note text NOT NULL,
    published_at timestamp with time zone NOT NULL,
    live_at timestamp with time zone
);

CREATE TABLE public.saved_definitions (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    version integer NOT NULL,
    change integer NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    document json,
    author text NOT NULL,
    note text NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    is_newest boolean NOT NULL,
    revision integer NOT NULL,
    CONSTRAINT kind_is_known CHECK ((kind = ANY (ARRAY['report'::text, 'metric'::text, 'event'::text, 'dashboard'::text, 'destination'::text, 'schedule'::text, 'sync'::text])))
);

CREATE TABLE public.session_variants (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    unit text NOT NULL,
    session text NOT NULL,
    variant text NOT NULL,
    kept_until timestamp with time zone,
    assigned_at timestamp with time zone
);

CREATE TABLE public.splits (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    profile_id bigint NOT NULL,
    identifier_ids bigint[] NOT NULL,
    author text NOT NULL,
    note text NOT NULL,
    split_at timestamp with time zone NOT NULL
);

ALTER TABLE public.splits ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.splits_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE public.suppression_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.suppressions (
    environment_id integer NOT NULL,
    digest bytea NOT NULL,
    kind text NOT NULL,
    id bigint DEFAULT nextval('public.suppression_ids'::regclass) NOT NULL,
    note text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by text NOT NULL
);

CREATE TABLE public.sync_marks (
    environment_id integer NOT NULL,
    profile_id bigint NOT NULL,
    mark bigint NOT NULL
);

CREATE TABLE public.sync_records (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    profile_id bigint NOT NULL,
    match_key text,
    hash bytea,
    number bigint NOT NULL,
    state text NOT NULL,
    next_change_at timestamp with time zone,
    attempts integer NOT NULL,
    reason text NOT NULL,
    tried_run bigint NOT NULL,
    CONSTRAINT state_is_known CHECK ((state = ANY (ARRAY['sent'::text, 'sending'::text, 'failed'::text, 'waiting'::text, 'unmatched'::text, 'left'::text, 'out'::text])))
);

CREATE TABLE public.sync_removals (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    match_key text NOT NULL,
    profile_id bigint NOT NULL,
    hash bytea,
    number bigint NOT NULL,
    is_allowed boolean NOT NULL,
    attempts integer NOT NULL,
    reason text NOT NULL,
    tried_run bigint NOT NULL
);

CREATE TABLE public.sync_states (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    destination_id integer,
    meaning bytea DEFAULT '\x'::bytea NOT NULL,
    generation bigint DEFAULT 0 NOT NULL,
    mark bigint NOT NULL,
    mark_profile bigint DEFAULT 0 NOT NULL,
    scan text DEFAULT 'all'::text NOT NULL,
    scan_after bigint DEFAULT 0 NOT NULL,
    scan_profiles bigint DEFAULT 0 NOT NULL,
    scan_differences bigint DEFAULT 0 NOT NULL,
    last_run bigint DEFAULT 0 NOT NULL,
    last_number bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'active'::text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    is_requested boolean DEFAULT false NOT NULL,
    next_run_at timestamp with time zone,
    ran_at timestamp with time zone,
    problem text DEFAULT ''::text NOT NULL,
    last_success_at timestamp with time zone,
    last_failure_at timestamp with time zone,
    last_failure text DEFAULT ''::text NOT NULL,
    sent bigint DEFAULT 0 NOT NULL,
    removed bigint DEFAULT 0 NOT NULL,
    next_proof_at timestamp with time zone,
    proved_at timestamp with time zone,
    proof_profiles bigint DEFAULT 0 NOT NULL,
    proof_differences bigint DEFAULT 0 NOT NULL,
    differences bigint DEFAULT 0 NOT NULL,
    keys_before bigint DEFAULT 0 NOT NULL,
    CONSTRAINT scan_is_known CHECK ((scan = ANY (ARRAY[''::text, 'all'::text, 'proof'::text]))),
    CONSTRAINT state_is_known CHECK ((state = ANY (ARRAY['active'::text, 'braked'::text])))
);

CREATE TABLE public.transitions (
    environment_id integer NOT NULL,
    id bigint NOT NULL,
    segment_id integer NOT NULL,
    profile_id bigint NOT NULL,
    entered boolean NOT NULL,
    at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    cause text
);

ALTER TABLE public.transitions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.transitions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.undelivered (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    seq bigint NOT NULL,
    profile_ids bigint[] NOT NULL,
    attempts smallint NOT NULL,
    reason text NOT NULL,
    status smallint,
    answer text NOT NULL,
    died_at timestamp with time zone NOT NULL
);

CREATE TABLE public.waiting_deliveries (
    environment_id integer NOT NULL,
    definition_id integer NOT NULL,
    seq bigint NOT NULL,
    profile_ids bigint[] NOT NULL,
    attempts smallint NOT NULL,
    next_at timestamp with time zone NOT NULL,
    reason text NOT NULL
);

ALTER TABLE ONLY public.events ATTACH PARTITION public.events_default DEFAULT;

ALTER TABLE ONLY public.outbox ATTACH PARTITION public.outbox_0 FOR VALUES IN ('0');

ALTER TABLE ONLY public.outbox ATTACH PARTITION public.outbox_1 FOR VALUES IN ('1');

ALTER TABLE ONLY public.outbox ATTACH PARTITION public.outbox_2 FOR VALUES IN ('2');

ALTER TABLE ONLY public.outbox ATTACH PARTITION public.outbox_3 FOR VALUES IN ('3');

ALTER TABLE ONLY public.outbox ATTACH PARTITION public.outbox_4 FOR VALUES IN ('4');

ALTER TABLE ONLY public.outbox ATTACH PARTITION public.outbox_5 FOR VALUES IN ('5');

ALTER TABLE ONLY public.outbox ATTACH PARTITION public.outbox_6 FOR VALUES IN ('6');

ALTER TABLE ONLY public.outbox ATTACH PARTITION public.outbox_7 FOR VALUES IN ('7');

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_digest_key UNIQUE (digest);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.backfills
    ADD CONSTRAINT backfills_pkey PRIMARY KEY (environment_id, revision);

ALTER TABLE ONLY public.blocked_identifiers
    ADD CONSTRAINT blocked_identifiers_pkey PRIMARY KEY (environment_id, kind, value);

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_environment_id_digest_key UNIQUE (environment_id, digest);

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.definition_versions
    ADD CONSTRAINT definition_versions_pkey PRIMARY KEY (environment_id, definition_id, version);

ALTER TABLE ONLY public.definitions
    ADD CONSTRAINT definitions_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.delivery_batches
    ADD CONSTRAINT delivery_batches_pkey PRIMARY KEY (environment_id, definition_id);

ALTER TABLE ONLY public.destination_lanes
    ADD CONSTRAINT destination_lanes_pkey PRIMARY KEY (environment_id, definition_id);

ALTER TABLE ONLY public.destination_secrets
    ADD CONSTRAINT destination_secrets_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.downloads
    ADD CONSTRAINT downloads_pkey PRIMARY KEY (environment_id, digest);

ALTER TABLE ONLY public.environments
    ADD CONSTRAINT environments_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.environments
    ADD CONSTRAINT environments_project_id_key_key UNIQUE (project_id, key);

ALTER TABLE ONLY public.erasures
    ADD CONSTRAINT erasures_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (environment_id, id, received_at);

ALTER TABLE ONLY public.events_default
    ADD CONSTRAINT events_default_pkey PRIMARY KEY (environment_id, id, received_at);

ALTER TABLE ONLY public.export_schedules
    ADD CONSTRAINT export_schedules_pkey PRIMARY KEY (environment_id, definition_id);

ALTER TABLE ONLY public.exports
    ADD CONSTRAINT exports_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.exposures
    ADD CONSTRAINT exposures_pkey PRIMARY KEY (environment_id, definition_id, day, version, stage, rule, variant, unit);

ALTER TABLE ONLY public.flag_kills
    ADD CONSTRAINT flag_kills_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.flag_uses
    ADD CONSTRAINT flag_uses_pkey PRIMARY KEY (environment_id, definition_id, rule);

ALTER TABLE ONLY public.group_changes
    ADD CONSTRAINT group_changes_pkey PRIMARY KEY (environment_id, key);

ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (environment_id, key);

ALTER TABLE ONLY public.happening_logs
    ADD CONSTRAINT happening_logs_pkey PRIMARY KEY (environment_id);

ALTER TABLE ONLY public.happenings
    ADD CONSTRAINT happenings_pkey PRIMARY KEY (environment_id, seq);

ALTER TABLE ONLY public.identifier_moves
    ADD CONSTRAINT identifier_moves_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.identifiers
    ADD CONSTRAINT identifiers_environment_id_id_key UNIQUE (environment_id, id);

ALTER TABLE ONLY public.identifiers
    ADD CONSTRAINT identifiers_pkey PRIMARY KEY (environment_id, kind, value);

ALTER TABLE ONLY public.identity_links
    ADD CONSTRAINT identity_links_pkey PRIMARY KEY (environment_id, identifier_id, owner_id, is_join);

ALTER TABLE ONLY public.imports
    ADD CONSTRAINT imports_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.key_changes
    ADD CONSTRAINT key_changes_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.list_edits
    ADD CONSTRAINT list_edits_pkey PRIMARY KEY (environment_id, edit_id, n);

ALTER TABLE ONLY public.listed_identifiers
    ADD CONSTRAINT listed_identifiers_pkey PRIMARY KEY (environment_id, kind, value, segment_id, listed_at);

ALTER TABLE ONLY public.live_batches
    ADD CONSTRAINT live_batches_pkey PRIMARY KEY (environment_id, reader, id);

ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (environment_id, fingerprint, profile_id);

ALTER TABLE ONLY public.merges
    ADD CONSTRAINT merges_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.message_ids
    ADD CONSTRAINT message_ids_pkey PRIMARY KEY (environment_id, digest);

ALTER TABLE ONLY public.metric_minutes
    ADD CONSTRAINT metric_minutes_pkey PRIMARY KEY (environment_id, minute);

ALTER TABLE ONLY public.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_key_key UNIQUE (key);

ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (environment_id, "position", slot);

ALTER TABLE ONLY public.outbox_0
    ADD CONSTRAINT outbox_0_pkey PRIMARY KEY (environment_id, "position", slot);

ALTER TABLE ONLY public.outbox_1
    ADD CONSTRAINT outbox_1_pkey PRIMARY KEY (environment_id, "position", slot);

ALTER TABLE ONLY public.outbox_2
    ADD CONSTRAINT outbox_2_pkey PRIMARY KEY (environment_id, "position", slot);

ALTER TABLE ONLY public.outbox_3
    ADD CONSTRAINT outbox_3_pkey PRIMARY KEY (environment_id, "position", slot);

ALTER TABLE ONLY public.outbox_4
    ADD CONSTRAINT outbox_4_pkey PRIMARY KEY (environment_id, "position", slot);

ALTER TABLE ONLY public.outbox_5
    ADD CONSTRAINT outbox_5_pkey PRIMARY KEY (environment_id, "position", slot);

ALTER TABLE ONLY public.outbox_6
    ADD CONSTRAINT outbox_6_pkey PRIMARY KEY (environment_id, "position", slot);

ALTER TABLE ONLY public.outbox_7
    ADD CONSTRAINT outbox_7_pkey PRIMARY KEY (environment_id, "position", slot);

ALTER TABLE ONLY public.outbox_cursors
    ADD CONSTRAINT outbox_cursors_pkey PRIMARY KEY (environment_id, consumer);

ALTER TABLE ONLY public.plan_entries
    ADD CONSTRAINT plan_entries_pkey PRIMARY KEY (environment_id, event, version);

ALTER TABLE ONLY public.plan_violations
    ADD CONSTRAINT plan_violations_pkey PRIMARY KEY (environment_id, event, day, code, path, rejected);

ALTER TABLE ONLY public.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (environment_id, name, version);

ALTER TABLE ONLY public.profiles
    ADD CONSTRAINT profiles_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_organisation_id_key_key UNIQUE (organisation_id, key);

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.registry_days
    ADD CONSTRAINT registry_days_pkey PRIMARY KEY (environment_id, event, day, property, type, sdk);

ALTER TABLE ONLY public.registry_hours
    ADD CONSTRAINT registry_hours_pkey PRIMARY KEY (environment_id, event, hour);

ALTER TABLE ONLY public.registry_sdks
    ADD CONSTRAINT registry_sdks_pkey PRIMARY KEY (environment_id, library, version, platform);

ALTER TABLE ONLY public.registry_types
    ADD CONSTRAINT registry_types_pkey PRIMARY KEY (environment_id, event, property, type);

ALTER TABLE ONLY public.rejected_claims
    ADD CONSTRAINT rejected_claims_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.rejected_messages
    ADD CONSTRAINT rejected_messages_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.rejection_counts
    ADD CONSTRAINT rejection_counts_pkey PRIMARY KEY (environment_id, hour, api_key_id, code);

ALTER TABLE ONLY public.revisions
    ADD CONSTRAINT revisions_pkey PRIMARY KEY (environment_id, revision);

ALTER TABLE ONLY public.saved_definitions
    ADD CONSTRAINT saved_definitions_pkey PRIMARY KEY (environment_id, definition_id, version);

ALTER TABLE ONLY public.session_variants
    ADD CONSTRAINT session_variants_pkey PRIMARY KEY (environment_id, definition_id, unit, session);

ALTER TABLE ONLY public.splits
    ADD CONSTRAINT splits_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.suppressions
    ADD CONSTRAINT suppressions_pkey PRIMARY KEY (environment_id, digest);

ALTER TABLE ONLY public.sync_marks
    ADD CONSTRAINT sync_marks_pkey PRIMARY KEY (environment_id, profile_id);

ALTER TABLE ONLY public.sync_records
    ADD CONSTRAINT sync_records_pkey PRIMARY KEY (environment_id, definition_id, profile_id);

ALTER TABLE ONLY public.sync_removals
    ADD CONSTRAINT sync_removals_pkey PRIMARY KEY (environment_id, definition_id, match_key);

ALTER TABLE ONLY public.sync_states
    ADD CONSTRAINT sync_states_pkey PRIMARY KEY (environment_id, definition_id);

ALTER TABLE ONLY public.transitions
    ADD CONSTRAINT transitions_pkey PRIMARY KEY (environment_id, id);

ALTER TABLE ONLY public.undelivered
    ADD CONSTRAINT undelivered_pkey PRIMARY KEY (environment_id, definition_id, seq);

ALTER TABLE ONLY public.waiting_deliveries
    ADD CONSTRAINT waiting_deliveries_pkey PRIMARY KEY (environment_id, definition_id, seq);

CREATE INDEX deliveries_of_destination ON public.deliveries USING btree (environment_id, definition_id, id);

CREATE INDEX events_of_identifier ON ONLY public.events USING btree (environment_id, identifier_id, occurred_at);

CREATE INDEX events_default_environment_id_identifier_id_occurred_at_idx ON public.events_default USING btree (environment_id, identifier_id, occurred_at);

CREATE INDEX events_of_group ON ONLY public.events USING btree (environment_id, target) WHERE (kind = 'group'::text);

CREATE INDEX events_default_environment_id_target_idx ON public.events_default USING btree (environment_id, target) WHERE (kind = 'group'::text);

CREATE UNIQUE INDEX exports_of_schedule ON public.exports USING btree (environment_id, schedule_id, due_at) WHERE (schedule_id IS NOT NULL);

CREATE INDEX exports_unfinished ON public.exports USING btree (environment_id, id) WHERE (status = ANY (ARRAY['waiting'::text, 'running'::text]));

CREATE INDEX exports_with_files ON public.exports USING btree (environment_id, expires_at) WHERE (place <> ''::text);

CREATE UNIQUE INDEX exposures_id ON public.exposures USING btree (environment_id, id);

CREATE INDEX exposures_of_unit ON public.exposures USING btree (environment_id, unit, definition_id, day);

CREATE INDEX identifier_moves_from ON public.identifier_moves USING btree (environment_id, from_id);

CREATE INDEX identifier_moves_to ON public.identifier_moves USING btree (environment_id, to_id);

CREATE INDEX identifiers_of_profile ON public.identifiers USING btree (environment_id, profile_id);

CREATE INDEX identifiers_values ON public.identifiers USING btree (environment_id, value text_pattern_ops);

CREATE INDEX identity_links_of_owner ON public.identity_links USING btree (environment_id, owner_id);

CREATE INDEX imports_by_time ON public.imports USING btree (environment_id, started_at);

CREATE UNIQUE INDEX listed_now ON public.listed_identifiers USING btree (environment_id, segment_id, kind, value) WHERE (unlisted_at IS NULL);

CREATE INDEX live_batches_by_time ON public.live_batches USING btree (environment_id, at);

CREATE INDEX merges_by_author ON public.merges USING btree (environment_id, merged_at) WHERE (author IS NOT NULL);

CREATE INDEX merges_of_absorbed ON public.merges USING btree (environment_id, absorbed_id);

CREATE INDEX merges_of_survivor ON public.merges USING btree (environment_id, survivor_id);

CREATE INDEX merges_undone ON public.merges USING btree (environment_id, undone_at) WHERE (undone_by IS NOT NULL);

CREATE UNIQUE INDEX one_current_version ON public.definition_versions USING btree (environment_id, definition_id) WHERE (until_revision IS NULL);

CREATE UNIQUE INDEX one_kill_at_a_time ON public.flag_kills USING btree (environment_id, definition_id) WHERE (revived_at IS NULL);

CREATE INDEX plan_violations_by_day ON public.plan_violations USING btree (environment_id, day);

CREATE INDEX profiles_due ON public.profiles USING btree (environment_id, recompute_at) WHERE (recompute_at IS NOT NULL);

CREATE INDEX profiles_of_group ON public.profiles USING btree (environment_id, group_key, id) WHERE (group_key IS NOT NULL);

CREATE INDEX profiles_properties ON public.profiles USING gin (properties jsonb_path_ops);

CREATE INDEX registry_days_by_day ON public.registry_days USING btree (environment_id, day);

CREATE INDEX registry_hours_by_hour ON public.registry_hours USING btree (environment_id, hour);

CREATE UNIQUE INDEX rejected_claims_once ON public.rejected_claims USING btree (environment_id, identifier_id, kept_owner_id, other_owner_id, reason);

CREATE INDEX rejected_messages_by_time ON public.rejected_messages USING btree (environment_id, received_at);

CREATE UNIQUE INDEX rejected_messages_once ON public.rejected_messages USING btree (environment_id, digest);

CREATE INDEX saved_definitions_by_change ON public.saved_definitions USING btree (environment_id, change);

CREATE UNIQUE INDEX saved_definitions_by_key ON public.saved_definitions USING btree (environment_id, kind, key) WHERE (is_newest AND (document IS NOT NULL));

CREATE INDEX secrets_of_destination ON public.destination_secrets USING btree (environment_id, definition_id);

CREATE INDEX session_variants_expired ON public.session_variants USING btree (environment_id, kept_until);

CREATE INDEX splits_of_profile ON public.splits USING btree (environment_id, profile_id);

CREATE INDEX suppressions_in_order ON public.suppressions USING btree (environment_id, id);

CREATE INDEX sync_marks_in_order ON public.sync_marks USING btree (environment_id, mark, profile_id);

CREATE UNIQUE INDEX sync_records_by_key ON public.sync_records USING btree (environment_id, definition_id, match_key) WHERE (match_key IS NOT NULL);

CREATE INDEX sync_records_due ON public.sync_records USING btree (environment_id, definition_id, next_change_at) WHERE (next_change_at IS NOT NULL);

CREATE INDEX sync_records_unsettled ON public.sync_records USING btree (environment_id, definition_id, profile_id) WHERE (state = ANY (ARRAY['sending'::text, 'failed'::text, 'waiting'::text, 'unmatched'::text]));

CREATE INDEX transitions_of_profile ON public.transitions USING btree (environment_id, profile_id, id);

CREATE INDEX transitions_of_segment ON public.transitions USING btree (environment_id, segment_id, at, id);

ALTER INDEX public.events_of_identifier ATTACH PARTITION public.events_default_environment_id_identifier_id_occurred_at_idx;

ALTER INDEX public.events_of_group ATTACH PARTITION public.events_default_environment_id_target_idx;

ALTER INDEX public.events_pkey ATTACH PARTITION public.events_default_pkey;

ALTER INDEX public.outbox_pkey ATTACH PARTITION public.outbox_0_pkey;

ALTER INDEX public.outbox_pkey ATTACH PARTITION public.outbox_1_pkey;

ALTER INDEX public.outbox_pkey ATTACH PARTITION public.outbox_2_pkey;

ALTER INDEX public.outbox_pkey ATTACH PARTITION public.outbox_3_pkey;

ALTER INDEX public.outbox_pkey ATTACH PARTITION public.outbox_4_pkey;

ALTER INDEX public.outbox_pkey ATTACH PARTITION public.outbox_5_pkey;

ALTER INDEX public.outbox_pkey ATTACH PARTITION public.outbox_6_pkey;

ALTER INDEX public.outbox_pkey ATTACH PARTITION public.outbox_7_pkey;

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_environment_id_fkey FOREIGN KEY (environment_id) REFERENCES public.environments(id);

ALTER TABLE ONLY public.definition_versions
    ADD CONSTRAINT definition_versions_environment_id_definition_id_fkey FOREIGN KEY (environment_id, definition_id) REFERENCES public.definitions(environment_id, id);

ALTER TABLE ONLY public.environments
    ADD CONSTRAINT environments_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id);

ALTER TABLE ONLY public.erasures
    ADD CONSTRAINT erasures_environment_id_fkey FOREIGN KEY (environment_id) REFERENCES public.environments(id);

ALTER TABLE ONLY public.flag_kills
    ADD CONSTRAINT flag_kills_environment_id_definition_id_fkey FOREIGN KEY (environment_id, definition_id) REFERENCES public.definitions(environment_id, id);

ALTER TABLE ONLY public.happening_logs
    ADD CONSTRAINT happening_logs_environment_id_fkey FOREIGN KEY (environment_id) REFERENCES public.environments(id);

ALTER TABLE ONLY public.imports
    ADD CONSTRAINT imports_environment_id_fkey FOREIGN KEY (environment_id) REFERENCES public.environments(id);

ALTER TABLE ONLY public.listed_identifiers
    ADD CONSTRAINT listed_identifiers_environment_id_segment_id_fkey FOREIGN KEY (environment_id, segment_id) REFERENCES public.definitions(environment_id, id);

ALTER TABLE ONLY public.plan_entries
    ADD CONSTRAINT plan_entries_environment_id_fkey FOREIGN KEY (environment_id) REFERENCES public.environments(id);

ALTER TABLE ONLY public.policies
    ADD CONSTRAINT policies_environment_id_fkey FOREIGN KEY (environment_id) REFERENCES public.environments(id);

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);

ALTER TABLE ONLY public.saved_definitions
    ADD CONSTRAINT saved_definitions_environment_id_fkey FOREIGN KEY (environment_id) REFERENCES public.environments(id);

ALTER TABLE ONLY public.suppressions
    ADD CONSTRAINT suppressions_environment_id_fkey FOREIGN KEY (environment_id) REFERENCES public.environments(id);
