-- One word for one thing: identifiers (they were aliases), rejected claims (refused), session variants (flag holds),
-- profiles (people).
--
-- Names of tables, columns, constraints, indexes and sequences change; no row does. Each statement takes an ACCESS
-- EXCLUSIVE lock on its table for an instant: the whole takes milliseconds, behind the transactions in flight.
-- The previous version does not work on the result: stop it first. There was no release before.
ALTER TABLE aliases RENAME TO identifiers;
ALTER TABLE alias_moves RENAME TO identifier_moves;
ALTER TABLE refused_claims RENAME TO rejected_claims;
ALTER TABLE flag_holds RENAME TO session_variants;

ALTER TABLE events RENAME alias_id TO identifier_id;
ALTER TABLE identity_links RENAME alias_id TO identifier_id;
ALTER TABLE identifier_moves RENAME alias_ids TO identifier_ids;
ALTER TABLE erasures RENAME alias_ids TO identifier_ids;
ALTER TABLE erasures RENAME people TO profiles;
ALTER TABLE merges RENAME alias_ids TO identifier_ids;
ALTER TABLE merges RENAME link_alias_id TO link_identifier_id;
ALTER TABLE merges RENAME survivor_alias_ids TO survivor_identifier_ids;
ALTER TABLE splits RENAME alias_ids TO identifier_ids;
ALTER TABLE rejected_claims RENAME alias_id TO identifier_id;
ALTER TABLE rejected_claims RENAME refused_at TO rejected_at;
ALTER TABLE plan_violations RENAME refused TO rejected;
ALTER TABLE session_variants RENAME held_until TO kept_until;

-- What is named after a table or a column follows it. Constraints first: an index that belongs to one goes with it.
-- A constraint that a partition inherits is renamed with its parent's.
CREATE FUNCTION pg_temp.renamed(name text) RETURNS text LANGUAGE sql AS $$
    SELECT replace(replace(replace(replace(replace(replace(name,
        'aliases', 'identifiers'), 'alias', 'identifier'), 'refused', 'rejected'),
        'flag_holds', 'session_variants'), 'held_until', 'kept_until'), 'erasures_people', 'erasures_profiles')
$$;
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT conrelid::regclass AS relation, conname AS name FROM pg_constraint
        WHERE connamespace = current_schema()::regnamespace AND conrelid <> 0 AND coninhcount = 0
          AND conname <> pg_temp.renamed(conname)
        ORDER BY conrelid, conname
    LOOP
        EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', found.relation, found.name, pg_temp.renamed(found.name));
    END LOOP;
    FOR found IN
        SELECT oid::regclass AS relation, relname AS name FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('i', 'I', 'S') AND relname <> pg_temp.renamed(relname)
        ORDER BY 2
    LOOP
        EXECUTE format('ALTER TABLE %s RENAME TO %I', found.relation, pg_temp.renamed(found.name));
    END LOOP;
END $$;
DROP FUNCTION pg_temp.renamed(text);
