"""Answers as files: a table of each kind, the formats that write it, and a chart of it."""
