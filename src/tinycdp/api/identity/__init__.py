"""Routes of identity: merges, splits and rejected claims."""
