"""Which events and properties arrive, which are planned, and the stream of them."""
