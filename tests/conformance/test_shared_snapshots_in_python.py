"""The Python client gives the answers of dsl/snapshots, which every client must give."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tinycdp_client.local import ASK, Answer, Snapshot, read_context

FILES = sorted((Path(__file__).parents[2] / "dsl" / "snapshots").glob("*.json"))


def _answer(found: Any, expected: dict[str, Any]) -> dict[str, Any]:
    """What the client says, in the fields that the case is about."""
    if found is ASK:
        return {"ask": expected.get("ask")}  # why is the server's to know
    if not isinstance(found, Answer):
        return {"error": "FLAG_NOT_FOUND"}
    said = {"value": found.value, "variant": found.variant, "reason": found.reason, "validUntil": found.valid_until}
    said["rule"] = found.rule
    said["unitMissing"] = found.needs_identifier
    return {name: said.get(name) for name in expected}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_shared_cases(path: Path) -> None:
    file = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    snapshots = [Snapshot(json.loads(json.dumps(fields, default=float))) for fields in file["snapshots"]]
    wrong = []
    for case in file["cases"]:
        found = snapshots[case["of"]].decide(case["flag"], read_context(case.get("context")), case["now"])
        expected = json.loads(json.dumps(case["answer"], default=float))
        said = _answer(found, expected)
        if said != expected:
            wrong.append((case["id"], said, expected))
    assert wrong == []
