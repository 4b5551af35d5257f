"""Quick fixes for a comparison of two types.

Shape   as_versions, conversions: (source, comparison, its typed sides) → fixes; [] if there is no obvious fix
"""

import re
from dataclasses import replace

from tinycdp.dsl import ast, ir
from tinycdp.dsl.diagnostics import Fix, TextEdit, insert, rewrite
from tinycdp.dsl.ir import Type
from tinycdp.dsl.values.scalars import is_date, parse_instant, semver_key


def as_versions(source: str, expr: ast.Compare, left: ir.Node, right: ir.Node) -> list[Fix]:
    """Wrap text that looks like a version in semver()."""
    if not any(isinstance(n, ir.Const) and semver_key(str(n.value)) for n in (left, right)):
        return []
    edits: list[TextEdit] = []
    for operand, node in ((expr.left, left), (expr.right, right)):
        key = semver_key(node.value) if isinstance(node, ir.Const) and isinstance(node.value, str) else None
        if key is not None and key[3]:
            edits.append(TextEdit(operand.span, f'semver("{key[0]}.{key[1]}.{key[2]}")'))
        else:
            edits += [insert(operand.span.start, "semver("), insert(operand.span.end, ")")]
    return [rewrite(source, *edits)]


def conversions(source: str, expr: ast.Compare, left: ir.Node, right: ir.Node) -> list[Fix]:
    """Convert one side to the type of the other, if the fix is obvious."""
    sides = ((expr.left, left, right), (expr.right, right, left))
    for operand, node, other in sides:
        wrap = (insert(operand.span.start, "{}("), insert(operand.span.end, ")"))
        name = None
        if isinstance(node, ir.Const) and isinstance(node.value, str):
            if other.type is Type.DATETIME and parse_instant(node.value) is not None:
                name = "datetime"
            elif other.type is Type.DATETIME and is_date(node.value):
                name = "date"
            elif other.type is Type.NUMBER and re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,9})?", node.value):
                return [rewrite(source, TextEdit(operand.span, node.value))]
        elif node.type is Type.DATETIME and other.type is Type.DURATION:
            name = "ago"
        if node.type in {Type.STRING, Type.DYN} and other.type is Type.VERSION:
            name = "semver"
        if name is not None:
            return [rewrite(source, replace(wrap[0], text=f"{name}("), wrap[1])]
    for operand, node, other in sides:
        if isinstance(node, ir.Const) and node.type is Type.DURATION and isinstance(other, ir.Ago):
            assert isinstance(node.value, int)
            if node.value % other.unit_ms == 0:
                return [rewrite(source, TextEdit(operand.span, str(node.value // other.unit_ms)))]
    return []
