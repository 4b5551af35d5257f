"""Events in: tracking endpoints of our own and of other products, and what became of refused messages."""
