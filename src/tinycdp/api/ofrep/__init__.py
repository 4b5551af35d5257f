"""Decisions by the OpenFeature Remote Evaluation Protocol."""
