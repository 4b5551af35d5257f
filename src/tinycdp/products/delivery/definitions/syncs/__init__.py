"""Documents of syncs."""
