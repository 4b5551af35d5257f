-- Which revision of traits, segments and flags a saved definition was checked with: restoring it finds the segments and
-- flags that it named then, whatever their keys are now.
ALTER TABLE saved_definitions ADD COLUMN revision integer;
UPDATE saved_definitions AS s SET revision = coalesce(
    (SELECT max(r.revision) FROM revisions AS r
     WHERE r.environment_id = s.environment_id AND r.published_at <= s.saved_at), 0);
ALTER TABLE saved_definitions ALTER COLUMN revision SET NOT NULL;
