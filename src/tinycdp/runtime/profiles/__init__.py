"""Profiles between rows and the engine, and as people look at them."""
