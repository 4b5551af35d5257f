-- An API key may expire, may be limited to websites, and says when it was last used and which key replaced it.
--
-- Locks: ACCESS EXCLUSIVE on `api_keys`, for an instant: no column is computed. The previous release works on the result,
-- but knows neither expiries nor origins: it accepts an expired key, and a key from any website. Set either once all
-- processes are of this release.
ALTER TABLE api_keys
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN last_used_at timestamptz,
    ADD COLUMN origins text[] NOT NULL DEFAULT '{}',
    ADD COLUMN replaced_by integer;
