"""The guide's ten recipes: each is said in the words the guide gives, and people enter and leave when it says."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tinycdp.dsl.check.expressions import Scope, check
from tinycdp.dsl.editor.describe import describe_expression
from tinycdp.dsl.ir import Type
from tinycdp.engine.case_runner import run_case

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "recipes.md").read_text()
SECTIONS = re.findall(r"^## (\d+)\. (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
DEFINITIONS = {"traits": {"spend_year": "events.purchase.sum(amount, 365d)"}}
SCOPE = Scope(kind="segment", traits={"spend_year": Type.NUMBER}, certain={"spend_year"})


def expressions(text: str) -> list[str]:
    return re.findall(r"^```expr\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE)


def event(name: str, ts: str, **properties: Any) -> dict[str, Any]:
    return {"event": name, "ts": ts, "properties": properties}


def days(name: str, month: str, *numbers: int, **properties: Any) -> list[dict[str, Any]]:
    return [event(name, f"{month}-{number:02d}T09:00:00Z", **properties) for number in numbers]


def bought(ts: str, amount: Any, **more: Any) -> dict[str, Any]:
    return event("purchase", ts, amount=amount, **more)


IN, OUT = True, False
#: For each recipe and its variation what a profile did, and in or out at instants around the edges.
HISTORIES: dict[int, list[tuple[dict[str, Any], list[tuple[str, bool]]]]] = {
    1: [
        (
            {"events": [bought("2026-01-10T12:00:00Z", Decimal("480.50")), bought("2026-02-01T12:00:00Z", 20),
                        bought("2026-06-01T12:00:00Z", 5)]},
            [("2026-02-01T12:00:00Z", OUT), ("2026-04-02T11:59:59.999Z", OUT), ("2026-04-02T12:00:00Z", IN),
             ("2026-06-01T12:00:00Z", OUT), ("2026-07-31T12:00:00Z", IN), ("2027-01-10T12:00:00Z", OUT)],
        ),
        (
            {"events": [bought("2026-01-10T12:00:00Z", 600)]},
            [("2026-03-11T11:59:59.999Z", OUT), ("2026-03-11T12:00:00Z", IN), ("2027-01-10T12:00:00Z", OUT)],
        ),
    ],
    2: [
        (
            {"profile": {"plan": "trial", "trial_ends_at": "2026-06-30T12:00:00Z"}},
            [("2026-06-27T11:59:59.999Z", OUT), ("2026-06-27T12:00:00Z", IN), ("2026-06-30T12:00:00Z", IN),
             ("2026-06-30T12:00:00.001Z", OUT)],
        ),
        (
            {"profile": {"plan": "trial", "trial_ends_at": "2026-06-30T12:00:00Z"},
             "events": [event("project_created", "2026-06-28T08:00:00Z")]},
            [("2026-06-27T12:00:00Z", IN), ("2026-06-28T08:00:00Z", OUT)],
        ),
    ],
    3: [
        (
            {"events": [event("cart", "2026-03-01T10:00:00Z"), event("cart", "2026-03-01T10:30:00Z"),
                        bought("2026-03-02T10:00:00Z", 10), event("cart", "2026-03-05T10:00:00Z")]},
            [("2026-03-01T11:29:59.999Z", OUT), ("2026-03-01T11:30:00Z", IN), ("2026-03-02T10:00:00Z", OUT),
             ("2026-03-05T11:00:00Z", IN), ("2026-03-08T09:59:59.999Z", IN), ("2026-03-08T10:00:00Z", OUT)],
        ),
        (
            {"events": [event("cart", "2026-03-01T10:00:00Z", value=49),
                        event("cart", "2026-03-01T12:00:00Z", value=50)]},
            [("2026-03-01T11:00:00Z", OUT), ("2026-03-01T13:00:00Z", IN), ("2026-03-04T12:00:00Z", OUT)],
        ),
    ],
    4: [
        (
            {"zone": "Europe/Berlin", "events": days("app_open", "2026-05", *range(1, 11))},
            [("2026-05-10T08:59:59.999Z", OUT), ("2026-05-10T09:00:00Z", IN), ("2026-05-14T21:59:59.999Z", IN),
             ("2026-05-14T22:00:00Z", OUT)],
        ),
        (
            {"events": days("app_open", "2026-05", *range(1, 8))},
            [("2026-05-06T12:00:00Z", OUT), ("2026-05-07T09:00:00Z", IN), ("2026-05-08T23:59:59.999Z", IN),
             ("2026-05-09T00:00:00Z", OUT)],
        ),
    ],
    5: [
        (
            {"events": [event("signup", "2026-05-01T08:00:00Z"), event("invite_sent", "2026-05-05T08:00:00Z")]},
            [("2026-05-02T07:59:59.999Z", OUT), ("2026-05-02T08:00:00Z", IN), ("2026-05-05T08:00:00Z", OUT)],
        ),
        (
            {"events": [event("signup", "2026-05-01T08:00:00Z"), event("project_created", "2026-05-03T08:00:00Z")]},
            [("2026-05-02T08:00:00Z", OUT), ("2026-05-03T08:00:00Z", IN), ("2026-05-07T08:00:00Z", IN),
             ("2026-05-08T07:59:59.999Z", IN), ("2026-05-08T08:00:00Z", OUT)],
        ),
    ],
    6: [
        (
            {"profile": {"next_birthday": "2026-08-20T00:00:00+02:00"}},
            [("2026-08-12T21:59:59.999Z", OUT), ("2026-08-12T22:00:00Z", IN), ("2026-08-19T22:00:00Z", IN),
             ("2026-08-19T22:00:00.001Z", OUT)],
        ),
        ({"profile": {"next_birthday": "2026-08-20T00:00:00Z"}}, [("2026-08-15T00:00:00Z", OUT)]),
        (
            {"profile": {"next_birthday": "2026-08-20T00:00:00Z", "marketing_consent": True}},
            [("2026-08-15T00:00:00Z", IN)],
        ),
    ],
    7: [
        (
            {"events": [*days("app_open", "2026-01", *range(1, 9)), *days("app_open", "2026-02", 10, 11, 12)]},
            [("2026-02-07T08:59:59.999Z", OUT), ("2026-02-07T09:00:00Z", IN), ("2026-02-12T09:00:00Z", IN),
             ("2026-03-02T08:59:59.999Z", IN), ("2026-03-02T09:00:00Z", OUT)],
        ),
        (
            {"events": [*days("app_open", "2026-01", *range(1, 21))]},
            [("2026-01-20T09:00:00Z", OUT), ("2026-01-27T09:00:00Z", IN), ("2026-04-01T08:59:59.999Z", IN),
             ("2026-04-01T09:00:00Z", OUT)],
        ),
    ],
    8: [
        (
            {"profile": {"plan": "free"},
             "events": [*days("app_open", "2026-05", 1, 2, 3, 4, 5), *days("limit_reached", "2026-05", 3, 4, 6)]},
            [("2026-05-06T08:59:59.999Z", OUT), ("2026-05-06T09:00:00Z", IN), ("2026-05-14T23:59:59.999Z", IN),
             ("2026-05-15T00:00:00Z", OUT)],
        ),
        ({"profile": {"plan": "starter"}}, [("2026-05-06T09:00:00Z", OUT)]),
        ({"profile": {"plan": "starter", "seats": 3}}, [("2026-05-06T09:00:00Z", IN)]),
    ],
    9: [
        (
            {"zone": "Europe/Berlin",
             "events": [bought("2025-11-19T23:00:00Z", 30), bought("2025-12-20T10:00:00Z", 40),
                        bought("2026-03-01T10:00:00Z", 10)]},
            [("2025-12-25T10:00:00Z", OUT), ("2026-02-03T09:59:59.999Z", OUT), ("2026-02-03T10:00:00Z", IN),
             ("2026-03-01T10:00:00Z", OUT), ("2026-04-15T10:00:00Z", IN)],
        ),
        (
            {"events": [bought("2025-12-01T10:00:00Z", 30, gift_wrap=True),
                        bought("2025-12-02T10:00:00Z", 30, gift_wrap=True),
                        bought("2026-02-01T10:00:00Z", 30)]},
            [("2025-12-01T10:00:00Z", OUT), ("2025-12-02T10:00:00Z", IN), ("2026-02-01T10:00:00Z", OUT)],
        ),
    ],
    10: [
        (
            {"events": [bought("2026-01-01T10:00:00Z", 20, category="books"),
                        bought("2026-02-01T10:00:00Z", 90, category="games"),
                        bought("2026-03-01T10:00:00Z", 100, category="music"),
                        bought("2026-04-01T10:00:00Z", 80, category="tea"),
                        *days("purchase", "2026-05", 1, 2, 3, amount=5, category="tea")]},
            [("2026-03-01T10:00:00Z", OUT), ("2026-04-01T10:00:00Z", IN), ("2026-05-03T09:00:00Z", OUT)],
        ),
        (
            {"events": [*days("purchase", "2026-05", 1, 2, 3, category="books"),
                        *days("purchase", "2026-05", 4, 5, category="tea")]},
            [("2026-05-04T09:00:00Z", OUT), ("2026-05-05T09:00:00Z", IN), ("2026-10-28T09:00:00Z", OUT)],
        ),
    ],
}  # fmt: skip
#: Which expression of its recipe a history is for; the first one where it is not named.
VARIATION = {(number, n) for number, found in HISTORIES.items() for n in range(1, len(found))}


def test_there_are_ten_with_all_their_parts() -> None:
    assert [int(number) for number, _, _ in SECTIONS] == list(range(1, 11)) == list(HISTORIES)
    for _, title, text in SECTIONS:
        assert len(expressions(text)) == 2, title
        for part in (
            "*",
            "\n> People ",
            "**Enter**",
            "**Leave**" if title != "Usage is falling" else "**leave**",
            "**Variation.**",
        ):
            assert part in text, (title, part)  # fmt: skip


@pytest.mark.parametrize(("number", "title", "text"), SECTIONS, ids=[title for _, title, _ in SECTIONS])
def test_a_recipe_checks_and_reads_as_the_guide_says(number: str, title: str, text: str) -> None:
    for source in expressions(text):
        checked = check(source, SCOPE)
        assert checked.diagnostics == (), (title, source)
    words = " ".join(line.removeprefix("> ") for line in text.splitlines() if line.startswith("> "))
    node = check(expressions(text)[0], SCOPE).node
    assert node is not None
    assert words == describe_expression(node, "segment").tree.text


@pytest.mark.parametrize(
    ("number", "n"), [(number, n) for number, found in HISTORIES.items() for n in range(len(found))]
)
def test_people_enter_and_leave_when_the_guide_says(number: int, n: int) -> None:
    given, moments = HISTORIES[number][n]
    source = expressions(SECTIONS[number - 1][2])[(number, n) in VARIATION]
    case = {**given, "expr": source, "definitions": DEFINITIONS, "timeline": moments}
    answer = run_case(case)
    assert "error" not in answer, answer
    found = [result["value"] is True for result in answer["results"]]
    assert found == [value for _, value in moments], list(zip(moments, found, strict=True))
