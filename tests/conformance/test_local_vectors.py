"""The vectors of local evaluation are current, and there are enough of each kind.

Source  dsl/SNAPSHOT.md, dsl/snapshots
"""

import json
import re
from collections import Counter

import pytest

from local_vectors import FOLDER, files, text_of

FILES = files()
NODES = [
    "and",
    "or",
    "not",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "same",
    "in",
    "between",
    "exists",
    "else",
    "if",
    "+",
    "-",
    "*",
    "/",
    "neg",
    "ago",
    "until",
    "units",
    "abs",
    "round",
    "min",
    "max",
    "lower",
    "upper",
    "starts_with",
    "ends_with",
    "contains",
    "len",
    "semver",
    "datetime",
    "known",
    "flag",
    "context",
    "number",
    "ms",
    "version",
    "json",
]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_the_engine_says(name: str) -> None:
    """After a change that is meant, `PYTHONPATH=src:tests python tests/local_vectors.py` writes them anew."""
    assert (FOLDER / name).read_text() == text_of(FILES[name])


def test_there_are_no_other_files() -> None:
    assert {path.name for path in FOLDER.iterdir()} == FILES.keys()


def test_every_id_is_unique() -> None:
    ids = Counter(case["id"] for content in FILES.values() for case in content["cases"])
    assert [id for id, times in ids.items() if times > 1] == []


def test_they_say_something() -> None:
    answers = [case["answer"] for content in FILES.values() for case in content["cases"]]
    assert len(answers) >= 380
    reasons = Counter(answer.get("reason", answer.get("error")) for answer in answers)
    assert reasons.keys() >= {"TARGETING_MATCH", "SPLIT", "DEFAULT", "STATIC", "DISABLED", "FLAG_NOT_FOUND"}
    assert {answer["ask"] for answer in answers if "ask" in answer} >= {"server", "flag", "name"}
    text = json.dumps([content["snapshots"] for content in FILES.values()])
    assert [node for node in NODES if f'["{node}", ' not in text] == []


def test_the_specification_has_every_node() -> None:
    specification = (FOLDER.parent / "SNAPSHOT.md").read_text()
    shown = set(re.findall(r'`\["([^"]+)"', specification)) | set(re.findall(r"`([!<>=*/-]{1,2})`", specification))
    assert shown >= set(NODES)
