"""The kind of definitions that delivery adds."""
