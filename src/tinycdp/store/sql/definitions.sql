-- name: find_environment
-- args: id integer
SELECT e.id, e.key, e.zone, e.live_revision, e.head_revision, p.key AS project, o.key AS organisation
FROM environments e JOIN projects p ON p.id = e.project_id JOIN organisations o ON o.id = p.organisation_id
WHERE e.id = $1;

-- name: list_environments
SELECT e.id, e.key, e.zone, e.live_revision, e.head_revision, p.key AS project, o.key AS organisation
FROM environments e JOIN projects p ON p.id = e.project_id JOIN organisations o ON o.id = p.organisation_id
ORDER BY e.id;

-- name: list_environments_beside
-- The environments of the same project.
-- args: environment_id integer
SELECT e.id, e.key, e.zone, e.live_revision, e.head_revision, p.key AS project, o.key AS organisation
FROM environments e JOIN projects p ON p.id = e.project_id JOIN organisations o ON o.id = p.organisation_id
WHERE e.project_id = (SELECT project_id FROM environments WHERE id = $1)
ORDER BY e.id;

-- name: create_environment
-- In the project of another environment, with its zone unless one is given.
-- args: environment_id integer, key text, zone text or null
INSERT INTO environments (project_id, key, zone)
SELECT project_id, $2, coalesce($3, zone) FROM environments WHERE id = $1
ON CONFLICT (project_id, key) DO NOTHING
RETURNING id;

-- name: rename_environment
-- args: environment_id integer, key text
UPDATE environments e SET key = $2
WHERE id = $1
  AND NOT EXISTS (SELECT 1 FROM environments o WHERE o.project_id = e.project_id AND o.key = $2 AND o.id <> $1)
RETURNING id;

-- name: create_tenancy
-- An organisation with a project and its environments. Does nothing if the organisation exists.
-- args: organisation text, project text, environments text[], zone text
WITH o AS (
    INSERT INTO organisations (key, name) VALUES ($1, $1) ON CONFLICT DO NOTHING RETURNING id
), p AS (
    INSERT INTO projects (organisation_id, key, name) SELECT id, $2, $2 FROM o RETURNING id
)
INSERT INTO environments (project_id, key, zone) SELECT p.id, key, $4 FROM p, unnest($3::text[]) AS key;

-- name: begin_publish
-- Wait for commits of messages in flight, and block new ones until the revision is committed.
-- locks: advisory (74, environment), exclusive
SELECT pg_advisory_xact_lock(74, $1);

-- name: definitions_at
-- args: environment_id integer, revision integer
SELECT d.id AS definition_id, d.kind, v.version, v.meaning, v.key, v.document
FROM definition_versions v
JOIN definitions d ON d.environment_id = v.environment_id AND d.id = v.definition_id
WHERE v.environment_id = $1 AND v.from_revision <= $2 AND (v.until_revision IS NULL OR v.until_revision > $2)
ORDER BY d.id;

-- name: create_definition
INSERT INTO definitions (environment_id, kind, created_at) VALUES ($1, $2, $3) RETURNING id;

-- name: close_version
-- args: environment_id integer, definition_id integer, revision integer
UPDATE definition_versions SET until_revision = $3
WHERE environment_id = $1 AND definition_id = $2 AND until_revision IS NULL;

-- name: append_version
-- args: environment_id, definition_id, version, meaning, key, document, from_revision
INSERT INTO definition_versions (environment_id, definition_id, version, meaning, key, document, from_revision)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: append_revision
-- args: environment_id, revision, author, note, published_at
INSERT INTO revisions (environment_id, revision, author, note, published_at) VALUES ($1, $2, $3, $4, $5);

-- name: set_revisions
-- args: environment_id, live_revision, head_revision
UPDATE environments SET live_revision = $2, head_revision = $3 WHERE id = $1;

-- name: mark_live
-- args: environment_id, revision, now
UPDATE revisions SET live_at = $3 WHERE environment_id = $1 AND revision <= $2 AND live_at IS NULL;

-- name: start_backfill
-- Needs the exclusive lock of begin_publish: every profile created later is complete from the start.
-- args: environment_id, revision, now
INSERT INTO backfills (environment_id, revision, last_profile_id, total, started_at)
SELECT $1, $2, coalesce(max(id), 0), count(*), $3 FROM profiles WHERE environment_id = $1 AND merged_into IS NULL
RETURNING total;

-- name: find_backfill
-- args: environment_id, revision
SELECT revision, last_profile_id, at_profile_id, total, done, events, rate, started_at, advanced_at, finished_at
FROM backfills
WHERE environment_id = $1 AND revision = $2;

-- name: list_backfills
-- With what became of each. A backfill that was not done when the next revision was published ended then, and one
-- without profiles ended where it began.
-- args: environment_id, n
-- index: backfills_pkey, revisions_pkey
SELECT b.revision, b.last_profile_id, b.at_profile_id, b.total, b.done, b.events, b.rate, b.started_at, b.advanced_at,
       coalesce(b.finished_at, CASE WHEN b.total = 0 THEN b.started_at ELSE n.published_at END) AS finished_at,
       CASE WHEN b.finished_at IS NOT NULL OR b.total = 0 THEN 'finished' WHEN n.revision IS NULL THEN 'running'
            ELSE 'superseded' END AS status
FROM backfills b
LEFT JOIN revisions n ON n.environment_id = $1 AND n.revision = b.revision + 1
WHERE b.environment_id = $1 ORDER BY b.revision DESC LIMIT $2;

-- name: advance_backfill
-- args: environment_id, revision, at_profile_id, n, events, rate, now
UPDATE backfills
SET at_profile_id = $3, done = done + $4, events = events + $5, rate = $6, advanced_at = $7
WHERE environment_id = $1 AND revision = $2;

-- name: finish_backfill
-- args: environment_id, revision, now
UPDATE backfills SET finished_at = $3 WHERE environment_id = $1 AND revision = $2;

-- name: settle_transitions
-- The transitions of each segment from its old meaning to its new one. Old is NULL for a new segment, new for a
-- deleted one. They also go to the outbox, a thousand in a row, if it has a consumer.
-- args: environment_id, now, segment_ids integer[], old_fingerprints bigint[], new_fingerprints bigint[]
-- index: memberships_pkey, outbox_cursors_pkey
-- locks: advisory (79, environment), shared, before positions are taken
WITH changed AS (
    SELECT * FROM unnest($3::integer[], $4::bigint[], $5::bigint[]) AS c (segment_id, old, new)
), settled AS (
    INSERT INTO transitions (environment_id, recorded_at, segment_id, profile_id, entered, at, cause)
    SELECT $1, $2::timestamptz, c.segment_id, m.profile_id, true, m.entered_at, 'edit'
    FROM changed c JOIN memberships m ON m.environment_id = $1 AND m.fingerprint = c.new
    WHERE NOT EXISTS (
        SELECT 1 FROM memberships o WHERE o.environment_id = $1 AND o.fingerprint = c.old AND o.profile_id = m.profile_id)
    UNION ALL
    SELECT $1, $2::timestamptz, c.segment_id, m.profile_id, false, $2::timestamptz, 'edit'
    FROM changed c JOIN memberships m ON m.environment_id = $1 AND m.fingerprint = c.old
    WHERE NOT EXISTS (
        SELECT 1 FROM memberships n WHERE n.environment_id = $1 AND n.fingerprint = c.new AND n.profile_id = m.profile_id)
    RETURNING segment_id, profile_id, entered, at
), numbered AS (
    SELECT s.*, (row_number() OVER () - 1) / 1000 AS part FROM settled s
    WHERE EXISTS (SELECT 1 FROM outbox_cursors c WHERE c.environment_id = $1 AND c.lapsed_at IS NULL)
), packed AS (
    SELECT json_build_array(json_build_object('kind', 'transitions', 'rows', json_agg(json_build_array(
        profile_id, segment_id, entered, (extract(epoch FROM at) * 1000)::bigint, 'edit')))) AS changes
    FROM numbered GROUP BY part
), fence AS MATERIALIZED (
    SELECT pg_advisory_xact_lock_shared(79, $1)
), placed AS MATERIALIZED (
    SELECT nextval('versions') AS position, p.changes FROM fence, packed p
)
INSERT INTO outbox (environment_id, position, slot, at, changes)
SELECT $1, position, position / 16384 % 8, $2, changes FROM placed;

-- name: sweep_memberships
-- Delete memberships of deleted segments and of old meanings.
-- args: environment_id, fingerprints bigint[]
-- index: memberships_pkey
DELETE FROM memberships WHERE environment_id = $1 AND fingerprint = ANY ($2);

-- name: find_environment_named
-- args: key text
SELECT id FROM environments WHERE key = $1 ORDER BY id LIMIT 1;

-- name: list_revisions
-- args: environment_id, before_revision, n
-- index: revisions_pkey
SELECT revision, author, note, published_at, live_at FROM revisions
WHERE environment_id = $1 AND revision < $2 ORDER BY revision DESC LIMIT $3;

-- name: changed_between
-- Which definitions the revisions from one to another created, changed or deleted. `was` is null for a new one.
-- args: environment_id, first_revision, last_revision
-- index: definition_versions_pkey
SELECT v.from_revision AS revision, d.kind, v.key, b.key AS was, false AS deleted
FROM definition_versions v
JOIN definitions d ON d.environment_id = v.environment_id AND d.id = v.definition_id
LEFT JOIN definition_versions b
       ON b.environment_id = v.environment_id AND b.definition_id = v.definition_id AND b.until_revision = v.from_revision
WHERE v.environment_id = $1 AND v.from_revision BETWEEN $2 AND $3
UNION ALL
SELECT b.until_revision, d.kind, b.key, b.key, true
FROM definition_versions b
JOIN definitions d ON d.environment_id = b.environment_id AND d.id = b.definition_id
LEFT JOIN definition_versions v
       ON v.environment_id = b.environment_id AND v.definition_id = b.definition_id AND v.from_revision = b.until_revision
WHERE b.environment_id = $1 AND b.until_revision BETWEEN $2 AND $3 AND v.definition_id IS NULL
ORDER BY revision DESC, kind, key;

-- name: find_definition
-- The definition that has this key, else the one that had it last.
-- args: environment_id, kind text, key text
SELECT d.id FROM definitions d
JOIN definition_versions v ON v.environment_id = d.environment_id AND v.definition_id = d.id
WHERE d.environment_id = $1 AND d.kind = $2 AND v.key = $3
ORDER BY v.until_revision DESC NULLS FIRST LIMIT 1;

-- name: list_versions
-- args: environment_id, definition_id
-- index: definition_versions_pkey, revisions_pkey
SELECT d.id AS definition_id, d.kind, v.version, v.meaning, v.key, v.document, v.from_revision, v.until_revision,
       r.author, r.note, r.published_at, r.live_at
FROM definition_versions v
JOIN definitions d ON d.environment_id = v.environment_id AND d.id = v.definition_id
JOIN revisions r ON r.environment_id = v.environment_id AND r.revision = v.from_revision
WHERE v.environment_id = $1 AND v.definition_id = $2 ORDER BY v.version DESC;

-- name: authors_of
-- Who published these versions of definitions, and when: one row for each pair.
-- args: environment_id, definition_ids integer[], versions integer[]
-- index: definition_versions_pkey, revisions_pkey
SELECT v.definition_id, r.author, r.published_at
FROM unnest($2::integer[], $3::integer[]) AS w (definition_id, version)
JOIN definition_versions v ON v.environment_id = $1 AND v.definition_id = w.definition_id AND v.version = w.version
JOIN revisions r ON r.environment_id = $1 AND r.revision = v.from_revision;

-- name: last_versions
-- args: environment_id, definition_ids integer[]
-- index: definition_versions_pkey
SELECT definition_id, max(version) FROM definition_versions
WHERE environment_id = $1 AND definition_id = ANY ($2) GROUP BY definition_id;

-- name: keys_of
-- args: environment_id, definition_id
-- index: definition_versions_pkey
SELECT DISTINCT key FROM definition_versions WHERE environment_id = $1 AND definition_id = $2;

-- name: find_revision
-- args: environment_id, revision
-- index: revisions_pkey
SELECT revision, author, note, published_at, live_at FROM revisions WHERE environment_id = $1 AND revision = $2;
