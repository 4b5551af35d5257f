-- Why a profile entered or left a segment, and an index for the history of a segment. Adding the column takes no time. The
-- index locks `transitions` against writes while it is built: about a second for a million rows. The previous release
-- still works: it writes no causes.

-- cause: one of engine/recompute.py, or `moved`: the membership went to another profile in a merge, which is no entry and
-- no exit. NULL in older rows.
ALTER TABLE transitions ADD COLUMN cause text;

CREATE INDEX transitions_of_segment ON transitions (environment_id, segment_id, at, id);
