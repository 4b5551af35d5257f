"""Decisions as of a past instant, and previews of a change."""
