"""Profiles: stored rows to engine state, views, explanations, groups and verification."""
