"""Instants as text, for the modules that still look for it here."""

from tinycdp.times import iso, iso_or_none

__all__ = ["iso", "iso_or_none"]
