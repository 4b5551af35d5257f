-- What answering past decisions needs. The table takes no time; the index takes a lock on `merges` while it is built, a
-- moment where there are few. Older code works on it, and leaves no moves: what it moves is told as it is afterwards.

-- Identifiers that changed hands, through merges, undone ones, splits and better claims that came late.
CREATE TABLE alias_moves (
    environment_id integer NOT NULL,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    from_id        bigint NOT NULL,
    to_id          bigint NOT NULL,
    alias_ids      bigint[] NOT NULL,
    moved_at       timestamptz NOT NULL,
    PRIMARY KEY (environment_id, id)
);
CREATE INDEX alias_moves_from ON alias_moves (environment_id, from_id);
CREATE INDEX alias_moves_to ON alias_moves (environment_id, to_id);
CREATE INDEX merges_of_absorbed ON merges (environment_id, absorbed_id);

INSERT INTO alias_moves (environment_id, from_id, to_id, alias_ids, moved_at)
SELECT environment_id, absorbed_id, survivor_id, alias_ids, merged_at FROM merges ORDER BY id;
