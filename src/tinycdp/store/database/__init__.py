"""The database itself: connections, migrations, and how statements and rows are read."""
