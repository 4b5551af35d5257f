"""Benchmarks: ratios within one run, never assertions in the test suite. See README.md."""
