"""Quick fixes for a comparison of two types.

Shape   as_instants, as_versions, conversions: (source, comparison, its typed sides) → fixes; [] if none is obvious
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from tinycdp.dsl import ast, ir
from tinycdp.dsl.diagnostics import Fix, TextEdit, insert, rewrite
from tinycdp.dsl.editor.format import format_string
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


def as_instants(source: str, expr: ast.Compare, left: ir.Node, right: ir.Node, undeclared: Sequence[bool]) -> list[Fix]:
    """Read text that looks like a date, or a date and time, as an instant.

    An undeclared side takes the type of the other; a text is converted."""
    edits: list[TextEdit] = []
    found = False
    for operand, node, free in zip((expr.left, expr.right), (left, right), undeclared, strict=True):
        if (literal := _instant_literal(node)) is not None:
            edits.append(TextEdit(operand.span, literal))
            found = True
        elif not free:
            edits += [insert(operand.span.start, "datetime("), insert(operand.span.end, ")")]
    return [rewrite(source, *edits)] if found else []


def _instant_literal(node: ir.Node) -> str | None:
    if not isinstance(node, ir.Const) or not isinstance(node.value, str):
        return None
    text = node.value
    if is_date(text):
        return f"date({format_string(text)})"
    zoned = next((text + zone for zone in ("", "Z") if parse_instant(text + zone) is not None), None)
    return f"datetime({format_string(zoned)})" if zoned is not None else None


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
