"""Which identifiers are one profile: merges, splits, and the refusals."""
