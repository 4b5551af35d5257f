"""Cells: which number of an answer."""
