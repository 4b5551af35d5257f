"""Policies: limits, sampling, enrichment, privacy rules, identifier rules, and the log of rejections."""
