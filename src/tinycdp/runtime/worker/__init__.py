"""What happens without a request: wake-ups, backfills, upkeep."""
