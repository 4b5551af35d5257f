"""Expressions as one SQL statement over raw events: what the engine computes step by step, computed anew.

Shape   statement.select is the way in · expressions: node → scalar SQL · figures: what is counted of a history ·
        values: literals, what JSON is worth, and what a driver brings back
Source  docs/decisions/0014-sql-oracle.md
"""

from tinycdp.dsl.sql.statement import select
from tinycdp.dsl.sql.values import Unsupported, read_value

__all__ = ["Unsupported", "read_value", "select"]
