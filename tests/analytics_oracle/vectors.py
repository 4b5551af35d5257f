"""The hand-computed cases of tests/analytics_vectors, as worlds, questions and what their answers must say.

Shape   cases(*kinds) → list of Case(id, world, question, expected) · differences(answer, expected) → list of text
Laws    `expected` is a part of the answer as it is on the wire: of an object only the fields that are given count, a
        list is given in full. A file has one history, written by hand: people by name, instants as text
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from analytics_oracle.calendar import from_text
from analytics_oracle.world import Exposure, Flag, Moved, Person, RawEvent, Said, World
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.questions.schemas import DerivedEvent, Question

FOLDER = Path(__file__).parents[1] / "analytics_vectors"


@dataclass(frozen=True)
class Case:
    """One question about one history, and a part of its answer."""

    id: str
    world: World
    question: Question
    expected: Any


def cases(*kinds: str) -> list[Case]:
    """The cases of these kinds, or all."""
    return [case for path in sorted(FOLDER.glob("*.json")) if not kinds or path.stem in kinds for case in _cases(path)]


def _cases(path: Path) -> Iterator[Case]:
    document = json.loads(path.read_text(), parse_float=Decimal)
    for case in document["cases"]:
        given = {**document["given"], **case.get("given", {})}
        question = msgspec.convert(case["question"], Question)  # type: ignore[arg-type]
        yield Case(f"{path.stem}:{case['id']}", world_of(given), question, case["expected"])


def world_of(given: dict[str, Any]) -> World:
    """The world of a `given`: each person has one identifier, of the same number, unless an event names another."""
    names = sorted(
        {event[0] for event in given["events"]}
        | {exposure[2] for exposure in given.get("exposures", ())}
        | given.get("people", {}).keys()
        | given.get("owners", {}).keys()
    )
    number = {name: n for n, name in enumerate(names, 1)}
    events = [_event(n, event, number) for n, event in enumerate(given["events"], 1)]
    return World(
        zone=given.get("zone", "UTC"),
        as_of=from_text(given["asOf"]),
        events=tuple(events),
        said=tuple(
            Said(number[who], name, from_text(at), f"s{n}", value)
            for n, (who, name, at, value) in enumerate(given.get("said", ()))
        ),
        moved=tuple(
            Moved(number[who], segment, from_text(at), entered, n)
            for n, (who, segment, at, entered) in enumerate(given.get("moved", ()))
        ),
        people={
            number[name]: Person(
                properties=person.get("properties", {}),
                segments=frozenset(person.get("segments", ())),
                group=person.get("group"),
                group_traits=person.get("groupTraits", {}),
            )
            for name, person in given.get("people", {}).items()
        },
        exposures=tuple(
            Exposure(flag, unit, number[who], variant, from_text(at), rule)
            for flag, unit, who, variant, at, rule in given.get("exposures", ())
        ),
        owners={number[name]: number[owner] for name, owner in given.get("owners", {}).items()},
        derived={key: msgspec.convert(event, DerivedEvent) for key, event in given.get("derived", {}).items()},
        flags={
            key: Flag(tuple(flag["variants"]), flag["off"], flag.get("splits", {}))
            for key, flag in given.get("flags", {}).items()
        },
    )


def _event(n: int, row: list[Any], number: dict[str, int]) -> RawEvent:
    who, name, at, properties, more = [*row, {}, {}][:5] if len(row) < 4 else [*row, {}][:5]
    instant = from_text(at)
    return RawEvent(
        id=n,
        name=name,
        occurred_at=instant,
        received_at=instant,
        identifier_id=number[who],
        stored_profile_id=number[who],
        kind=more.get("kind", "track"),
        active=more.get("active", True),
        message_id=f"m{n}",
        properties=properties,
        context=more.get("context", {}),
    )


def differences(answer: Answer, expected: Any) -> list[str]:
    """Where an answer does not say what is expected."""
    return list(_differences("", msgspec.to_builtins(answer, builtin_types=(Decimal,)), expected))


def _differences(path: str, found: Any, expected: Any) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, value in expected.items():
            yield from _differences(f"{path}.{name}", found.get(name, "nothing"), value)
    elif isinstance(expected, list) and isinstance(found, list | tuple):
        if len(expected) != len(found):
            yield f"{path}: has {len(found)} elements, not {len(expected)}: {found}"
        for n, (one, value) in enumerate(zip(found, expected, strict=False)):
            yield from _differences(f"{path}[{n}]", one, value)
    elif not _same(found, expected):
        yield f"{path}: is {found!r}, not {expected!r}"


def _same(found: Any, expected: Any) -> bool:
    if isinstance(found, bool) or isinstance(expected, bool) or found is None or expected is None:
        return found is expected
    if isinstance(found, str) and isinstance(expected, str) and found[:4].isdigit() and "T" in found:
        return from_text(found) == from_text(expected)
    return found == expected
