-- The variants that profiles keep of sticky flags, beside those that sessions keep. Takes no time: no row is rewritten.
-- The previous release still works: it writes neither.

-- session: empty where the profile itself keeps the variant. It has no end then, and `assigned_at` is when it was given.
ALTER TABLE session_variants ALTER COLUMN kept_until DROP NOT NULL;
ALTER TABLE session_variants ADD COLUMN assigned_at timestamptz;
