-- An id for each exposure, by which consumers of the outbox find new ones. The table is rewritten: some seconds for a million
-- rows, in which exposures wait in memory and decisions go on. The previous release still works: the default gives its rows
-- their ids. It writes no exposures into the outbox: register consumers when every machine runs this release.
CREATE SEQUENCE exposure_ids;
ALTER TABLE exposures ADD COLUMN id bigint DEFAULT nextval('exposure_ids') NOT NULL;
CREATE UNIQUE INDEX exposures_id ON exposures (environment_id, id);
