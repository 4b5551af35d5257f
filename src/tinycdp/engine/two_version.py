"""Compare two compiled sets of definitions by columns of values, one row per profile.

Shape   Columns(before, after, at) collects what must be computed, as `nodes` with `resolve` for dsl.sql. For each row:
        call load_row(row), then read value(…) and evaluate flag programs on an activation(…)
Laws    a definition with the same meaning in both sets is computed once. For flags only the conditions are columns;
        prerequisites, overrides, holdouts, gates and splits are evaluated by decide
Errors  none
Source  docs/decisions/0017-preview-and-replay.md
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tinycdp.dsl import ir
from tinycdp.dsl.compile import Compiler
from tinycdp.dsl.evaluators import Evaluator, Result
from tinycdp.dsl.values.calendar import Days
from tinycdp.engine.catalog import CompiledSet, Name
from tinycdp.engine.flags.decide import FlagActivation, Program, as_evaluator
from tinycdp.engine.flags.trail import Killed
from tinycdp.model import NEVER, Instant

_Row = Sequence[Any]
#: Separates a key from its set if the definition differs between the two sets. No key contains it.
_OF = "\x1f"


class Columns:
    """`read` converts a column's value, given its node's type, to the engine's form."""

    def __init__(
        self, before: CompiledSet, after: CompiledSet, at: Instant, calendar: Days, read: Callable[[Any, ir.Type], Any]
    ) -> None:
        self.nodes: list[ir.Node] = []
        self._compiled_sets = (before, after)
        self._at, self._calendar, self._read = at, calendar, read
        self._row: _Row = ()
        self._asked: dict[tuple[int, Name], int] = {}
        self._programs: dict[tuple[int, str], Program] = {}
        self._evaluators: tuple[dict[Name, Evaluator], dict[Name, Evaluator]] = ({}, {})
        self._leaves: dict[Name, ir.Node] = {}
        self._compiler = Compiler(lambda _: True, self._leaves.get)

    # What is needed

    def request(self, side: int, name: Name) -> Callable[[], Any]:
        """Request a trait's or segment's expression, before (0) or after (1).

        Returns a function that reads its value from the row."""
        column = self._asked.get((side, name))
        if column is None:
            column = self._asked[side, name] = self._column(side, self._compiled_sets[side].nodes[name])
        return lambda: self._value(column)

    def program(self, side: int, key: str) -> Program:
        """The flag's program at the instant, reading from the columns."""
        known = self._programs.get((side, key))
        if known is None:
            known = self._programs[side, key] = self._made(side, self._compiled_sets[side].flags[key].at(self._at))
        return known

    def resolve(self, name: Name) -> ir.Node | None:
        """The node of a definition that the columns refer to."""
        key, _, side = name[1].partition(_OF)
        which = int(side) if side else 1
        node = self._compiled_sets[which].nodes.get((name[0], key))
        return self._qualified(which, node) if node is not None else None

    # Reading a row

    def load_row(self, row: _Row) -> None:
        """Load a row: from now on the columns have its values, in the order of `nodes`."""
        self._row = row

    def activation(
        self, side: int, unit: str, names: tuple[str, ...], killed: Mapping[int, Killed], context: Mapping[str, Any]
    ) -> FlagActivation:
        """The row's profile as an activation for flag programs of this side."""
        activation = FlagActivation(
            self._at,
            calendar=self._calendar,
            properties={},
            state=lambda _: None,
            first_seen=None,
            last_seen=None,
            evaluators=self._evaluators[side],
            context=context,
        )
        activation.unit, activation.names, activation.killed = unit, names, killed
        return activation

    def _value(self, column: int) -> Any:
        found = self._row[column]
        return None if found is None else self._read(found, self.nodes[column].type)

    def _column(self, side: int, node: ir.Node) -> int:
        self.nodes.append(self._qualified(side, node))
        return len(self.nodes) - 1

    def _evaluator(self, column: int) -> Evaluator:
        def evaluate(_activation: Any, _now: Instant) -> Result:
            return self._value(column), NEVER

        return evaluate

    # Flags

    def _made(self, side: int, stage: Program) -> Program:
        evaluators = self._evaluators[side]
        for name in stage.override_segments.values():
            if name not in evaluators:
                evaluators[name] = self._evaluator(self._column(side, ir.Reference(ir.Type.BOOL, *name)))
        return replace(
            stage,
            prerequisites=tuple((self.program(side, p.flag.key), variants) for p, variants in stage.prerequisites),
            holdouts=tuple(self.program(side, holdout.flag.key) for holdout in stage.holdouts),
            rules=tuple(
                replace(rule, evaluate=self._condition(side, rule.node), unknown=rule.unknown.unexplained())
                for rule in stage.rules
            ),
            until=NEVER,
            then=None,
        )

    def _condition(self, side: int, node: ir.Node) -> Evaluator:
        flags = {n.key for n in ir.walk(node) if isinstance(n, ir.Reference) and n.kind == "flag"}
        for key in sorted(flags):
            self._evaluators[side]["flag", key] = as_evaluator(self.program(side, key))
        return self._compiler.compile(self._leaved(side, node))

    def _leaved(self, side: int, node: ir.Node) -> ir.Node:
        """The condition with every part that does not depend on a flag replaced by one column."""
        if isinstance(node, ir.Reference) and node.kind == "flag":
            return node
        if any(isinstance(n, ir.Reference) and n.kind == "flag" for n in ir.walk(node)):
            return _mapped(node, lambda child: self._leaved(side, child))
        column = self._column(side, node)
        leaf = ("trait", f"{_OF}{column}")
        self._evaluators[side][leaf] = self._evaluator(column)
        # The compiler needs its type, but must not look into it.
        self._leaves[leaf] = ir.Property(node.type, ("",), span=node.span, nullable=node.nullable)
        return ir.Reference(node.type, *leaf, span=node.span, nullable=node.nullable)

    # Names

    def _qualified(self, side: int, node: ir.Node) -> ir.Node:
        """The node with each reference marked with its set, if the two sets differ in it."""
        if isinstance(node, ir.Reference):
            name = (node.kind, node.key)
            before, after = self._compiled_sets
            if node.kind == "flag" or before.fingerprints.get(name) == after.fingerprints.get(name):
                return node
            return replace(node, key=f"{node.key}{_OF}{side}")
        return _mapped(node, lambda child: self._qualified(side, child)) if ir.children(node) else node


def _mapped(node: ir.Node, change: Callable[[ir.Node], ir.Node]) -> ir.Node:
    """The node with its direct operands replaced."""
    match node:
        case ir.Compare() | ir.Coalesce() | ir.Arith():
            return replace(node, left=change(node.left), right=change(node.right))
        case ir.Logic():
            return replace(node, operands=tuple(map(change, node.operands)))
        case ir.Not() | ir.Exists() | ir.Negate() | ir.In() | ir.Ago() | ir.Clock():
            return replace(node, operand=change(node.operand))
        case ir.Call():
            return replace(node, arguments=tuple(map(change, node.arguments)))
    return node
