"""Filters of questions as ClickHouse SQL over one row, with values as parameters.

Shape   expressions: Filters(source, parameters).condition(node) → SQL · reads: JSON values that a row holds ·
        values: parameters, and SQL of numbers, instants and versions
Source  dsl/SPEC.md "Filters of questions"
"""

from tinycdp.dsl.sql.clickhouse.expressions import Filters, FilterSource
from tinycdp.dsl.sql.clickhouse.reads import JsonPath, JsonText, JsonValue, read_scalar, scalar_order
from tinycdp.dsl.sql.clickhouse.values import Parameters

__all__ = [
    "FilterSource",
    "Filters",
    "JsonPath",
    "JsonText",
    "JsonValue",
    "Parameters",
    "read_scalar",
    "scalar_order",
]
