"""Statements over raw events: past instants, previews of a change, verification."""
