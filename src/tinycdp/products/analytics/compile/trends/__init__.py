"""Trends: measures per bucket of time and group, and formulas over them."""
