-- Who was given which variant of a flag. Takes no time: both tables are new, and older code does not know them.

-- One row per unit, variant and day (UTC, of first_at), by one rule, under one version of the flag and one stage of its
-- schedule, counted from 0. The last three are in the key for the sample-ratio check: somebody who got a variant by default
-- in the morning, or under yesterday's weights, must be counted again when a split gives it, or only those would be counted
-- to whom it gives another one.
-- unit is what rollouts and splits hash; profile_id is null for someone nothing was ever received of. rule is '' for none.
CREATE TABLE exposures (
    environment_id integer NOT NULL,
    definition_id  integer NOT NULL,
    day            date NOT NULL,
    version        integer NOT NULL,
    stage          smallint NOT NULL,
    rule           text NOT NULL,
    variant        text NOT NULL,
    unit           text NOT NULL,
    profile_id     bigint,
    revision       integer NOT NULL,
    first_at       timestamptz NOT NULL,
    PRIMARY KEY (environment_id, definition_id, day, version, stage, rule, variant, unit)
);
CREATE INDEX exposures_of_unit ON exposures (environment_id, unit, definition_id, day);

-- The first and the newest day (UTC) on which each rule of a flag answered, '' for none of them: also where nobody was
-- named, or no exposure wanted. One row per rule: what tells a flag that nobody needs from one that nobody is counted under.
CREATE TABLE flag_uses (
    environment_id integer NOT NULL,
    definition_id  integer NOT NULL,
    rule           text NOT NULL,
    first_day      date NOT NULL,
    last_day       date NOT NULL,
    PRIMARY KEY (environment_id, definition_id, rule)
);
