"""Whether the values of a flag's variants meet its JSON Schema, by bounded work.

Shape   faults(variants, schema, work) → (path, message) of what is wrong · Work, what one document may cost
Units   a step is one part of a schema met with one part of a value: some 20 µs
Laws    the work is bounded by steps, whatever the schema is: nested `anyOf`, circles of `$ref`, wide lists.
        Patterns are matched in linear time, by RE2. Nothing is fetched.
        A schema is draft 2020-12 in all its parts, also where one of them names another
Source  dsl/SPEC.md "Flags"; https://json-schema.org/draft/2020-12, "Regular Expressions" for what patterns should use
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from itertools import islice
from types import FunctionType
from typing import Any

#: For one document, with all steps of its schedule. A configuration of 1,000 fields takes 3,000 for each variant.
MOST_STEPS = 50_000
#: Of a schema: whether it is one is checked at a quarter of a millisecond for each.
MOST_PARTS = 5_000
#: Parts that are compared, or written into a message, at the cost of one step.
_PARTS_A_STEP = 16
_CHARACTERS_A_PART = 16
_MOST_FAULTS = 50
_LONGEST_MESSAGE = 300

#: A path in a document, and what is wrong there.
Fault = tuple[str, str]


class _TooMuch(Exception):
    """The last step was that of a keyword, or of a part of the schema."""

    def __init__(self, keyword: str | None) -> None:
        super().__init__(keyword)
        self.keyword = keyword


class _Unmatchable(Exception):
    pass


class Work:
    """What is left of the steps that one document may cost."""

    def __init__(self, steps: int = MOST_STEPS) -> None:
        self._steps = steps
        self._sizes: dict[int, int] = {}

    def spend(self, steps: int, keyword: str | None = None) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise _TooMuch(keyword)

    def size(self, value: Any) -> int:
        """The number of parts of a value, or of a schema: of objects that live as long as this one."""
        if isinstance(value, str):
            return 1 + len(value) // _CHARACTERS_A_PART
        if not isinstance(value, dict | list | tuple):
            return 1
        if (known := self._sizes.get(id(value))) is None:
            inner = value.values() if isinstance(value, dict) else value
            known = self._sizes[id(value)] = 1 + sum(map(self.size, inner))
        return known


def faults(variants: Mapping[str, Any], schema: Mapping[str, Any] | bool, work: Work) -> Iterator[Fault]:
    """What is wrong with the schema, or with values under it."""
    # Imported where it is needed: most flags have no schema, and it takes longer to load than all of ours.
    from jsonschema import Draft202012Validator, FormatChecker, SchemaError  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    if (parts := work.size(schema)) > MOST_PARTS:
        yield "$.schema", f"a schema has at most {MOST_PARTS:,} parts; this one has {parts:,}."
        return
    try:
        # Without formats: one of them compiles patterns by another engine.
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(()))
        # An empty registry: left to itself, the validator fetches a $ref to another address over the network.
        validator = _bounded(work)(schema, registry=Registry())
        for name, value in variants.items():
            for wrong in islice(validator.iter_errors(value), _MOST_FAULTS):
                where = wrong.json_path.removeprefix("$")
                yield f"$.variants.{name}{where}", f"the value does not meet the flag's schema: {_said(wrong)}."
    except SchemaError as wrong:
        where = wrong.json_path.removeprefix("$")
        yield f"$.schema{where}", f"this is no JSON Schema: {_said(wrong)}."
    except Unresolvable as wrong:
        yield (
            "$.schema",
            f"a $ref leads nowhere: {wrong}. Schemas stand on their own; nothing is fetched.",
        )
    except RecursionError:
        yield "$.schema", "a $ref leads round in a circle, or the values nest too deeply."
    except _Unmatchable as wrong:
        yield "$.schema", f"{wrong}"
    except _TooMuch as wrong:
        where = "" if wrong.keyword is None else f", and was given up at `{wrong.keyword}`"
        remedy = "nest `anyOf`, `oneOf` and `allOf` less, or list less"
        yield "$.schema", f"the schema takes too long to check with these values{where}; {remedy}."
    except ArithmeticError:
        yield "$.schema", "`multipleOf` and a value are too far apart to be divided exactly."


def _said(wrong: Any) -> str:
    """Numbers as they are written, not as Python keeps them."""
    message = re.sub(r"Decimal\('([^']*)'\)", r"\1", wrong.message[: 2 * _LONGEST_MESSAGE])
    return message if len(message) <= _LONGEST_MESSAGE else message[:_LONGEST_MESSAGE] + "…"


def _bounded(work: Work) -> Any:
    """A validator of draft 2020-12 whose every step is counted."""
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415

    checks = {**Draft202012Validator.VALIDATORS, "uniqueItems": _unique_items}
    keywords = {name: _counted(name, _linear(check), work) for name, check in checks.items()}
    numbers = Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer})
    exact: Any = validators.extend(Draft202012Validator, keywords, type_checker=numbers)  # type: ignore[no-untyped-call]
    plain = exact.evolve

    def evolve(validator: Any, **changes: Any) -> Any:
        """The validator of a part. A part that names another draft would be checked by that one's, uncounted."""
        work.spend(1)
        schema = changes.get("schema")
        if isinstance(schema, Mapping) and "$schema" in schema:
            changes["schema"] = {name: part for name, part in schema.items() if name != "$schema"}
        return plain(validator, **changes)

    exact.evolve = evolve
    return exact


def _is_number(_: Any, value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_integer(checker: Any, value: Any) -> bool:
    return _is_number(checker, value) and value == int(value)


#: What they compare grows with the square of the value.
_SQUARE = {"unevaluatedItems", "unevaluatedProperties"}
#: They compare each part of a value with each part of what they are given.
_PAIRS = {"enum", "patternProperties", "additionalProperties", "required", "dependentRequired"}

_Check = Callable[[Any, Any, Any, Any], Any]


def _counted(name: str, check: _Check, work: Work) -> _Check:
    """The check of a keyword, which first spends what it may cost: messages have the value, and what was expected."""

    def counted(validator: Any, given: Any, value: Any, schema: Any) -> Any:
        own, whole = work.size(given), work.size(value)
        if name == "additionalProperties":
            own = work.size(schema.get("patternProperties"))
        parts = whole * whole if name in _SQUARE else whole * own if name in _PAIRS else whole + own
        work.spend(1 + parts // _PARTS_A_STEP, name)
        return check(validator, given, value, schema)

    return counted


def _unique_items(validator: Any, given: Any, value: Any, schema: Any) -> Any:
    """As the validator's own check, which compares each element with each."""
    from jsonschema import ValidationError  # noqa: PLC0415

    if not given or not isinstance(value, list):
        return
    seen: set[str] = set()
    for element in value:
        if (text := _canonical(element)) in seen:
            yield ValidationError(f"{element!r} is in the list more than once")
            return
        seen.add(text)


def _canonical(value: Any) -> str:
    """The same text for what JSON Schema holds for equal: 1 and 1.0, and objects whatever the order of their names."""
    if value is None or isinstance(value, bool | str):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_canonical(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    sign, digits, exponent = Decimal(value).as_tuple()
    whole = "".join(map(str, digits)).lstrip("0")
    short = whole.rstrip("0")
    return f"{'-' * sign}{short}e{int(exponent) + len(whole) - len(short)}" if short else "0"


class _Linear:
    """What the validator's modules use of `re`, by an engine that never goes back."""

    @staticmethod
    def search(pattern: str, text: str) -> Any:
        return _compiled(pattern).search(text.encode("utf-8", "replace"))


@cache
def _options() -> Any:
    import re2  # noqa: PLC0415

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return options


def _compiled(pattern: str) -> Any:
    import re2  # noqa: PLC0415

    try:
        return re2.compile(pattern.encode("utf-8", "replace"), _options())
    except re2.error as wrong:
        why = wrong.args[0].decode(errors="replace") if isinstance(wrong.args[0], bytes) else str(wrong)
        message = f"the pattern {pattern[:100]!r} cannot be matched in linear time: {why[:100]}. Look-ahead, "
        raise _Unmatchable(message + "back-references and more than 1,000 repetitions are not supported.") from None


def _linear(check: Any) -> _Check:
    """A keyword's function of the validator, with a linear `re` wherever it and its helpers use that."""
    return _with_re(check, {}) if isinstance(check, FunctionType) else check


def _with_re(function: FunctionType, done: dict[FunctionType, FunctionType]) -> FunctionType:
    if function in done:
        return done[function]
    used = {name: value for name, value in function.__globals__.items() if name in function.__code__.co_names}
    inner = {
        name: value for name, value in used.items()
        if isinstance(value, FunctionType) and value.__module__.startswith("jsonschema.")
    }  # fmt: skip
    world = dict(function.__globals__)
    made = done[function] = FunctionType(
        function.__code__, world, function.__name__, function.__defaults__, function.__closure__
    )
    world.update({name: _with_re(value, done) for name, value in inner.items()})
    if "re" in used:
        world["re"] = _Linear
    return made
