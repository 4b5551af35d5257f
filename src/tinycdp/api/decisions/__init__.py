"""Decisions out: flags for one profile, replayed, explained, by OFREP, and who was exposed to what."""
