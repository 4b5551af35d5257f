"""Type-check calls of functions, such as `lower(plan)` or `if(a, b, c)`.

Shape   infer_call(checker, tree) → node
Errors  none: problems are reported to the checker, and a broken node is returned
Source  dsl/SPEC.md "Functions"
"""

from tinycdp.dsl import ast, ir
from tinycdp.dsl.check.checker import Checker, broken, is_broken, no_order
from tinycdp.dsl.check.signatures import AGGREGATES, FUNCTIONS, GENERIC, ORDERED, REFERENCES, SPOKEN
from tinycdp.dsl.diagnostics import TextEdit, insert, quote, replacing
from tinycdp.dsl.ir import Type
from tinycdp.dsl.suggest import nearest
from tinycdp.dsl.values.scalars import is_date, parse_instant, semver_key

_READS = {"semver": "a version", "datetime": "an instant with its zone", "date": "a date"}


def infer_call(checker: Checker, expr: ast.Call) -> ir.Node:
    """One call: its arguments have the types that the function takes."""
    name, span, arguments = expr.function, expr.span, expr.arguments
    if name in FUNCTIONS:
        usage, count = FUNCTIONS[name].usage, len(FUNCTIONS[name].parameters)
    elif name in GENERIC:
        usage, count = GENERIC[name]
    elif name in REFERENCES:
        return checker.error("E406", span, f'{name} takes the key in quotes: {name}("key").')
    else:
        return _unknown_function(checker, expr)
    if len(arguments) != count:
        plural = "argument" if count == 1 else "arguments"
        return checker.error("E405", span, f"{name} takes {count} {plural}: {usage}.")
    match name:
        case "exists":
            return ir.Exists(Type.BOOL, checker.infer(arguments[0]), span=span)
        case "if":
            return _conditional(checker, expr)
        case "min2" | "max2" | "between":
            return _ordered(checker, expr)
        case "semver" | "datetime" | "date":
            return _scalar(checker, expr)
    shape = FUNCTIONS[name]
    nodes = []
    for argument, wanted in zip(arguments, shape.parameters, strict=True):
        node = checker.with_type(checker.infer(argument), wanted)
        if node.type is not wanted and not is_broken(node):
            message = f"{usage} takes {SPOKEN[wanted]}; this is {SPOKEN[node.type]}."
            wraps = ("ago", "until") if (node.type, wanted) == (Type.DATETIME, Type.DURATION) else ()
            fixes = [checker.fix(insert(argument.span.start, f"{w}("), insert(argument.span.end, ")")) for w in wraps]
            return checker.error("E406", argument.span, message, *fixes)
        nodes.append(node)
    nullable = any(node.nullable for node in nodes)
    if name in {"ago", "until"}:
        if checker.on_arrival:
            message = "'where' is evaluated once, when the event arrives, so it cannot depend on the current time."
            return checker.error("E502", span, message)
        return ir.Clock(Type.DURATION, name, nodes[0], span=span, nullable=nullable)
    return ir.Call(shape.type, name, tuple(nodes), span=span, nullable=nullable)


def _conditional(checker: Checker, expr: ast.Call) -> ir.Node:
    condition = checker.boolean(expr.arguments[0], "The first argument of if")
    left, right = checker.unify(checker.infer(expr.arguments[1]), checker.infer(expr.arguments[2]))
    if left.type is not right.type and not is_broken(left) and not is_broken(right):
        message = f"Both results of if must have one type; these are {SPOKEN[left.type]} and {SPOKEN[right.type]}."
        return checker.error("E402", expr.span, message)
    parts = (condition, left, right)
    return ir.Call(left.type, "if", parts, span=expr.span, nullable=any(part.nullable for part in parts))


def _ordered(checker: Checker, expr: ast.Call) -> ir.Node:
    nodes = [checker.infer(argument) for argument in expr.arguments]
    known = next((node.type for node in nodes if node.type is not Type.DYN), Type.NUMBER)
    nodes = [checker.with_type(node, known) for node in nodes]
    if any(map(is_broken, nodes)):
        return broken(expr.span)
    for node in nodes:
        if node.type is not known:
            message = f"{expr.function} compares values of the same type; {checker.type_conflict(nodes[0], node)}"
            return checker.error("E402", node.span, message)
    if known not in ORDERED:
        return checker.error("E404" if known is Type.STRING else "E401", expr.span, no_order(known))
    type_ = Type.BOOL if expr.function == "between" else known
    nullable = any(node.nullable for node in nodes)
    return ir.Call(type_, expr.function, tuple(nodes), span=expr.span, nullable=nullable)


def _scalar(checker: Checker, expr: ast.Call) -> ir.Node:
    """Check semver, datetime or date. A literal is parsed here, any other argument at run time."""
    name, argument, span = expr.function, expr.arguments[0], expr.span
    shape = FUNCTIONS[name]
    match argument:
        case ast.Literal(Type.STRING, str() as text):
            pass
        case _ if name == "date":
            return checker.error("E406", argument.span, f"date takes a literal: {shape.usage}.")
        case _:
            node = checker.with_type(checker.infer(argument), Type.STRING)
            if node.type is not Type.STRING and not is_broken(node):
                message = f"{shape.usage} takes a string; this is {SPOKEN[node.type]}."
                return checker.error("E406", argument.span, message)
            return ir.Call(shape.type, name, (node,), span=span, nullable=True)
    if name == "semver" and (version := semver_key(text)) is not None:
        return ir.Const(Type.VERSION, version, span=span)
    if name == "datetime" and (instant := parse_instant(text)) is not None:
        return ir.Const(Type.DATETIME, instant, span=span)
    if name == "date" and is_date(text):
        if checker.on_arrival:
            message = "'where' is evaluated once for all time zones; give the instant with datetime."
            return checker.error("E502", span, message)
        return ir.LocalMidnight(Type.DATETIME, text, span=span)
    fixes = []
    if name == "datetime" and is_date(text):
        fixes = [
            checker.fix(TextEdit(argument.span, f'"{text}T00:00:00Z"')),
            checker.fix(TextEdit(expr.function_span, "date")),
        ]
    elif name == "datetime" and parse_instant(text + "Z") is not None:
        fixes = [checker.fix(TextEdit(argument.span, f'"{text}Z"'))]
    return checker.error("E409", argument.span, f"This is not {_READS[name]}; write {shape.usage}.", *fixes)


def _unknown_function(checker: Checker, expr: ast.Call) -> ir.Node:
    name, span = expr.function, expr.function_span
    if name in AGGREGATES or name.rpartition("_")[0] in AGGREGATES:
        message = f"{quote(name)} is an aggregate; it follows an event: events.purchase.{AGGREGATES['count'].usage}."
        return checker.error("E305", span, message)
    if name == "now":
        return checker.error(
            "E305", span, "There is no now(); use ago(x) for the time since x, until(x) for the time to x."
        )
    near = nearest(name, [*FUNCTIONS, *GENERIC, *REFERENCES])
    fixes = [replacing(span, near)] if near else []
    return checker.error("E305", span, f"Unknown function {quote(name)}.", *fixes)
