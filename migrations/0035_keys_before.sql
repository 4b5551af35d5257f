-- Syncs: the brake counts the share of removals of the records that the receiver had before them. Syncs are few, so it
-- takes the time of counting their records; older code does not read the column.
ALTER TABLE sync_states ADD COLUMN keys_before bigint NOT NULL DEFAULT 0;
UPDATE sync_states s SET keys_before =
    (SELECT count(*) FROM sync_records r
     WHERE r.environment_id = s.environment_id AND r.definition_id = s.definition_id AND r.match_key IS NOT NULL)
    + (SELECT count(*) FROM sync_removals r
       WHERE r.environment_id = s.environment_id AND r.definition_id = s.definition_id AND NOT r.is_allowed);
