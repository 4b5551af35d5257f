"""API keys and the tokens of streams: who asks, and what they may do."""
