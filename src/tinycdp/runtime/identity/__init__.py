"""Which profile an identifier belongs to: claims, merges and unmerges."""
