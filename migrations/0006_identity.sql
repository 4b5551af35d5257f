-- Identity that can be undone: every claim and join is remembered, not only the one that holds. Reads the alias calls
-- among the events once, to remember the joins made so far; adds columns with constant defaults (short locks). Older
-- code works on it: what it links meanwhile cannot be undone, but by hand.

-- One row for each pair of identifiers that messages or admins said are one person's: by claims, the best rank of the
-- pair; or joined for good. apart_at: withdrawn by an undo or a split; ordinary messages do not make it again.
-- alias_id is the one claimed, owner_id who claims it. said_by is a message id, '' where an admin said it.
CREATE TABLE identity_links (
    environment_id integer NOT NULL,
    alias_id       bigint NOT NULL,
    owner_id       bigint NOT NULL,
    is_join        boolean NOT NULL,
    strength       smallint NOT NULL,
    said_at        timestamptz NOT NULL,
    said_by        text NOT NULL,
    linked_at      timestamptz NOT NULL,
    apart_at       timestamptz,
    PRIMARY KEY (environment_id, alias_id, owner_id, is_join)
);
CREATE INDEX identity_links_of_owner ON identity_links (environment_id, owner_id);

INSERT INTO identity_links (environment_id, alias_id, owner_id, is_join, strength, said_at, said_by, linked_at)
SELECT environment_id, id, owner_id, false, claim_strength, claimed_at, claimed_by, created_at
FROM aliases WHERE owner_id IS NOT NULL;

INSERT INTO identity_links (environment_id, alias_id, owner_id, is_join, strength, said_at, said_by, linked_at)
SELECT e.environment_id, known.id, by.id, true, 0, e.occurred_at, e.message_id, e.received_at
FROM events e
JOIN aliases by ON by.environment_id = e.environment_id AND by.id = e.alias_id AND by.kind = 'userId'
JOIN aliases known ON known.environment_id = e.environment_id AND known.kind = 'userId' AND known.value = e.target
WHERE e.kind = 'alias' AND known.profile_id = by.profile_id
ON CONFLICT DO NOTHING;

-- cause: claim, alias (a call), manual, or undo, where a merge goes on below another person than before.
-- link_*: the pair of identifiers that made it. survivor_alias_ids: what the survivor had, as alias_ids the absorbed.
ALTER TABLE merges
    ADD COLUMN cause text NOT NULL DEFAULT 'claim',
    ADD COLUMN link_alias_id bigint,
    ADD COLUMN link_owner_id bigint,
    ADD COLUMN survivor_alias_ids bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN author text,
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD COLUMN undone_by text,
    ADD COLUMN undo_note text NOT NULL DEFAULT '',
    ADD CONSTRAINT cause_is_known CHECK (cause IN ('claim', 'alias', 'manual', 'undo'));

-- reason: CLAIMED (an earlier or stronger claim holds), LIMIT, NEW_LIMIT, RULE or KEPT_APART.
ALTER TABLE refused_claims ADD COLUMN reason text NOT NULL DEFAULT 'CLAIMED';
ALTER TABLE refused_claims DROP CONSTRAINT refused_claims_environment_id_alias_id_kept_owner_id_other__key;
CREATE UNIQUE INDEX refused_claims_once ON refused_claims (environment_id, alias_id, kept_owner_id, other_owner_id, reason);

-- Identifiers that say nothing, such as "null", and how often messages brought them beside good ones.
CREATE TABLE blocked_identifiers (
    environment_id integer NOT NULL,
    kind           text NOT NULL,
    value          text NOT NULL,
    messages       bigint NOT NULL,
    first_at       timestamptz NOT NULL,
    last_at        timestamptz NOT NULL,
    PRIMARY KEY (environment_id, kind, value)
);

-- Identifiers that were split off, each with who did it: merges have a journal of their own.
CREATE TABLE splits (
    environment_id integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    profile_id     bigint NOT NULL,
    alias_ids      bigint[] NOT NULL,
    author         text NOT NULL,
    note           text NOT NULL,
    split_at       timestamptz NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX splits_of_profile ON splits (environment_id, profile_id);
