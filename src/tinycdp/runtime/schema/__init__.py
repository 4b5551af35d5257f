"""Which events and properties exist: the registry, the tracking plan, and help for editors."""
