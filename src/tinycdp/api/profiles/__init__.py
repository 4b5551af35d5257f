"""Routes that read profiles, their events and their groups."""
