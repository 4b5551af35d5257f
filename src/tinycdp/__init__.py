"""TinyCDP: real-time traits, segments and decisions over one Postgres."""

__version__ = "0.1.0"
