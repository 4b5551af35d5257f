"""The feed: copies every committed change from Postgres into ClickHouse, once."""
