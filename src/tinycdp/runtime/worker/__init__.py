"""Background work: wake-ups by the clock, backfills, maintenance."""
