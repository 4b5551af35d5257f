"""Shared by all routes: keys, bodies, parameters, errors, streams, OpenAPI."""
