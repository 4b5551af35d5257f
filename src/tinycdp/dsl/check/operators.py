"""Type-check operators: comparisons, `in`, `??` and arithmetic.

Shape   infer_compare, infer_membership, infer_coalesce, infer_arithmetic, infer_negate: (checker, tree) → node
Errors  none: problems are reported to the checker, and a broken node is returned
Source  dsl/SPEC.md "Types", "Truth"
"""

from tinycdp.dsl import ast, ir
from tinycdp.dsl.check.checker import Checker, broken, is_broken, no_order
from tinycdp.dsl.check.signatures import NULLS, ORDERED, SPOKEN
from tinycdp.dsl.diagnostics import TextEdit
from tinycdp.dsl.ir import Type
from tinycdp.dsl.quick_fixes import as_instants, as_versions, conversions

_ARITHMETIC: dict[tuple[Type, str, Type], Type] = {
    **{(Type.NUMBER, op, Type.NUMBER): Type.NUMBER for op in "+-*/"},
    **{(Type.DURATION, op, Type.DURATION): Type.DURATION for op in "+-"},
    **{(Type.DATETIME, op, Type.DURATION): Type.DATETIME for op in "+-"},
}


def infer_compare(checker: Checker, expr: ast.Compare) -> ir.Node:
    """A comparison: `==`, `!=` or an order."""
    if null := _against_null(expr):
        return _compare_with_null(checker, expr, null)
    order = expr.op not in {"==", "!="}
    sides = checker.infer(expr.left), checker.infer(expr.right)
    undeclared = tuple(side.type is Type.DYN for side in sides)
    left, right = checker.unify(*sides, order=order)
    if is_broken(left) or is_broken(right):
        return broken(expr.span)
    if left.type is not right.type:
        return checker.error(
            "E402", expr.op_span, checker.type_conflict(left, right), *conversions(checker.source, expr, left, right)
        )
    if left.type is Type.LIST or (order and left.type not in ORDERED):
        if left.type is Type.STRING:
            if fixes := as_instants(checker.source, expr, left, right, undeclared):
                message = "Strings have no order; compare instants."
                return checker.error("E404", expr.op_span, message, *fixes)
            fixes = as_versions(checker.source, expr, left, right)
            return checker.error("E404", expr.op_span, no_order(Type.STRING), *fixes)
        return checker.error("E401", expr.op_span, no_order(left.type))
    nullable = left.nullable or right.nullable
    return ir.Compare(Type.BOOL, expr.op, left, right, span=expr.span, nullable=nullable)


def infer_membership(checker: Checker, expr: ast.In) -> ir.Node:
    """`in` and `not in`, with a list of literals."""
    operand = checker.infer(expr.operand)
    items = expr.options.items
    if not items:
        return checker.error("E503", expr.options.span, "The list is empty, so this can never be true.")
    type_ = items[0].type
    for item in items:
        if item.type is not type_:
            message = f"A list has values of one type; this is {SPOKEN[item.type]}, the first is {SPOKEN[type_]}."
            return checker.error("E402", item.span, message)
    operand = checker.with_type(operand, type_)
    if is_broken(operand):
        return broken(expr.span)
    if operand.type is not type_:
        message = f"{checker.shown(operand)} is {SPOKEN[operand.type]}, but each item of the list is {SPOKEN[type_]}."
        return checker.error("E402", expr.options.span, message)
    options = tuple(dict.fromkeys(item.value for item in items))
    return ir.In(Type.BOOL, operand, options, expr.negated, span=expr.span, nullable=operand.nullable)


def infer_coalesce(checker: Checker, expr: ast.Coalesce) -> ir.Node:
    """`a ?? b`: both sides have one type."""
    left, right = checker.unify(checker.infer(expr.left), checker.infer(expr.right))
    if is_broken(left) or is_broken(right):
        return broken(expr.span)
    if left.type is not right.type:
        message = f"Both sides of ?? must have the same type; {checker.type_conflict(left, right)}"
        return checker.error("E402", expr.right.span, message)
    return ir.Coalesce(left.type, left, right, span=expr.span, nullable=left.nullable and right.nullable)


def infer_arithmetic(checker: Checker, expr: ast.Arith) -> ir.Node:
    """`+`, `-`, `*` or `/`, of numbers, durations and instants."""
    left, right = checker.infer(expr.left), checker.infer(expr.right)
    # A value of an undeclared type is taken as a number: no other JSON type can be added.
    left, right = checker.with_type(left, Type.NUMBER), checker.with_type(right, Type.NUMBER)
    if is_broken(left) or is_broken(right):
        return broken(expr.span)
    type_ = _ARITHMETIC.get((left.type, expr.op, right.type))
    if type_ is None:
        message = f"'{expr.op}' cannot combine {SPOKEN[left.type]} and {SPOKEN[right.type]}."
        if (left.type, expr.op, right.type) == (Type.DATETIME, "-", Type.DATETIME):
            message += " Use ago(x) for the time since an instant, until(x) for the time to it."
        return checker.error("E401", expr.op_span, message)
    # Anything divided by zero is unknown.
    divides = expr.op == "/" and not (isinstance(right, ir.Const) and right.value)
    nullable = left.nullable or right.nullable or divides
    return ir.Arith(type_, expr.op, left, right, span=expr.span, nullable=nullable)


def infer_negate(checker: Checker, expr: ast.Negate) -> ir.Node:
    """A minus in front of a number or a duration."""
    operand = checker.with_type(checker.infer(expr.operand), Type.NUMBER)
    if is_broken(operand):
        return operand
    if operand.type not in {Type.NUMBER, Type.DURATION}:
        return checker.error("E401", expr.span, f"'-' takes a number or a duration; this is {SPOKEN[operand.type]}.")
    return ir.Negate(operand.type, operand, span=expr.span, nullable=operand.nullable)


def _compare_with_null(checker: Checker, expr: ast.Compare, value: ast.Expr) -> ir.Node:
    fixes = []
    if expr.op in {"==", "!="} and not _against_null(ast.Compare("==", value, value)):
        asked = f"exists({checker.text(value.span)})"
        fixes = [checker.fix(TextEdit(expr.span, asked if expr.op == "!=" else f"!{asked}"))]
    null = expr.right if value is expr.left else expr.left
    message = "There is no null; a missing value is unknown, and exists(x) tests for it."
    return checker.error("E403", null.span, message, *fixes)


def _against_null(expr: ast.Compare) -> ast.Expr | None:
    """The other side of a comparison with null."""
    for null, other in ((expr.right, expr.left), (expr.left, expr.right)):
        if isinstance(null, ast.Name) and null.name in NULLS:
            return other
    return None
