"""Definitions of products, in versions: their documents, their edits, and their history."""
