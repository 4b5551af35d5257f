"""The coffee shop at /demo: a page that uses the SDK, and shows what the server knows of its visitor."""
