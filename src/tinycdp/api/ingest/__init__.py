"""Tracking endpoints of our own and of other products; rejected messages and dead letters."""
