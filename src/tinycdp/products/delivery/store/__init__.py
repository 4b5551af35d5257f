"""Statements of delivery."""
