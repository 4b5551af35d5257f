"""Shared by all routes: keys, bodies, answers, parameters, errors, streams, and the OpenAPI document."""
