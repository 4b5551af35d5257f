-- Addresses of files that open once. The table is new. The previous release still works: it makes no such addresses.

-- digest: of the address's random part, which is stored nowhere.
CREATE TABLE downloads (
    environment_id integer NOT NULL,
    digest bytea NOT NULL,
    key_id integer NOT NULL,
    path text NOT NULL,
    valid_until timestamptz NOT NULL,
    PRIMARY KEY (environment_id, digest)
);
