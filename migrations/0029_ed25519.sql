-- How each secret of a destination signs. Takes no time; older code signs with v1a secrets as if they were v1.
ALTER TABLE destination_secrets ADD COLUMN algorithm text NOT NULL DEFAULT 'v1',
    ADD CONSTRAINT algorithm_is_known CHECK (algorithm IN ('v1', 'v1a'));
