"""The vectors of local evaluation: snapshots, contexts and the answers, made from the engine and the other vectors.

Shape   files() -> what dsl/snapshots/ holds. `python tests/local_vectors.py` writes it
Laws    the engine says every answer. `validUntil` stands only where it is the answer's true end, which every
        implementation finds
Source  dsl/SNAPSHOT.md, dsl/vectors
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from builders import VECTORS
from local_worlds import START, World, plain_snapshot
from tinycdp.engine import case_runner
from tinycdp.engine.catalog import Catalog, Definition, build_catalog
from tinycdp.engine.flags.decide import Decision, FlagActivation, decide
from tinycdp.engine.flags.document import read_flag
from tinycdp.engine.flags.trail import Killed
from tinycdp.errors import InvalidInput
from tinycdp.model import NEVER

FOLDER = VECTORS.parent / "snapshots"
#: Topics whose expressions say the same about the context as about properties.
_TOPICS = ("logic", "number")
#: Together they have every node.
_WORLDS = (101, 104, 106, 107, 109, 112, 115, 131)
_encode = msgspec.json.Encoder(decimal_format="number").encode


def files() -> dict[str, Any]:
    """The content of each file, by its name."""
    return {
        "flags.json": _file("The flags of dsl/vectors/flag, for clients.", _flags()),
        "language.json": _file("Expressions of dsl/vectors, over the context instead of the profile.", _language()),
        "worlds.json": _file("Random flags, profiles and contexts.", _worlds()),
    }


def text_of(content: Any) -> str:
    """A file's text: a line for each snapshot and each case."""
    snapshots = ",\n  ".join(_line(one) for one in content["snapshots"])
    cases = ",\n  ".join(_line(one) for one in content["cases"])
    return f'{{"about": {_line(content["about"])},\n "snapshots": [\n  {snapshots}\n ],\n "cases": [\n  {cases}\n ]}}\n'


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _file(about: str, found: Iterator[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    snapshots: list[Any] = []
    cases = []
    for snapshot, case in found:
        if snapshot not in snapshots[-1:]:
            snapshots.append(snapshot)
        cases.append({"id": case.pop("id"), "of": len(snapshots) - 1, **case})
    return {"about": about, "snapshots": snapshots, "cases": cases}


def answer_of(decision: Decision, again: Decision | None, snapshot: dict[str, Any]) -> dict[str, Any]:
    """The fields of an answer. `again` is the decision at its `until`, None if that never comes."""
    answer = {"value": json.loads(_encode(decision.value)), "variant": decision.variant, "reason": str(decision.reason)}
    if decision.rule is not None:
        answer["rule"] = decision.rule
    if decision.unit_missing:
        answer["unitMissing"] = True
    is_end = again is not None and (again.variant, again.reason, again.rule) != (
        decision.variant,
        decision.reason,
        decision.rule,
    )
    if (again is None or is_end) and (snapshot["validUntil"] or NEVER) >= decision.until:
        answer["validUntil"] = None if again is None else decision.until
    return answer


def _flags() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for path in sorted((VECTORS / "flag").glob("*.json")):
        vectors = json.loads(path.read_text(), parse_float=Decimal)
        for case in vectors["cases"]:
            whole = {**vectors["given"], **case}
            if "decision" in whole and "unit" in whole and not isinstance(whole["unit"], list):
                yield from _of_case(whole)


def _of_case(whole: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    case = case_runner._read(
        {k: v for k, v in whole.items() if k in case_runner._Case.__struct_fields__}, case_runner._Case, "$"
    )
    definitions = [_for_clients(one) for one in case_runner._definitions(case)]
    try:
        catalog = build_catalog(0, case.zone, definitions, definitions, live_revision=1, head_revision=1)
    except InvalidInput:
        return
    for moment in case_runner._replay(case, catalog):

        def activation(now: int, context: dict[str, Any], moment: Any = moment) -> FlagActivation:
            profile = moment.profile
            found = FlagActivation(
                now, calendar=catalog.calendar, properties=profile.properties, state=profile.state,
                first_seen=profile.first_seen, last_seen=profile.last_seen, evaluators=catalog.live.evaluators,
                context=context,
            )  # fmt: skip
            found.unit = profile.bucketing_key or None
            found.names = tuple(f"{id.kind} {id.value}" for id in case.ids)
            found.killed = {catalog.live.flags[key].id: Killed() for key in case.killed}
            return found

        snapshot = plain_snapshot(catalog, activation(moment.now, {}), moment.now)
        context = json.loads(_encode(case.context))
        yield snapshot, {
            "id": whole["id"], "flag": case.flag_key, "context": context, "now": moment.now,
            "answer": _expected(catalog, case.flag_key, snapshot, activation, case.context, moment.now),
        }  # fmt: skip
        return


def _expected(
    catalog: Catalog, key: str, snapshot: dict[str, Any], activation: Any, context: Any, now: int
) -> dict[str, Any]:
    if key not in catalog.live.flags:
        return {"error": "FLAG_NOT_FOUND"}
    if "ask" in snapshot["flags"][key]:
        return {"ask": snapshot["flags"][key]["ask"]}
    program = catalog.live.flags[key]
    decision = decide(program, activation(now, context), now)
    again = decide(program, activation(decision.until, context), decision.until) if decision.until < NEVER else None
    return answer_of(decision, again, snapshot)


def _for_clients(definition: Definition) -> Definition:
    if definition.flag is None:
        return definition
    return msgspec.structs.replace(definition, flag=msgspec.structs.replace(definition.flag, evaluation="client"))


def _language() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for topic in _TOPICS:
        for path in sorted((VECTORS / topic).glob("*.json")):
            vectors = json.loads(path.read_text(), parse_float=Decimal)
            for case in vectors["cases"]:
                whole = {**vectors["given"], **case}
                if "value" in whole and "profile." in whole.get("expr", "") and "at" in whole:
                    yield from _of_expression(whole)


def _of_expression(whole: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    if not _is_double(whole.get("profile", {})):
        return  # no browser can send it
    rule = whole["expr"].replace("profile.", "context.")
    value = whole["value"]
    if value is None:
        rule = f"!exists({rule})"
    elif not isinstance(value, bool):
        rule = f"({rule}) == {_line(value) if isinstance(value, str) else value}"
    moved = {
        "id": f"context-{whole['id']}", "unit": "u-1", "at": whole["at"], "context": whole.get("profile", {}),
        "flag": {"key": "f", "salt": "f", "rule": rule}, "definitions": {"flags": {}},
        "events": [], "profile": {},
    }  # fmt: skip
    try:
        read_flag({"key": "f", **moved["flag"]}, "f")
        yield from _of_case(moved)
    except InvalidInput:
        return


def _is_double(value: Any) -> bool:
    """Whether every number in it is that of a double's shortest text."""
    if isinstance(value, dict | list):
        return all(map(_is_double, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, int | Decimal) or Decimal(repr(float(value))) == value


def _worlds() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for seed in _WORLDS:
        world = World(seed)
        snapshot = world.snapshot()
        for key in world.catalog.live.flags:
            for n in range(4):
                context = world.context()
                answer = _expected(world.catalog, key, snapshot, world.activation, context, START)
                yield (
                    snapshot,
                    {"id": f"world-{seed}-{key}-{n}", "flag": key, "context": context, "now": START, "answer": answer},
                )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in files().items():
        (FOLDER / name).write_text(text_of(content))
    print(*(f"{path.name}: {path.stat().st_size} bytes" for path in sorted(FOLDER.glob("*.json"))), sep="\n")
