"""Reads mappings: a JSON document becomes nodes, or problems with their places.

Shape   read_mapping(document, path) → RecordMapping, or None, and the problems · rewritten(document, change) → the
        document with each expression changed
Laws    a document within its limits makes a bounded record: at most MOST_PARTS parts, MOST_EXPRESSIONS expressions, one
        loop inside no other with at most MOST_ITEMS items. An object with the name of an operator is that operator, or
        a mistake; `plain` takes any names
Source  docs/reference/mapping.md
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tinycdp.dsl.fields import valid_instead
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.products.delivery.mapping.formats import FORMATS
from tinycdp.products.delivery.mapping.nodes import (
    ChoiceNode,
    ConstantNode,
    FieldNode,
    FormattedNode,
    ItemNode,
    JoinNode,
    ListNode,
    LoopNode,
    MappingNode,
    MembershipTest,
    ObjectNode,
    RecordMapping,
    SourceNode,
    UsedSource,
)

MOST_PARTS = 300
MOST_EXPRESSIONS = 40
MOST_ITEMS = 1_000
ITEMS = 100
DEEPEST = 16
_MOST_FORMATS = 4
_LONGEST_EXPRESSION = 4_000

#: The names that an operator may have, beside its own.
_OPERATORS: dict[str, frozenset[str]] = {
    "expr": frozenset({"as", "else"}),
    "field": frozenset({"as", "else"}),
    "item": frozenset({"as", "else"}),
    "join": frozenset({"with", "as", "else"}),
    "if": frozenset({"then", "else"}),
    "each": frozenset({"of", "where", "most"}),
    "plain": frozenset(),
}
#: (operator, field) of all that is an expression.
_SOURCES = {("expr", "expr"), ("if", "if"), ("each", "where")}
#: What a condition and the list of a loop can be, beside an expression.
_TESTED = frozenset({"field", "item", "in"})

Problem = tuple[str, str]


def read_mapping(document: Any, path: str = "$.mapping") -> tuple[RecordMapping | None, list[Problem]]:
    """The mapping of a document, and what is wrong with its form. The mapping is None if something is."""
    reader = _Reader()
    root = reader.node(document, path, 0)
    if reader.parts > MOST_PARTS:
        reader.problems.append((path, f"a mapping has at most {MOST_PARTS} parts; this one has {reader.parts:,}."))
    expressions = tuple(dict.fromkeys(use.source for use in reader.expressions))
    if len(expressions) > MOST_EXPRESSIONS:
        found = f"a mapping has at most {MOST_EXPRESSIONS} different expressions; this one has {len(expressions)}."
        reader.problems.append((path, found))
    if reader.problems:
        return None, reader.problems
    return RecordMapping(root, expressions, tuple(reader.expressions), tuple(reader.fields)), []


def rewritten(document: Any, change: Callable[[str], str]) -> Any:
    """A document with each expression changed; all else stays as it is."""
    if isinstance(document, list | tuple):
        return [rewritten(item, change) for item in document]
    if not isinstance(document, Mapping):
        return document
    operator = next((name for name in _OPERATORS if name in document), "")
    return {name: _rewritten_field(operator, name, value, change) for name, value in document.items()}


def _rewritten_field(operator: str, name: str, value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value) if (operator, name) in _SOURCES else value
    if operator == name == "plain" and isinstance(value, Mapping):
        return {inside: rewritten(inner, change) for inside, inner in value.items()}
    return rewritten(value, change)


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.expressions: list[UsedSource] = []
        self.fields: list[UsedSource] = []
        self.parts = 0
        self._in_loop = False

    def _wrong(self, path: str, message: str) -> MappingNode:
        self.problems.append((path, message))
        return ConstantNode(None)

    def node(self, document: Any, path: str, depth: int) -> MappingNode:
        """Any part."""
        self.parts += 1
        if self.parts > MOST_PARTS:  # the rest only costs
            return ConstantNode(None)
        if depth > DEEPEST:
            return self._wrong(path, f"a mapping is at most {DEEPEST} levels deep.")
        match document:
            case None | bool() | int() | str() | Decimal():
                return ConstantNode(document)
            case float():
                return ConstantNode(Decimal(repr(document)))
            case list() | tuple():
                return ListNode(tuple(self.node(one, f"{path}[{n}]", depth + 1) for n, one in enumerate(document)))
            case Mapping():
                return self._object(document, path, depth)
        return self._wrong(path, "expected a JSON value.")

    def _object(self, document: Mapping[str, Any], path: str, depth: int) -> MappingNode:
        operators = [name for name in _OPERATORS if name in document]
        if not operators:
            return self._fields(document, path, depth)
        operator = operators[0]
        known = _OPERATORS[operator]
        for name in document:
            if name != operator and name not in known:
                said = valid_instead(name, sorted(known)) if known else ""
                hint = f"To write an object with a field `{operator}`, put it in `plain`."
                return self._wrong(
                    path_below(path, name), f"unknown field beside `{operator}`. {said} {hint}".replace("  ", " ")
                )
        inner, below = document[operator], path_below(path, operator)
        match operator:
            case "plain":
                if not isinstance(inner, Mapping):
                    return self._wrong(below, "expected an object.")
                return self._fields(inner, below, depth)
            case "if":
                return self._choice(document, path, depth)
            case "each":
                return self._loop(document, path, depth)
            case "join":
                node = self._join(document, path, depth)
                formats = self._formats(document, path)
            case _:
                formats = self._formats(document, path)
                node = self._leaf(operator, inner, below, formats)
        otherwise = self.node(document["else"], path_below(path, "else"), depth + 1) if "else" in document else None
        return FormattedNode(node, formats, otherwise) if formats or otherwise is not None else node

    def _fields(self, document: Mapping[str, Any], path: str, depth: int) -> MappingNode:
        return ObjectNode(
            {str(name): self.node(one, path_below(path, str(name)), depth + 1) for name, one in document.items()}
        )

    def _leaf(self, operator: str, text: Any, path: str, formats: tuple[str, ...] = ()) -> MappingNode:
        if not isinstance(text, str):
            return self._wrong(path, "expected a text.")
        if operator == "expr":
            return self._expression(text, path, formats)
        if operator == "item":
            if not self._in_loop:
                return self._wrong(path, "an item is that of a loop; write it inside `each`.")
            return ItemNode(tuple(text.split(".")) if text else ())
        self.fields.append(UsedSource(path, text, formats))
        return FieldNode(tuple(text.split(".")))

    def _expression(
        self, text: str, path: str, formats: tuple[str, ...] = (), *, is_condition: bool = False
    ) -> MappingNode:
        if len(text) > _LONGEST_EXPRESSION:
            return self._wrong(path, f"an expression has at most {_LONGEST_EXPRESSION:,} characters.")
        self.expressions.append(UsedSource(path, text, formats, is_condition))
        return SourceNode(text)

    def _formats(self, document: Mapping[str, Any], path: str) -> tuple[str, ...]:
        found = document.get("as", ())
        names = [found] if isinstance(found, str) else found
        below = path_below(path, "as")
        if not isinstance(names, list | tuple) or len(names) > _MOST_FORMATS:
            self._wrong(below, f"expected the name of a format, or a list of at most {_MOST_FORMATS}.")
            return ()
        for name in names:
            if not isinstance(name, str) or name not in FORMATS:
                self._wrong(
                    below,
                    f"there is no format {str(name)[:40]!r}.{did_you_mean(str(name), FORMATS)} "
                    f"Valid are: {', '.join(FORMATS)}.",
                )
                return ()
        return tuple(names)

    def _join(self, document: Mapping[str, Any], path: str, depth: int) -> MappingNode:
        parts, separator = document["join"], document.get("with", "")
        below = path_below(path, "join")
        if not isinstance(parts, list | tuple):
            return self._wrong(below, "expected a list of parts.")
        if not isinstance(separator, str):
            return self._wrong(path_below(path, "with"), "expected a text.")
        return JoinNode(tuple(self.node(one, f"{below}[{n}]", depth + 1) for n, one in enumerate(parts)), separator)

    def _choice(self, document: Mapping[str, Any], path: str, depth: int) -> MappingNode:
        if "then" not in document:
            return self._wrong(path_below(path, "then"), "this field is missing; give what is written if it is true.")
        condition = self._condition(document["if"], path_below(path, "if"))
        then = self.node(document["then"], path_below(path, "then"), depth + 1)
        otherwise = self.node(document["else"], path_below(path, "else"), depth + 1) if "else" in document else None
        return ChoiceNode(condition, then, otherwise)

    def _condition(self, document: Any, path: str) -> MappingNode:
        self.parts += 1
        if isinstance(document, str):
            return self._expression(document, path, is_condition=True)
        if not isinstance(document, Mapping) or not document.keys() <= _TESTED or len(document) != 2:
            return self._wrong(path, 'expected an expression, or {"field": …, "in": […]}.')
        if not isinstance(document.get("in"), list | tuple):
            return self._wrong(path_below(path, "in"), "expected a list of values.")
        among = tuple(Decimal(repr(one)) if isinstance(one, float) else one for one in document["in"])
        if len(among) > MOST_PARTS or not all(isinstance(one, str | int | Decimal) for one in among):
            return self._wrong(path_below(path, "in"), f"expected at most {MOST_PARTS} texts, numbers, true or false.")
        operator = "field" if "field" in document else "item"
        return MembershipTest.of(self._leaf(operator, document[operator], path_below(path, operator)), among)

    def _loop(self, document: Mapping[str, Any], path: str, depth: int) -> MappingNode:
        if self._in_loop:
            return self._wrong(path_below(path, "each"), "a loop cannot be inside another one.")
        if "of" not in document:
            return self._wrong(path_below(path, "of"), "this field is missing; give what is made of each item.")
        most = document.get("most", ITEMS)
        if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= MOST_ITEMS:
            return self._wrong(path_below(path, "most"), f"expected a whole number from 1 to {MOST_ITEMS:,}.")
        listed, below = document["each"], path_below(path, "each")
        if not isinstance(listed, Mapping) or listed.keys() not in ({"expr"}, {"field"}):
            return self._wrong(below, 'expected {"field": …} or {"expr": …}, which has a list.')
        operator = next(iter(listed))
        self.parts += 1
        items = self._leaf(operator, listed[operator], path_below(below, operator))
        self._in_loop = True
        try:
            where = self._condition(document["where"], path_below(path, "where")) if "where" in document else None
            of = self.node(document["of"], path_below(path, "of"), depth + 1)
        finally:
            self._in_loop = False
        return LoopNode(items, where, of, most)


def path_below(path: str, name: str) -> str:
    """The JSON path of a field."""
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{quoted(name)}]"


def quoted(name: str) -> str:
    """A name in brackets of a JSON path."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
