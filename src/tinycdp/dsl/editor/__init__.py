"""Help for editors: completion, hover, formatting, renaming, plain English."""
