"""Traits, segments and flags: compile, change and publish them, and read their history."""
