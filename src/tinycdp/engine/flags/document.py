"""Flag documents: what an admin writes, checked and made whole.

Shape   Flag with variants, prerequisites, overrides and ordered rules; `{"key", "rule"}` is short for a boolean flag
        with one rule. stages(flag) is the flag as each due step of its schedule leaves it
Units   percentages with three decimals, split weights in hundred-thousandths that sum to 100,000, instants as ISO 8601
Laws    the salt is minted once and never derived from the key, so a rename moves no unit.
        Every stage of a schedule is checked when the flag is saved: no step can fail when its time comes
Errors  InvalidInput INVALID_FLAG with a JSONPath for a document that contradicts itself
Source  dsl/SPEC.md "Flags"; docs/decisions/0018-flags-in-full.md
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, Literal

import msgspec

from tinycdp.dsl.fields import all_in_words
from tinycdp.dsl.values.scalars import parse_duration, parse_instant
from tinycdp.engine.flags import value_schema
from tinycdp.engine.flags.bucketing import BUCKETS
from tinycdp.engine.flags.trail import SHORT_RULE
from tinycdp.engine.flags.value_schema import Work
from tinycdp.errors import InvalidInput
from tinycdp.model import DAY_MS, MINUTE_MS, Instant

FlagType = Literal["boolean", "string", "integer", "float", "object"]
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "string": (str,),
    "integer": (int,),
    "float": (int, float, Decimal),
    "object": (dict, list),
}

#: A path in a document, and what is wrong there.
_Fault = tuple[str, str]
_MOST_FAULTS = 50
#: What most other fields are compared with: if it is wrong, they are not checked.
_COMPARED_WITH = re.compile(r"\$\.(type|variants)\b")
#: Fields that are checked together with others beside them.
_TOGETHER = re.compile(r"\.(serve|split|profile|identifier|segment|group|from|to)$")

MAX_STEPS = 100
#: How deep a document may nest: comparing, renaming and formatting it recurse as deep.
MAX_DEPTH = 64
#: What no step of a schedule may change: who is who, and the schedule itself.
_FIXED = ("key", "type", "salt", "unit", "schedule", "archived")


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    pass


class Prerequisite(_Part, frozen=True):
    """Another flag that has to serve one of these variants; else this one serves its off variant."""

    flag: str
    variants: tuple[str, ...]


class IdentifierRef(_Part, frozen=True):
    """A profile by one identifier and its kind."""

    kind: str
    value: str


class Override(_Part, frozen=True):
    """The first that fits wins, before any rule. `profile` is any identifier of the profile, or the profile's id;
    `alias` one identifier of one kind."""

    serve: str
    profile: str | None = None
    identifier: IdentifierRef | None = None
    segment: str | None = None


class Exclusion(_Part, frozen=True, rename={"since": "from"}):
    """The share of an exclusion group's units that a rule may have: rules of one group never share anyone.

    since, to  percentages; whose bucket in the group lies in [since, to) is admitted"""

    group: str
    since: Decimal
    to: Decimal


class Rule(_Part, frozen=True):
    """Serves a variant, or splits over several, where `when` is true and everything else of the rule admits the unit.

    rollout   percentage of units admitted; raising it only adds units
    exposure  percentage of units that take part in an experiment, independent of rollout and split"""

    when: str
    id: str = ""
    serve: str | None = None
    split: dict[str, int] | None = None
    rollout: Decimal | None = None
    exposure: Decimal | None = None
    exclusion: Exclusion | None = None


class Default(_Part, frozen=True):
    serve: str


class ScheduleStep(_Part, frozen=True):
    """Changes of the document from an instant on: JSON pointers and their values.

    In a pointer a rule goes by its place or its id: `/rules/ramp/rollout`."""

    at: str
    set: dict[str, Any]


class Flag(_Part, frozen=True):
    """holdouts  boolean flags: for whom one of them is true, no rule of this one counts
    schema     JSON Schema (draft 2020-12) that every variant's value meets
    sticky_for  how long after its last decision a session keeps the variant it was given, as a duration
    sticky     a profile keeps the variant that a rollout or a split gave it, though their numbers change
    evaluation  `client` lets clients decide it by the context: they then see its rules over it, see dsl/SNAPSHOT.md
    archived   takes no part in anything, and is kept
    metadata   flat, comes back over OFREP"""

    key: str
    type: FlagType
    variants: dict[str, Any]
    off_variant: str
    default: Default
    salt: str
    enabled: bool = True
    unit: Literal["bucketing_key"] = "bucketing_key"
    prerequisites: tuple[Prerequisite, ...] = ()
    holdouts: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    rules: tuple[Rule, ...] = ()
    schedule: tuple[ScheduleStep, ...] = ()
    schema: dict[str, Any] | bool | None = None
    sticky_for: str | None = None
    sticky: bool = False
    evaluation: Literal["server", "client"] = "server"
    archived: bool = False
    metadata: dict[str, Any] = {}
    description: str = ""

    @property
    def conditions(self) -> tuple[str, ...]:
        """Every rule's `when`, of every stage of the schedule, each text once."""
        return tuple(dict.fromkeys(rule.when for _, stage in stages(self) for rule in stage.rules))

    @property
    def required_flags(self) -> tuple[str, ...]:
        """The flags that are decided for this one at any stage: prerequisites and holdouts."""
        found = ((*(p.flag for p in stage.prerequisites), *stage.holdouts) for _, stage in stages(self))
        return tuple(dict.fromkeys(key for keys in found for key in keys))

    @property
    def override_segments(self) -> tuple[str, ...]:
        """The segments that overrides of any stage name."""
        found = (o.segment for _, stage in stages(self) for o in stage.overrides if o.segment is not None)
        return tuple(dict.fromkeys(found))

    @property
    def sticky_ms(self) -> int:
        """0 where sessions keep nothing."""
        return parse_duration(self.sticky_for) or 0 if self.sticky_for is not None else 0


def read_flag(document: dict[str, Any], salt: str) -> Flag:
    """The flag that a document describes. `salt` is used if the document has none.

    The error has the first mistake; if there are several, `problems` in its details has each path and message."""
    work = Work()
    flag = _read(document, salt, work)
    if found := [fault for _, _, wrong in _steps_of(flag, work) for fault in wrong]:
        raise _invalid(found)
    return flag


def stages(flag: Flag) -> Iterator[tuple[Instant | None, Flag]]:
    """The flag as it is before its schedule begins, with None, and then from each of the schedule's instants on."""
    yield None, flag
    for at, stage, wrong in _steps_of(flag, None):
        if stage is None:
            raise _invalid(wrong)
        yield at, stage


def _steps_of(flag: Flag, work: Work | None) -> Iterator[tuple[Instant, Flag | None, list[_Fault]]]:
    """The instant of each step, and the flag from then on; None with what is wrong with it."""
    if not flag.schedule:
        return
    document = to_document(flag)
    document.pop("schedule", None)
    said: set[str] = set()
    for n, step in sorted(enumerate(flag.schedule), key=lambda item: _at(item[0], item[1])):
        document, where, stage = _mutable(document), f"$.schedule[{n}]", None
        wrong = [
            fault for pointer, value in step.set.items()
            for fault in _set(document, pointer, value, f"{where}.set[{pointer!r}]")
        ]  # fmt: skip
        if not wrong:
            try:
                stage = _read(document, flag.salt, work)
            except InvalidInput as error:
                # A mistake stays until a later step corrects it: it is reported once.
                new = [one["message"] for one in problems_of(error) if one["message"] not in said]
                said.update(new)
                wrong = [(where, f"the flag would be wrong from {step.at} on: {message}") for message in new]
        yield _at(n, step), stage, wrong


def problems_of(wrong: InvalidInput) -> list[dict[str, str]]:
    """The path and the message of each mistake in a document."""
    found: list[dict[str, str]] = wrong.details.get("problems") or [
        {"path": str(wrong.details.get("path", "$")), "message": wrong.message}
    ]
    return found


def settled(flag: Flag, now: Instant) -> Flag:
    """The flag with every due step carried out and taken off its schedule. It decides from `now` on as it did."""
    due = [found for at, found in stages(flag) if at is None or at <= now]
    left = tuple(step for n, step in enumerate(flag.schedule) if _at(n, step) > now)
    return msgspec.structs.replace(due[-1], schedule=left)


def to_document(flag: Flag) -> dict[str, Any]:
    """The whole document, sugar expanded."""
    document: dict[str, Any] = msgspec.to_builtins(flag, builtin_types=(Decimal,))
    return {**document, "enabled": flag.enabled, "rules": document.get("rules", [])}


def _read(document: dict[str, Any], salt: str, work: Work | None) -> Flag:
    """work: what checking values by the schema may cost; without it they have been checked."""
    _check_depth(document)
    found: list[_Fault] = []
    whole = dict(document)
    if "rule" in whole:
        rule = whole.pop("rule")
        if "rules" in whole:
            found.append(("$.rule", "a flag has either `rule` or `rules`, not both."))
        else:
            whole["rules"] = [{"id": SHORT_RULE, "when": rule, "serve": "on"}]
    if whole.setdefault("type", "boolean") == "boolean":
        whole.setdefault("variants", {"on": True, "off": False})
    variants = whole.get("variants")
    if isinstance(variants, dict) and variants:
        whole.setdefault("offVariant", "off" if "off" in variants else next(iter(variants)))
        whole.setdefault("default", {"serve": whole["offVariant"]})
    whole.setdefault("salt", salt)
    if isinstance(rules := whole.get("rules"), list):
        whole["rules"] = [
            {"id": f"rule{n}", **rule} if isinstance(rule, dict) else rule for n, rule in enumerate(rules, 1)
        ]
    flag: Flag | None
    try:
        flag = msgspec.convert(whole, Flag, strict=True)
    except msgspec.ValidationError:
        wrong, flag = all_in_words(Flag, whole, ("rule",))
        if any(_COMPARED_WITH.match(path) for path, _ in wrong):
            flag = None
        found += wrong
    if flag is not None:
        found += _unrelated(found, _faults(flag, work)) if found else _faults(flag, work)
    found = [fault for fault in found if not _follows(fault[0], whole, document, found)]
    if flag is not None and not found:
        return _typed(flag)
    if "rule" in document:
        found = [(path.replace("$.rules[0].when", "$.rule", 1), message) for path, message in found]
    raise _invalid(found)


def _unrelated(found: Sequence[_Fault], more: Iterator[_Fault]) -> list[_Fault]:
    """The faults that do not come of a stopgap at a place that was found."""
    paths = {path for path, _ in found}
    paths |= {_TOGETHER.sub("", path) for path in paths}
    return [fault for fault in more if fault[0] not in paths and not any(_is_below(fault[0], one) for one, _ in found)]


def _follows(path: str, whole: dict[str, Any], document: dict[str, Any], found: Sequence[_Fault]) -> bool:
    """Whether a fault is about what was left out, and follows from another one: its default comes from there."""
    paths = {other for other, _ in found}
    match path:
        case "$.variants":
            return "variants" not in whole and "$.type" in paths
        case "$.offVariant" | "$.default":
            return path.removeprefix("$.") not in whole and bool(paths & {"$.type", "$.variants"})
        case "$.default.serve":
            return "default" not in document and "$.offVariant" in paths
    return False


def _is_below(path: str, other: str) -> bool:
    return path.startswith((f"{other}.", f"{other}["))


def _invalid(found: Sequence[_Fault]) -> InvalidInput:
    """The error of all faults; its message is that of the first."""
    unique = list(dict.fromkeys(found))[:_MOST_FAULTS]
    problems = [{"path": path, "message": f"{path}: {message}"} for path, message in unique]
    more = {"problems": problems} if problems[1:] else {}
    return InvalidInput("INVALID_FLAG", problems[0]["message"], path=problems[0]["path"], **more)


def _check_depth(document: dict[str, Any]) -> None:
    row: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        inner = [value.values() if isinstance(value, dict) else value for value in row]
        row = [value for values in inner for value in values if isinstance(value, dict | list | tuple)]
        if not row:
            return
    raise _invalid([("$", f"the flag nests more than {MAX_DEPTH} levels deep.")])


def _faults(flag: Flag, work: Work | None) -> Iterator[_Fault]:
    """What contradicts itself in a flag whose form is right."""

    def known(path: str, variant: str) -> Iterator[_Fault]:
        if variant not in flag.variants:
            yield path, f"there is no variant {variant!r}; there are {', '.join(map(repr, flag.variants))}."

    if not flag.variants:
        yield "$.variants", "a flag needs at least one variant."
    for name, value in flag.variants.items():
        fits = isinstance(value, _JSON_TYPES[flag.type]) and (flag.type == "boolean" or not isinstance(value, bool))
        fits = fits and (flag.type != "float" or isfinite(value))
        if not fits:
            yield f"$.variants.{name}", f"the flag is of type {flag.type}, which this value is not."
    if flag.schema is not None and work is not None:
        yield from value_schema.faults(flag.variants, flag.schema, work)
    yield from known("$.offVariant", flag.off_variant)
    yield from known("$.default.serve", flag.default.serve)
    for n, prerequisite in enumerate(flag.prerequisites):
        if prerequisite.flag == flag.key:
            yield f"$.prerequisites[{n}].flag", "a flag is no prerequisite of itself."
        if not prerequisite.variants:
            yield f"$.prerequisites[{n}].variants", "name at least one variant."
    if flag.key in flag.holdouts:
        yield "$.holdouts", "a flag does not hold out from itself."
    for n, override in enumerate(flag.overrides):
        yield from known(f"$.overrides[{n}].serve", override.serve)
        if sum(named is not None for named in (override.profile, override.identifier, override.segment)) != 1:
            yield f"$.overrides[{n}]", "name either a `profile`, an `identifier` or a `segment`."
    seen: set[str] = set()
    for n, rule in enumerate(flag.rules):
        path = f"$.rules[{n}]"
        if rule.id in seen:
            yield f"{path}.id", f"the id {rule.id!r} stands twice; decisions name rules by it."
        seen.add(rule.id)
        if (rule.serve is None) == (rule.split is None):
            yield path, "a rule has either `serve` or `split`."
        if rule.serve is not None:
            yield from known(f"{path}.serve", rule.serve)
        if rule.split is not None:
            for variant, weight in rule.split.items():
                yield from known(f"{path}.split", variant)
                if weight < 0:
                    yield f"{path}.split.{variant}", "a weight is not negative."
            if (total := sum(rule.split.values())) != BUCKETS:
                yield f"{path}.split", f"the weights sum to {total}; they must sum to {BUCKETS}, hundred-thousandths."
        yield from _percentage(f"{path}.rollout", "a rollout", rule.rollout)
        yield from _percentage(f"{path}.exposure", "an exposure", rule.exposure)
        if (exclusion := rule.exclusion) is not None:
            yield from _percentage(f"{path}.exclusion.from", "it", exclusion.since)
            yield from _percentage(f"{path}.exclusion.to", "it", exclusion.to)
            if not exclusion.group or exclusion.since >= exclusion.to:
                yield f"{path}.exclusion", "a `group` has a name, and `from` is below `to`."
    for name, value in flag.metadata.items():
        if not isinstance(value, str | bool | int | float | Decimal):
            yield f"$.metadata.{name}", "metadata is flat: texts, numbers, true and false."
    if len(flag.schedule) > MAX_STEPS:
        yield "$.schedule", f"a schedule has at most {MAX_STEPS} steps."
    for n, step in enumerate(flag.schedule):
        if parse_instant(step.at) is None:
            yield f"$.schedule[{n}].at", f"{step.at!r} is no instant with a zone, as 2026-12-01T09:00:00Z is."
        if not step.set:
            yield f"$.schedule[{n}].set", "a step sets something."
    if flag.sticky_for is not None and not MINUTE_MS <= (parse_duration(flag.sticky_for) or 0) <= DAY_MS:
        yield "$.stickyFor", f"{flag.sticky_for!r} is not a duration from 1m to 1d."


def _percentage(path: str, what: str, percent: Decimal | None) -> Iterator[_Fault]:
    if percent is None:
        return
    if not (percent.is_finite() and 0 <= percent <= 100 and percent * 1000 == int(percent * 1000)):
        yield path, f"{what} is a percentage from 0 to 100 with at most three decimals."


def _at(n: int, step: ScheduleStep) -> Instant:
    at = parse_instant(step.at)
    assert at is not None, f"step {n} was checked"
    return at


def _set(document: dict[str, Any], pointer: str, value: Any, path: str) -> Iterator[_Fault]:
    """Put a value where an RFC 6901 pointer leads; what leads there exists already. Yields what is wrong."""
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")]
    if len(tokens) < 2 or tokens[0]:
        yield path, 'a JSON pointer begins with "/", as /rules/0/rollout does.'
        return
    if tokens[1] in _FIXED:
        yield path, f"a schedule does not change `{tokens[1]}`."
        return
    here: Any = document
    for depth, token in enumerate(tokens[1:], 1):
        last = depth == len(tokens) - 1
        so_far = "/".join(tokens[: depth + 1])
        if isinstance(here, list):
            ids = [item.get("id") if isinstance(item, dict) else None for item in here]
            places = [str(n) for n in range(len(here))]
            place = places.index(token) if token in places else ids.index(token) if token in ids else None
            if place is None:
                yield path, f"there is nothing at {so_far}."
                return
            if last:
                here[place] = value
            else:
                here = here[place]
        elif isinstance(here, dict):
            if last:
                here[token] = value
            elif token in here:
                here = here[token]
            else:
                yield path, f"there is nothing at {so_far}."
                return
        else:
            yield path, f"{so_far} would be inside a plain value."
            return


def _mutable(value: Any) -> Any:
    """A copy of a document that can be changed everywhere."""
    if isinstance(value, dict):
        return {name: _mutable(inner) for name, inner in value.items()}
    return [_mutable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _typed(flag: Flag) -> Flag:
    """A float flag's values keep their fraction on every way out: 2 becomes 2.0."""
    if flag.type != "float":
        return flag
    values = {name: Decimal(f"{v}.0") if isinstance(v, int) else Decimal(str(v)) for name, v in flag.variants.items()}
    return msgspec.structs.replace(flag, variants=values)
