"""Erasure of profiles, and the export of everything stored about one."""
