"""Saved reports, metrics, derived events and dashboards, as definitions."""
