"""The processes of one machine: supervisor, embedded Postgres, bootstrap, demo, doctor."""
