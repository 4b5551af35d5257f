"""Which profile was given which variant, and which flags have done their work."""
