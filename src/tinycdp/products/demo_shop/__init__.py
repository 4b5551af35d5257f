"""The coffee shop at /demo: a page that shows what the server knows of its visitor."""
