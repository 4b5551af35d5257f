-- Static segments: lists of identifiers whose profiles are the members. New tables only, so it takes no time; the previous
-- release works on it until the first static segment is published.

-- Which identifiers are on the list of a static segment, and were. An identifier need not be known yet: its profile becomes
-- a member when it appears. A row is one span of time, open while the identifier is listed.
CREATE TABLE listed_identifiers (
    environment_id integer NOT NULL,
    segment_id     integer NOT NULL,
    kind           text NOT NULL,
    value          text NOT NULL,
    listed_at      timestamptz NOT NULL,
    unlisted_at    timestamptz,
    PRIMARY KEY (environment_id, kind, value, segment_id, listed_at),
    FOREIGN KEY (environment_id, segment_id) REFERENCES definitions (environment_id, id),
    CONSTRAINT a_listing_ends_later CHECK (unlisted_at > listed_at)
);
CREATE UNIQUE INDEX listed_now ON listed_identifiers (environment_id, segment_id, kind, value) WHERE unlisted_at IS NULL;

-- The identifiers of an edit of a list while it is applied.
CREATE SEQUENCE list_edit_ids;
CREATE TABLE list_edits (
    environment_id integer NOT NULL,
    edit_id        bigint NOT NULL,
    n              integer NOT NULL,
    adds           boolean NOT NULL,
    kind           text NOT NULL,
    value          text NOT NULL,
    staged_at      timestamptz NOT NULL,
    PRIMARY KEY (environment_id, edit_id, n)
);
