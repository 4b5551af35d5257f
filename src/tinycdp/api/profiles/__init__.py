"""Profiles, their events and their groups, looked at."""
