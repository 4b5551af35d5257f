"""Traits, segments and flags: compiled, changed, published, and their history."""
