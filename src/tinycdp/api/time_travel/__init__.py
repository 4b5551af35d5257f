"""What a change of definitions would do, now or at a past instant."""
