-- Who created, changed, rotated and revoked keys, for the audit log; and indexes for the merges that people made. The table
-- is new. The indexes lock `merges` against writes while they are built: about a second for a million rows. The previous
-- release still works: it records no changes of keys.

-- author: NULL for what happened before this table.
CREATE TABLE key_changes (
    environment_id integer NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    key_id integer NOT NULL,
    action text NOT NULL,
    name text NOT NULL,
    author text,
    note text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (environment_id, id),
    CONSTRAINT action_is_known CHECK (action IN ('created', 'changed', 'rotated', 'revoked'))
);

INSERT INTO key_changes (environment_id, key_id, action, name, note, changed_at)
SELECT environment_id, id, 'created', name, '', created_at FROM api_keys ORDER BY id;
INSERT INTO key_changes (environment_id, key_id, action, name, note, changed_at)
SELECT environment_id, id, 'revoked', name, '', revoked_at FROM api_keys WHERE revoked_at IS NOT NULL ORDER BY revoked_at, id;

CREATE INDEX merges_by_author ON merges (environment_id, merged_at) WHERE author IS NOT NULL;
CREATE INDEX merges_undone ON merges (environment_id, undone_at) WHERE undone_by IS NOT NULL;
