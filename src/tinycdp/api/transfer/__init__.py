"""Imports of history, and exports of segments and exposures, as files."""
