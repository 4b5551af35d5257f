"""Decisions over HTTP: the flags of one profile, replayed and explained."""
