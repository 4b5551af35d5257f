"""Statements over what happened: past instants, previews, verification, the audit log."""
