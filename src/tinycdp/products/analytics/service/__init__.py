"""Answering questions: their turn, the cache, and the people behind a number."""
