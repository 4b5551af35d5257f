-- name: list_audit
-- A page of what people and their keys did, newest first. `place` orders what happened at one instant. Merges by messages are
-- left out: they follow from claims.
-- args: environment_id, kinds text[], author text (NULL for all), since, until (exclusive), before_at, before_place, n
-- index: merges_by_author, merges_undone; the other tables are small, and are sorted
SELECT a.at, a.place, a.kind, a.action, a.id, a.name, a.author, a.note FROM (
    SELECT published_at AS at, 'revision ' || lpad(revision::text, 12, '0') AS place, 'revision' AS kind,
           'published' AS action, revision::text AS id, ''::text AS name, author, note
    FROM revisions WHERE environment_id = $1 AND 'revision' = ANY ($2)
    UNION ALL
    SELECT saved_at, 'analytics ' || lpad(change::text, 12, '0') || ' ' || kind || ' ' || key, 'analytics',
           CASE WHEN document IS NULL THEN 'deleted' ELSE 'saved' END, change::text, kind || ' ' || key, author, note
    FROM saved_definitions
    WHERE environment_id = $1 AND kind NOT IN ('destination', 'sync', 'schedule') AND 'analytics' = ANY ($2)
    UNION ALL
    SELECT saved_at, kind || ' ' || lpad(change::text, 12, '0') || ' ' || key, kind,
           CASE WHEN document IS NULL THEN 'deleted' ELSE 'saved' END, change::text, key, author, note
    FROM saved_definitions WHERE environment_id = $1 AND kind IN ('destination', 'sync') AND kind = ANY ($2)
    UNION ALL
    SELECT k.killed_at, 'flag ' || lpad(k.id::text, 20, '0') || ' killed', 'flag', 'killed', k.id::text,
           (SELECT v.key FROM definition_versions v
            WHERE v.environment_id = $1 AND v.definition_id = k.definition_id ORDER BY v.version DESC LIMIT 1),
           k.killed_by, k.note
    FROM flag_kills k WHERE k.environment_id = $1 AND 'flag' = ANY ($2)
    UNION ALL
    SELECT k.revived_at, 'flag ' || lpad(k.id::text, 20, '0') || ' revived', 'flag', 'revived', k.id::text,
           (SELECT v.key FROM definition_versions v
            WHERE v.environment_id = $1 AND v.definition_id = k.definition_id ORDER BY v.version DESC LIMIT 1),
           k.revived_by, ''
    FROM flag_kills k WHERE k.environment_id = $1 AND k.revived_at IS NOT NULL AND 'flag' = ANY ($2)
    UNION ALL
    SELECT changed_at, 'policy ' || name || ' ' || lpad(version::text, 12, '0'), 'policy', 'changed', version::text, name,
           changed_by, ''
    FROM policies WHERE environment_id = $1 AND 'policy' = ANY ($2)
    UNION ALL
    SELECT changed_at, 'plan ' || lpad(version::text, 12, '0') || ' ' || event, 'plan',
           CASE WHEN document IS NULL THEN 'deleted' ELSE 'changed' END, version::text, event, changed_by, ''
    FROM plan_entries WHERE environment_id = $1 AND 'plan' = ANY ($2)
    UNION ALL
    SELECT changed_at, 'key ' || lpad(id::text, 20, '0'), 'key', action, key_id::text, name, author, note
    FROM key_changes WHERE environment_id = $1 AND 'key' = ANY ($2)
    UNION ALL
    SELECT merged_at, 'merge ' || lpad(id::text, 20, '0') || ' merged', 'merge', 'merged', id::text, survivor_id::text, author,
           note
    FROM merges WHERE environment_id = $1 AND author IS NOT NULL AND 'merge' = ANY ($2)
    UNION ALL
    SELECT undone_at, 'merge ' || lpad(id::text, 20, '0') || ' undone', 'merge', 'undone', id::text, survivor_id::text,
           undone_by, undo_note
    FROM merges WHERE environment_id = $1 AND undone_by IS NOT NULL AND 'merge' = ANY ($2)
    UNION ALL
    SELECT split_at, 'merge ' || lpad(id::text, 20, '0') || ' split', 'merge', 'split', id::text, profile_id::text, author, note
    FROM splits WHERE environment_id = $1 AND 'merge' = ANY ($2)
    UNION ALL
    SELECT erased_at, 'erasure ' || lpad(id::text, 20, '0'), 'erasure',
           CASE kind WHEN 'erasure' THEN 'erased' ELSE 'anonymized' END, id::text, profiles::text, erased_by, note
    FROM erasures WHERE environment_id = $1 AND 'erasure' = ANY ($2)
    UNION ALL
    SELECT started_at, 'import ' || id, 'import', 'started', id, name, author, ''
    FROM imports WHERE environment_id = $1 AND 'import' = ANY ($2)
    UNION ALL
    SELECT saved_at, 'export ' || lpad(change::text, 20, '0') || ' ' || key, 'export',
           CASE WHEN document IS NULL THEN 'deleted' ELSE 'saved' END, change::text, 'schedule ' || key, author, note
    FROM saved_definitions WHERE environment_id = $1 AND kind = 'schedule' AND 'export' = ANY ($2)
    UNION ALL
    SELECT created_at, 'export ' || lpad(id::text, 20, '0') || ' 1', 'export', 'started', id::text, name, author, ''
    FROM exports WHERE environment_id = $1 AND 'export' = ANY ($2)
    UNION ALL
    SELECT ended_at, 'export ' || lpad(id::text, 20, '0') || ' 2', 'export', status, id::text, name, ended_by, ''
    FROM exports WHERE environment_id = $1 AND ended_by IS NOT NULL AND 'export' = ANY ($2)
) AS a
WHERE a.at >= $4::timestamptz AND a.at < $5::timestamptz AND ($3::text IS NULL OR a.author = $3)
  AND (a.at, a.place COLLATE "C") < ($6::timestamptz, $7::text)
ORDER BY a.at DESC, a.place COLLATE "C" DESC LIMIT $8;
