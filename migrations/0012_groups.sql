-- Groups with traits, and which group a profile belongs to. Takes a scan of the group calls that are stored already; older
-- code runs on it, but forgets whom it moves from one group to another.

-- A trait is the latest that any group call said of it: stamps holds (instant, message id) of each.
CREATE TABLE groups (
    environment_id integer NOT NULL,
    key            text NOT NULL,
    traits         jsonb NOT NULL,
    stamps         jsonb NOT NULL,
    created_at     timestamptz NOT NULL,
    changed_at     timestamptz NOT NULL,
    PRIMARY KEY (environment_id, key)
);

-- Groups whose members do not have the present traits yet; those with id <= at_profile_id do. version is another one each
-- time the traits change, so that a change that comes while members are being told is not taken for done.
CREATE TABLE group_changes (
    environment_id integer NOT NULL,
    key            text NOT NULL,
    version        bigint NOT NULL DEFAULT nextval('versions'),
    at_profile_id  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (environment_id, key)
);

ALTER TABLE profiles ADD COLUMN group_key text;
CREATE INDEX profiles_of_group ON profiles (environment_id, group_key, id) WHERE group_key IS NOT NULL;
CREATE INDEX events_of_group ON events (environment_id, target) WHERE kind = 'group';

UPDATE profiles p SET group_key = latest.target
FROM (
    SELECT DISTINCT ON (a.environment_id, a.profile_id) a.environment_id, a.profile_id, e.target
    FROM events e JOIN aliases a ON a.environment_id = e.environment_id AND a.id = e.alias_id
    WHERE e.kind = 'group' AND e.target IS NOT NULL
    ORDER BY a.environment_id, a.profile_id, e.occurred_at DESC, e.message_id COLLATE "C" DESC
) latest
WHERE p.environment_id = latest.environment_id AND p.id = latest.profile_id;

INSERT INTO groups (environment_id, key, traits, stamps, created_at, changed_at)
SELECT environment_id, target, coalesce(jsonb_object_agg(name, value) FILTER (WHERE name IS NOT NULL), '{}'),
       coalesce(jsonb_object_agg(name, stamp) FILTER (WHERE name IS NOT NULL), '{}'), min(received_at), max(received_at)
FROM (
    SELECT DISTINCT ON (e.environment_id, e.target, t.name) e.environment_id, e.target, e.received_at, t.name, t.value,
           jsonb_build_array((extract(epoch FROM e.occurred_at) * 1000)::bigint, e.message_id) AS stamp
    FROM events e LEFT JOIN LATERAL jsonb_each(e.properties) AS t (name, value) ON true
    WHERE e.kind = 'group' AND e.target IS NOT NULL
    ORDER BY e.environment_id, e.target, t.name, e.occurred_at DESC, e.message_id COLLATE "C" DESC
) said
GROUP BY environment_id, target;

INSERT INTO group_changes (environment_id, key) SELECT environment_id, key FROM groups;
