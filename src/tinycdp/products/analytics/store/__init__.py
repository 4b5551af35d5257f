"""What analytics stores: the client of ClickHouse, and the tables."""
