"""The routes of syncs."""
