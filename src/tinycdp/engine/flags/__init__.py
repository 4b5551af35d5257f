"""Flags: documents, decisions, buckets, and explanations."""
