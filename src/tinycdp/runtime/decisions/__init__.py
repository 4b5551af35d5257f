"""Decisions from memory, what they leave behind, and the streams that report their changes."""
