"""Traits, segments and flags: written, previewed, published, switched off, and edited with help."""
