"""The answers of analytics, one struct per kind of question."""
