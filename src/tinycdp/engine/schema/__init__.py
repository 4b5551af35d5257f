"""What messages look like: types inferred from them, and the tracking plan they are held to."""
