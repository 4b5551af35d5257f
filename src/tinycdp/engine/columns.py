"""Two universes of definitions side by side, decided from columns: values computed elsewhere, a row per profile.

Shape   Columns(before, after, at) collects what has to be computed, as `nodes` with `resolve`, which dsl.sql takes.
        For each row: look(row), then value(…) and a subject(…) with the programs of flags
Laws    a definition that means the same in both universes is computed once. Of a flag only conditions are columns:
        prerequisites, overrides, holdouts, gates and splits are the engine's own, in decide
Errors  none
Source  docs/decisions/0017-preview-and-replay.md
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tinycdp.dsl import ir
from tinycdp.dsl.calendar import Days
from tinycdp.dsl.compile import Compiler
from tinycdp.dsl.steps import Result, Step
from tinycdp.engine.catalog import Name, Universe
from tinycdp.engine.decide import Program, Subject, as_step
from tinycdp.engine.trail import Killed
from tinycdp.model import NEVER, Instant

_Row = Sequence[Any]
#: Stands between a key and its universe where the two differ; no key holds it.
_OF = "\x1f"


class Columns:
    """`read` turns what came for a node of a type into the engine's value."""

    def __init__(
        self, before: Universe, after: Universe, at: Instant, calendar: Days, read: Callable[[Any, ir.Type], Any]
    ) -> None:
        self.nodes: list[ir.Node] = []
        self._universes = (before, after)
        self._at, self._calendar, self._read = at, calendar, read
        self._row: _Row = ()
        self._asked: dict[tuple[int, Name], int] = {}
        self._programs: dict[tuple[int, str], Program] = {}
        self._steps: tuple[dict[Name, Step], dict[Name, Step]] = ({}, {})
        self._leaves: dict[Name, ir.Node] = {}
        self._compiler = Compiler(lambda _: True, self._leaves.get)

    # What is needed

    def ask(self, side: int, name: Name) -> Callable[[], Any]:
        """A trait's or segment's own expression in the universe before (0) or after (1); gives its value in the row."""
        column = self._asked.get((side, name))
        if column is None:
            column = self._asked[side, name] = self._column(side, self._universes[side].nodes[name])
        return lambda: self._value(column)

    def program(self, side: int, key: str) -> Program:
        """A flag as it decides at the instant, by the columns."""
        known = self._programs.get((side, key))
        if known is None:
            known = self._programs[side, key] = self._made(side, self._universes[side].flags[key].at(self._at))
        return known

    def resolve(self, name: Name) -> ir.Node | None:
        """The node of a definition that the columns name."""
        key, _, side = name[1].partition(_OF)
        which = int(side) if side else 1
        node = self._universes[which].nodes.get((name[0], key))
        return self._qualified(which, node) if node is not None else None

    # What a row says

    def look(self, row: _Row) -> None:
        """From now on the columns have the values of this row, in the order of `nodes`."""
        self._row = row

    def subject(
        self, side: int, unit: str, names: tuple[str, ...], killed: Mapping[int, Killed], context: Mapping[str, Any]
    ) -> Subject:
        """Whom the row is about, as a flag's program of this side wants it."""
        subject = Subject(
            self._at,
            calendar=self._calendar,
            properties={},
            state=lambda _: None,
            first_seen=None,
            last_seen=None,
            steps=self._steps[side],
            context=context,
        )
        subject.unit, subject.names, subject.killed = unit, names, killed
        return subject

    def _value(self, column: int) -> Any:
        found = self._row[column]
        return None if found is None else self._read(found, self.nodes[column].type)

    def _column(self, side: int, node: ir.Node) -> int:
        self.nodes.append(self._qualified(side, node))
        return len(self.nodes) - 1

    def _step(self, column: int) -> Step:
        def step(_frame: Any, _now: Instant) -> Result:
            return self._value(column), NEVER

        return step

    # Flags

    def _made(self, side: int, stage: Program) -> Program:
        steps = self._steps[side]
        for name in stage.override_segments.values():
            if name not in steps:
                steps[name] = self._step(self._column(side, ir.Reference(ir.Type.BOOL, *name)))
        return replace(
            stage,
            prerequisites=tuple((self.program(side, p.flag.key), variants) for p, variants in stage.prerequisites),
            holdouts=tuple(self.program(side, holdout.flag.key) for holdout in stage.holdouts),
            rules=tuple(replace(rule, step=self._condition(side, rule.node)) for rule in stage.rules),
            until=NEVER,
            then=None,
        )

    def _condition(self, side: int, node: ir.Node) -> Step:
        flags = {n.key for n in ir.walk(node) if isinstance(n, ir.Reference) and n.kind == "flag"}
        for key in sorted(flags):
            self._steps[side]["flag", key] = as_step(self.program(side, key))
        return self._compiler.compile(self._leaved(side, node))

    def _leaved(self, side: int, node: ir.Node) -> ir.Node:
        """The condition with everything that no flag has a part in as one column."""
        if isinstance(node, ir.Reference) and node.kind == "flag":
            return node
        if any(isinstance(n, ir.Reference) and n.kind == "flag" for n in ir.walk(node)):
            return _mapped(node, lambda child: self._leaved(side, child))
        column = self._column(side, node)
        leaf = ("trait", f"{_OF}{column}")
        self._steps[side][leaf] = self._step(column)
        # What its type is has to be known; what it is made of must not be looked into.
        self._leaves[leaf] = ir.Property(node.type, ("",), span=node.span, nullable=node.nullable)
        return ir.Reference(node.type, *leaf, span=node.span, nullable=node.nullable)

    # Names

    def _qualified(self, side: int, node: ir.Node) -> ir.Node:
        """The node with every reference saying of which universe, where that makes a difference."""
        if isinstance(node, ir.Reference):
            name = (node.kind, node.key)
            before, after = self._universes
            if node.kind == "flag" or before.fingerprints.get(name) == after.fingerprints.get(name):
                return node
            return replace(node, key=f"{node.key}{_OF}{side}")
        return _mapped(node, lambda child: self._qualified(side, child)) if ir.children(node) else node


def _mapped(node: ir.Node, change: Callable[[ir.Node], ir.Node]) -> ir.Node:
    """The node with its direct operands changed."""
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
