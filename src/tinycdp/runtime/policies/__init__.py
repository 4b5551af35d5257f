"""Policies: limits, enrichment, privacy and identifier rules, and the log of rejections."""
