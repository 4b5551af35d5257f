"""Check a syntax tree: resolve its names, infer its types and report every problem.

Shape   Scope: what names mean here; check(source, scope) → Checked
Laws    there is a node if and only if there is no error; evaluating a checked node never raises, whatever the data
        a `dyn` operand takes the other side's type, once, here; a value that does not fit it at run time is unknown
        equal `where` predicates get equal text: terms sorted, duplicates dropped
Errors  none: a problem in the source is a Diagnostic
Source  dsl/SPEC.md "Types", "Names", "Diagnostics"
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tinycdp.dsl import ast, ir, parser
from tinycdp.dsl.check import lints
from tinycdp.dsl.check.aggregates import infer_aggregate, unfinished
from tinycdp.dsl.check.calls import infer_call
from tinycdp.dsl.check.checker import broken, is_broken
from tinycdp.dsl.check.operators import infer_arithmetic, infer_coalesce, infer_compare, infer_membership, infer_negate
from tinycdp.dsl.check.signatures import NULLS, ROOTS, SEEN, SPOKEN, UNITS_AGO_MS
from tinycdp.dsl.cost import Cost, estimate
from tinycdp.dsl.diagnostics import (
    Diagnostic,
    Fix,
    Severity,
    SourceError,
    TextEdit,
    insert,
    quote,
    replacing,
    rewrite,
)
from tinycdp.dsl.editor.format import format_expression, format_name
from tinycdp.dsl.ir import Span, Type
from tinycdp.dsl.suggest import nearest
from tinycdp.dsl.tokens import decode

MAX_AGGREGATES = 16

_NEVER_DYN = {
    Type.VERSION: "A property cannot hold a version; write semver({0}).",
    Type.DURATION: "A property cannot hold a duration; compare numbers, or ago({0}) or until({0}) if it is an instant.",
}

_CONDITIONS = {
    "segment": "A segment's rule",
    "flag": "A flag's condition",
    "event filter": "A filter",
    "profile filter": "A filter",
}
#: What a filter cannot read, and what to do instead.
_SAVE = "Save a condition over it as a segment first, then write segments.<key>."
#: The names that an event filter can read beside the event's own properties.
BESIDE_THE_EVENT = frozenset({"context", "profile", "group"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the names in one definition mean.

    properties  declared profile properties, nested names joined by dots; any other property is dyn
    events      known events and their properties; if empty, no event is reported as unknown
    known       properties that profiles have had, or that are declared; if empty, none is reported as unknown
    group       traits that groups have had, or that are declared; likewise
    certain     traits that are never unknown, so that it is safe to negate them
    event       event filters only: the properties of the event that is filtered
    """

    kind: Literal["trait", "segment", "flag", "event filter", "profile filter"] = "trait"
    traits: Mapping[str, Type] = field(default_factory=dict)
    segments: Collection[str] = ()
    flags: Mapping[str, Type] = field(default_factory=dict)
    properties: Mapping[str, Type] = field(default_factory=dict)
    events: Mapping[str, Mapping[str, Type]] = field(default_factory=dict)
    certain: Collection[str] = ()
    known: Collection[str] = ()
    group: Collection[str] = ()
    event: Mapping[str, Type] = field(default_factory=dict)

    @property
    def filters(self) -> bool:
        """Whether the expression filters what a question of analytics counts."""
        return self.kind in {"event filter", "profile filter"}


@dataclass(frozen=True, slots=True)
class Checked:
    """One checked expression.

    node        None if there are errors
    canonical   the canonical text; "" if the source does not parse
    references  (kind, key) of each definition that it reads; reads: every aggregate that it reads, in source order
    properties  paths of the profile properties that it reads
    """

    node: ir.Node | None
    type: Type
    nullable: bool
    canonical: str
    diagnostics: tuple[Diagnostic, ...]
    references: frozenset[tuple[str, str]]
    reads: tuple[ir.AggregateRead, ...]
    properties: frozenset[tuple[str, ...]]
    cost: Cost
    source: str

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")


def check(
    source: str | bytes | ast.Expr, scope: Scope, parse: Callable[[str | bytes], ast.Expr] = parser.parse
) -> Checked:
    """Check a source: infer its types and resolve its names in the scope.

    Never raises, whatever the source.

    A tree is checked as its canonical text; spans in its diagnostics refer to that text. `parse` may be a cache.
    """
    if isinstance(source, ast.Expr):
        source = format_expression(source)
    try:
        tree = parse(source)
    except SourceError as error:
        return _unparsable(error.source, "", error.diagnostics)
    text = decode(source)
    checker = _Checker(text, scope)
    node = checker.root(tree)
    canonical = format_expression(tree)
    nodes = ir.walk(node)
    reads = tuple(n for n in nodes if isinstance(n, ir.AggregateRead))
    if not checker.failed:
        checker.found.extend(lints.lint(node, text))
        if len({read.spec for read in reads}) > MAX_AGGREGATES:
            checker.error("E704", tree.span, f"A definition can read at most {MAX_AGGREGATES} different aggregates.")
    diagnostics = tuple(sorted(checker.found, key=lambda d: (d.severity, d.span.start)))
    if checker.failed:
        return _unparsable(text, canonical, diagnostics)
    return Checked(
        node=node,
        type=node.type,
        nullable=node.nullable,
        canonical=canonical,
        diagnostics=diagnostics,
        references=frozenset((n.kind, n.key) for n in nodes if isinstance(n, ir.Reference)),
        reads=reads,
        properties=frozenset(n.path for n in nodes if isinstance(n, ir.Property)),
        cost=estimate(node),
        source=text,
    )


def listed(list_id: int) -> Checked:
    """The rule of a static segment, as if it had been written."""
    node = ir.Listed(Type.BOOL, list_id)
    return Checked(node, Type.BOOL, False, "", (), frozenset(), (), frozenset(), estimate(node), "")


def possible_references(tree: ast.Expr) -> frozenset[tuple[str, str]]:
    """The definitions that a tree may refer to, before its types are known.

    They form the workspace's graph."""
    found: set[tuple[str, str]] = set()
    stack = [tree]
    while stack:
        match stack.pop():
            case ast.Name(name) if name not in SEEN:
                found.add(("trait", name))
            case ast.Ref(kind, key):
                found.add((kind, key))
            case ast.Aggregate():
                # Its names are properties of the event.
                pass
            case other:
                stack.extend(ast.operands(other))
    return frozenset(found)


def _unparsable(source: str, canonical: str, diagnostics: tuple[Diagnostic, ...]) -> Checked:
    nothing: frozenset[tuple[str, ...]] = frozenset()
    cost = Cost(0, 0.0, 0)
    return Checked(None, Type.DYN, True, canonical, diagnostics, frozenset(), (), nothing, cost, source)


def _has(known: Collection[str], path: tuple[str, ...]) -> bool:
    """Whether a property is known: it, an object that it is in, or a member of it."""
    if any(".".join(path[:length]) in known for length in range(1, len(path) + 1)):
        return True
    inside = ".".join(path) + "."
    return any(name.startswith(inside) for name in known)


class _Checker:
    """One pass over one tree. The depth of the tree is limited, so recursion is safe."""

    def __init__(self, source: str, scope: Scope) -> None:
        self.source = source
        self.scope = scope
        self.events = scope.events
        self.found: list[Diagnostic] = []
        #: the known properties of the event whose `where` is being checked; None outside a `where`
        self.event: Mapping[str, Type] | None = scope.event if scope.kind == "event filter" else None

    @property
    def on_arrival(self) -> bool:
        return self.event is not None and not self.scope.filters

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.found)

    def error(self, code: str, span: Span, message: str, *fixes: Fix, severity: Severity = "error") -> ir.Node:
        """Record a diagnostic.

        Returns a node that fits everywhere, so that one mistake is reported once."""
        self.found.append(Diagnostic(code, severity, span, message, fixes))
        return broken(span)

    def text(self, span: Span) -> str:
        return self.source[span.start : span.end]

    def fix(self, *edits: TextEdit) -> Fix:
        return rewrite(self.source, *edits)

    def root(self, tree: ast.Expr) -> ir.Node:
        node = self.infer(tree)
        if self.scope.kind == "trait" or node.type is Type.BOOL or is_broken(node):
            return node
        message = f"{_CONDITIONS[self.scope.kind]} must be true or false; this is {SPOKEN[node.type]}."
        loose = isinstance(tree, ast.Coalesce | ast.Arith | ast.Negate)
        opened, closed = ("(", ")") if loose and not self.text(tree.span).startswith("(") else ("", "")
        test = {Type.DYN: " == true", Type.NUMBER: " > 0"}.get(node.type)
        fixes = []
        if test is not None:
            fixes = [self.fix(insert(tree.span.start, opened), insert(tree.span.end, closed + test))]
        elif node.nullable:
            fixes = [self.fix(insert(tree.span.start, "exists("), insert(tree.span.end, ")"))]
        return self.error("E407", tree.span, message, *fixes)

    def infer(self, expr: ast.Expr) -> ir.Node:
        match expr:
            case ast.Literal():
                return ir.Const(expr.type, expr.value, span=expr.span)
            case ast.Name():
                return self.name(expr)
            case ast.Path():
                return self.path(expr)
            case ast.Ref():
                return self.reference(expr)
            case ast.EventSelection() | ast.Aggregate() if self.scope.filters:
                return self.beyond_filters(f"the aggregate {quote(self.text(expr.span))}", expr.span)
            case ast.EventSelection():
                return unfinished(self, expr)
            case ast.Aggregate():
                return infer_aggregate(self, expr)
            case ast.Call():
                return infer_call(self, expr)
            case ast.Compare():
                return infer_compare(self, expr)
            case ast.In():
                return infer_membership(self, expr)
            case ast.Logic():
                operands = tuple(self.boolean(operand, "An operand of && or ||") for operand in expr.operands)
                nullable = any(operand.nullable for operand in operands)
                return ir.Logic(Type.BOOL, expr.op, operands, span=expr.span, nullable=nullable)
            case ast.Not():
                operand = self.boolean(expr.operand, "The operand of !")
                return ir.Not(Type.BOOL, operand, span=expr.span, nullable=operand.nullable)
            case ast.Coalesce():
                return infer_coalesce(self, expr)
            case ast.Arith():
                return infer_arithmetic(self, expr)
            case ast.Negate():
                return infer_negate(self, expr)
        # Aggregates check their own ranges, and `in` checks its list.
        return self.error("E111", expr.span, "A range can only be the window of an aggregate.")

    # Names

    def name(self, expr: ast.Name) -> ir.Node:
        name, span = expr.name, expr.span
        if name in NULLS:
            return self.error(
                "E403", span, "There is no null; use exists(x) to test for a value, x ?? y for a default."
            )
        if self.event is not None:
            return self.event_property((name,), span)
        if name in SEEN:
            which, unit_ms = SEEN[name]
            seen = ir.Seen(Type.DATETIME, which, span=span, nullable=True)
            return seen if unit_ms is None else ir.Ago(Type.NUMBER, seen, unit_ms, span=span, nullable=True)
        if name in self.scope.traits:
            return self.trait(name, span)
        if self.scope.filters and name not in ROOTS:
            return self.unknown_in_profile_filter(name, span)
        if name == "events":
            return self.error("E306", span, "Name an event and an aggregate, such as events.purchase.count_30d.")
        if name in ROOTS:
            return self.error("E302", span, f"'{name}' alone is not a value; add a dot and one of its members.")
        fixes = []
        if name in self.scope.segments:
            fixes.append(replacing(span, f"segments.{name}", f"segments.{format_name(name)}"))
        if name in self.scope.properties:
            fixes.append(replacing(span, f"profile.{name}", f"profile.{format_name(name)}"))
        near = nearest(name, [*self.scope.traits, *SEEN, "true", "false"])
        if near is not None:
            fixes.append(replacing(span, near, near if near in {"true", "false"} else format_name(near)))
        hint = "" if fixes else " Write profile.name for a property, segments.name for a segment."
        return self.error("E302", span, f"Unknown trait {quote(name)}.{hint}", *fixes)

    def unknown_in_profile_filter(self, name: str, span: Span) -> ir.Node:
        """Report a bare name that is not an instant of the profile."""
        fixes = []
        if name in self.scope.segments:
            fixes.append(replacing(span, f"segments.{name}", f"segments.{format_name(name)}"))
        if name in self.scope.properties or name in self.scope.known:
            fixes.append(replacing(span, f"profile.{name}", f"profile.{format_name(name)}"))
        near = nearest(name, [*SEEN, "true", "false"])
        if near is not None:
            fixes.append(replacing(span, near))
        hint = "" if fixes else " Write profile.name for a property, segments.name for a segment."
        return self.error("E302", span, f"Unknown name {quote(name)}.{hint}", *fixes)

    def beyond_filters(self, what: str, span: Span, instead: str = _SAVE) -> ir.Node:
        """Report something that the data of analytics does not have."""
        return self.error("E508", span, f"A filter of a question cannot read {what}. {instead}")

    def trait(self, key: str, span: Span) -> ir.Node:
        if self.scope.filters:
            return self.beyond_filters(f"the trait {quote(key)}", span)
        nullable = key not in self.scope.certain
        return ir.Reference(self.scope.traits[key], "trait", key, span=span, nullable=nullable)

    def path(self, expr: ast.Path) -> ir.Node:
        root, *rest = expr.names
        span, path = expr.span, tuple(rest)
        if self.event is not None and not (self.scope.kind == "event filter" and root in BESIDE_THE_EVENT):
            return self.event_property(expr.names, span)
        match root:
            case "profile":
                dotted = ".".join(path)
                declared = self.scope.properties.get(dotted, Type.DYN)
                self.warn_of_unknown("profile", path, span)
                return ir.Property(declared, path, span=span, nullable=True)
            case "context":
                if self.scope.kind == "profile filter":
                    return self.beyond_filters("'context' of people", span, "Write it in the 'where' of an event.")
                if self.scope.kind not in {"flag", "event filter"}:
                    message = "'context' is part of a decision request; only flag rules can read it."
                    return self.error("E506", span, message)
                return ir.Context(Type.DYN, path, span=span, nullable=True)
            case "group":
                self.warn_of_unknown("group", path, span)
                return ir.GroupTrait(Type.DYN, path, span=span, nullable=True)
            case "traits" | "segments":
                return self.error(
                    "E302", span, f"Only one name can follow '{root}.'; put a name with dots in backticks."
                )
        if root in self.scope.events:
            message = f"{quote(root)} is an event; write events.{root}."
            return self.error("E302", span, message, self.fix(insert(span.start, "events.")))
        near = nearest(root, ROOTS)
        fixes = [replacing(Span(span.start, span.start + len(root)), near)] if near else []
        message = f"Unknown name {quote(root)}; a path starts with one of {', '.join(ROOTS[:5])}."
        return self.error("E302", span, message, *fixes)

    def warn_of_unknown(self, root: Literal["profile", "group"], path: tuple[str, ...], span: Span) -> None:
        """Warn of a property that no profile or group has had, and of one that resembles a declared one."""
        dotted = ".".join(path)
        declared: Collection[str] = self.scope.properties if root == "profile" else ()
        known = self.scope.known if root == "profile" else self.scope.group
        if dotted in declared:
            return
        near = nearest(dotted, {*declared, *known})
        if known and not _has(known, path):
            called = "property" if root == "profile" else "trait"
            message = f"No {root} has had a {called} {quote(dotted)} so far."
        elif not known and near is not None:
            message = f"Property {quote(dotted)} is not declared."
        else:
            return
        fixes = []
        if near is not None:
            edit = TextEdit(span, ".".join((root, *map(format_name, near.split(".")))))
            fixes = [Fix(f"did you mean '{root}.{near}'?", (edit,))]
        self.error("E307", span, message, *fixes, severity="warning")

    def reference(self, expr: ast.Ref) -> ir.Node:
        kind, key, span = expr.kind, expr.key, expr.span
        if self.scope.filters and kind == "flag":
            instead = "Its value belongs to a decision; write the condition of its rule instead."
            return self.beyond_filters(f"the flag {quote(key)}", span, instead)
        if self.scope.filters and kind == "trait":
            return self.trait(key, span)
        if self.event is not None and not self.scope.filters:
            return self.only_event_properties(span)
        if kind == "flag" and self.scope.kind != "flag":
            return self.error("E506", span, "Only flag rules can read other flags.")
        known: Collection[str] = {
            "trait": self.scope.traits,
            "segment": self.scope.segments,
            "flag": self.scope.flags,
        }[kind]
        if key not in known:
            near = nearest(key, known)
            fixes = [replacing(span, near, format_expression(ast.Ref(kind, near)))] if near else []
            code = {"trait": "E302", "segment": "E303", "flag": "E304"}[kind]
            return self.error(code, span, f"Unknown {kind} {quote(key)}.", *fixes)
        if kind == "trait":
            return self.trait(key, span)
        # A segment is always true or false, and a flag always has a value.
        type_ = Type.BOOL if kind == "segment" else self.scope.flags[key]
        return ir.Reference(type_, kind, key, span=span)

    def event_property(self, path: tuple[str, ...], span: Span) -> ir.Node:
        """A property of the current event. self.event must not be None."""
        if len(path) > 1 and path[0] in ROOTS:
            return self.only_event_properties(span)
        known = self.event or {}
        dotted = ".".join(path)
        if known and not _has(known, path):
            near = nearest(dotted, known)
            fixes = [replacing(span, near, ".".join(map(format_name, near.split("."))))] if near else []
            message = f"This event has not had a property {quote(dotted)} so far."
            self.error("E307", span, message + self.elsewhere(dotted), *fixes, severity="warning")
        elif dotted not in known and (hint := self.elsewhere(dotted)):
            message = f"{quote(dotted)} is read as a property of the event."
            self.error("E307", span, message + hint, severity="warning")
        return ir.EventProperty(known.get(dotted, Type.DYN), path, span=span, nullable=True)

    def elsewhere(self, name: str) -> str:
        """What a name means outside an event filter, where the author may have expected it to mean that."""
        if self.scope.kind != "event filter":
            return ""
        if name in SEEN:
            return f" The instants of the profile are read in 'people': {name}."
        return f" For the trait of that name: {_SAVE}" if name in self.scope.traits else ""

    def only_event_properties(self, span: Span) -> ir.Node:
        if self.scope.filters:
            message = "Only one name can follow 'traits.', 'segments.' or 'events.'; put a name with dots in backticks."
            return self.error("E302", span, message)
        message = "'where' can only read the event's own properties: it is evaluated once, when the event arrives."
        return self.error("E502", span, message)

    def in_event(self, properties: Mapping[str, Type], expr: ast.Expr) -> ir.Node:
        """Check an expression whose names are properties of the event."""
        before, self.event = self.event, properties
        try:
            return self.infer(expr)
        finally:
            self.event = before

    # Types

    def boolean(self, expr: ast.Expr, place: str) -> ir.Node:
        node = self.with_type(self.infer(expr), Type.BOOL)
        if node.type is Type.BOOL or is_broken(node):
            return node
        fixes = []
        if node.type is Type.NUMBER and not isinstance(expr, ast.Arith | ast.Coalesce):
            fixes = [self.fix(insert(expr.span.end, " > 0"))]
        message = f"{place} must be a condition; this is {SPOKEN[node.type]}, which is neither true nor false."
        return self.error("E401", expr.span, message, *fixes)

    def unify(self, left: ir.Node, right: ir.Node, *, order: bool = False) -> tuple[ir.Node, ir.Node]:
        """Both nodes; an undeclared one gets the other's type.

        With `order`, two undeclared ones become numbers."""
        if left.type is Type.DYN and right.type is Type.DYN:
            return (self.with_type(left, Type.NUMBER), self.with_type(right, Type.NUMBER)) if order else (left, right)
        return self.with_type(left, right.type), self.with_type(right, left.type)

    def with_type(self, node: ir.Node, type_: Type) -> ir.Node:
        """The node, given this type if its own is undeclared."""
        if node.type is not Type.DYN or type_ is Type.DYN or is_broken(node):
            return node
        if type_ in _NEVER_DYN:
            wrapped = self.text(node.span)
            wraps = ("semver",) if type_ is Type.VERSION else ("ago", "until")
            fixes = [self.fix(insert(node.span.start, f"{wrap}("), insert(node.span.end, ")")) for wrap in wraps]
            return self.error("E402", node.span, _NEVER_DYN[type_].format(wrapped), *fixes)
        match node:
            case ir.Coalesce():
                left, right = self.with_type(node.left, type_), self.with_type(node.right, type_)
                return replace(node, type=type_, left=left, right=right)
            case ir.Call(function="if", arguments=(condition, left, right)):
                return replace(
                    node, type=type_, arguments=(condition, self.with_type(left, type_), self.with_type(right, type_))
                )
        return replace(node, type=type_)

    def type_conflict(self, left: ir.Node, right: ir.Node) -> str:
        message = f"{self.shown(left)} is {SPOKEN[left.type]}, {self.shown(right)} is {SPOKEN[right.type]}."
        for node, other in ((left, right), (right, left)):
            if isinstance(node, ir.Ago) and other.type is Type.DURATION:
                unit = next(unit for unit, ms in UNITS_AGO_MS.items() if ms == node.unit_ms)
                message += f" It is a number of {unit}."
        return message

    def shown(self, node: ir.Node) -> str:
        return quote(self.text(node.span))
