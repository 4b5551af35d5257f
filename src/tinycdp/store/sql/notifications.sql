-- name: announce
-- Postgres delivers the notifications of one transaction in order.
-- args: payloads text[]
SELECT pg_notify('tinycdp', payload) FROM unnest($1::text[]) AS payload;
