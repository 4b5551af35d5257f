"""What the modules that type a tree share: the checking pass, and broken nodes.

Shape   Checker: the pass over one tree, which expressions.py implements; broken(span), is_broken(node)
Laws    a problem is reported once: a broken node fits everywhere
"""

from collections.abc import Mapping
from typing import Protocol

from tinycdp.dsl import ast, ir
from tinycdp.dsl.check.signatures import SPOKEN
from tinycdp.dsl.diagnostics import Fix, Severity, TextEdit
from tinycdp.dsl.ir import Span, Type


class Checker(Protocol):
    """The checking pass over one tree."""

    source: str
    #: the properties of the event whose `where` is being checked; None outside a `where`
    event: Mapping[str, Type] | None
    #: known events and their properties
    events: Mapping[str, Mapping[str, Type]]

    @property
    def on_arrival(self) -> bool:
        """Whether this is decided once, when the event arrives: without a clock, for all time zones."""
        ...

    def error(self, code: str, span: Span, message: str, *fixes: Fix, severity: Severity = "error") -> ir.Node: ...
    def fix(self, *edits: TextEdit) -> Fix: ...
    def text(self, span: Span) -> str: ...
    def shown(self, node: ir.Node) -> str: ...
    def infer(self, expr: ast.Expr) -> ir.Node: ...
    def boolean(self, expr: ast.Expr, place: str) -> ir.Node: ...
    def unify(self, left: ir.Node, right: ir.Node, *, order: bool = False) -> tuple[ir.Node, ir.Node]: ...
    def with_type(self, node: ir.Node, type_: Type) -> ir.Node: ...
    def type_conflict(self, left: ir.Node, right: ir.Node) -> str: ...
    def in_event(self, properties: Mapping[str, Type], expr: ast.Expr) -> ir.Node: ...
    def only_event_properties(self, span: Span) -> ir.Node: ...


def broken(span: Span) -> ir.Node:
    """A stand-in for a node that has an error. A checked result never contains it."""
    return ir.Const(Type.DYN, None, span=span, nullable=True)


def is_broken(node: ir.Node) -> bool:
    """Whether the node stands in for one that has an error."""
    return isinstance(node, ir.Const) and node.value is None


def no_order(type_: Type) -> str:
    """Say that values of this type cannot be ordered."""
    if type_ is Type.STRING:
        return 'Strings have no order ("10" would sort below "9").'
    return "Lists cannot be compared." if type_ is Type.LIST else f"This is {SPOKEN[type_]}, which has no order."
