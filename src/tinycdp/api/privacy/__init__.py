"""Erasure, suppression, and everything that is known of one profile."""
