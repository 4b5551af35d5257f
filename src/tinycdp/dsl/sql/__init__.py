"""Expressions as one SQL statement over raw events, computed independently of the engine.

Shape   statement.select is the entry point · expressions: node → scalar SQL · figures: aggregates of a history ·
        values: literals, JSON values as typed values, and values returned by a driver
Source  docs/decisions/0014-sql-oracle.md
"""

from tinycdp.dsl.sql.statement import select
from tinycdp.dsl.sql.values import Unsupported, read_value

__all__ = ["Unsupported", "read_value", "select"]
