"""API keys, stream tokens, and the actor of a request."""
