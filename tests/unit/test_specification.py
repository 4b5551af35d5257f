"""The specification and the guides against the language itself: what they show checks, and gives what they say."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tinycdp.dsl.check.expressions import Checked, Scope, check
from tinycdp.dsl.check.signatures import AGGREGATES, FUNCTIONS, GENERIC, REFERENCES
from tinycdp.dsl.ir import Type
from tinycdp.engine.case_runner import run_case

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "dsl" / "SPEC.md", *sorted((ROOT / "docs").rglob("*.md"))]
SPECIFICATION = PAGES[0].read_text()
#: What the pages take for granted.
TRAITS = {
    "spend": "events.purchase.sum(amount, 30d)",
    "loyal": "events.purchase.count_365d >= 5",
    "spend_year": "spend",
}
SEGMENTS = {"vip": "spend > 1000"}
NOW = "2026-06-01T00:00:00Z"


def checked(source: str) -> Checked:
    """As a trait, or where only a flag's rule may say it, as that."""
    kinds = []
    for kind in ("trait", "flag"):
        scope = Scope(
            kind=kind,  # type: ignore[arg-type]
            traits={"spend": Type.NUMBER, "loyal": Type.BOOL, "spend_year": Type.NUMBER},
            segments=SEGMENTS,
            flags={"checkout": Type.BOOL, "theme": Type.STRING},
            certain=TRAITS,
        )
        kinds.append(check(source, scope))
    return kinds[1] if any(error.code == "E506" for error in kinds[0].errors) else kinds[0]


def blocks() -> list[tuple[str, str]]:
    """(page, expression) of every fenced block of expressions: a block is one, or has one on each line."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```expr\n(.*?)\n```$", page.read_text(), re.DOTALL | re.MULTILINE):
            lines = block.splitlines()
            whole = any(line.startswith(" ") for line in lines)
            found += [(page.name, source) for source in ([block] if whole else lines)]
    return found


@pytest.mark.parametrize(("page", "source"), blocks(), ids=lambda value: value[:50])
def test_every_expression_shown_checks(page: str, source: str) -> None:
    assert checked(source).errors == ()


def test_there_are_expressions_to_check() -> None:
    pages = {page for page, _ in blocks()}
    assert {"SPEC.md", "recipes.md"} <= pages and len(blocks()) > 50


def rows(heading: str, columns: int) -> list[list[str]]:
    """The rows of the first table with so many columns under a heading."""
    section = re.split(rf"^## {heading}$", SPECIFICATION, flags=re.MULTILINE)[1].split("\n## ")[0]
    cells = [re.split(r" \| ", line.strip("| ")) for line in section.splitlines() if line.startswith("| `")]
    return [row for row in cells if len(row) == columns]


def value(source: str) -> Any:
    answer = run_case(
        {"expr": source, "at": NOW, "definitions": {"traits": TRAITS, "segments": SEGMENTS, "flags": {"checkout": {}}}}
    )
    assert "error" not in answer, answer
    return answer["results"][0]["value"]


def said(cell: str) -> Any:
    text = cell.strip("`")
    match text:
        case "unknown":
            return None
        case "true" | "false":
            return text == "true"
    return text.strip('"') if text.startswith('"') else Decimal(text)


@pytest.mark.parametrize("row", rows("Aggregates", 4), ids=lambda row: row[0])
def test_an_aggregate_of_nothing_is_what_the_specification_says(row: list[str]) -> None:
    _, _, example, empty = row
    assert value(example.strip("`")) == said(empty)


@pytest.mark.parametrize("row", rows("Functions", 4), ids=lambda row: row[0])
def test_a_function_gives_what_the_specification_says(row: list[str]) -> None:
    _, _, example, result = row
    assert value(example.strip("`")) == said(result)


def test_every_aggregate_and_function_has_an_example() -> None:
    aggregates = " ".join(row[0] for row in rows("Aggregates", 4))
    assert [name for name in AGGREGATES if not re.search(rf"`{name}\b", aggregates)] == []
    functions = " ".join(row[0] for row in rows("Functions", 4))
    assert [name for name in (*FUNCTIONS, *GENERIC, *REFERENCES) if f"`{name}(" not in functions] == []
