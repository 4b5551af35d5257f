"""Statements about tables that all products share."""
