"""Erasure, and access to what is known of a profile."""
