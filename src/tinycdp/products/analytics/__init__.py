"""Analytics: questions about all profiles, answered by ClickHouse from a copy of the events."""
