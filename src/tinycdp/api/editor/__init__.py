"""The language, served to editors."""
