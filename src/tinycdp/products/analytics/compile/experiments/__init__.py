"""Experiments and impact: what a variant or a feature changes, with the statistics of it."""
