"""Funnels and retentions that cannot be asked: what the error says, and where."""

import re
from typing import Any

import msgspec
import pytest

from tinycdp.dsl.check.expressions import Scope
from tinycdp.dsl.ir import Type
from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.compile.funnels.plan import FunnelPlan
from tinycdp.products.analytics.compile.questions import compile_question
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.questions.schemas import Question

NOW = 1_772_366_400_000
WORLD = World(1, "UTC", NOW, False, Scope(events={"a": {"tag": Type.STRING}, "b": {"tag": Type.STRING}}))
RANGE = {"from": "2026-02-01", "to": "2026-03-01"}
STEPS = [{"event": "a"}, {"event": "b"}]


def asked(kind: str, **fields: Any) -> Question:
    return msgspec.convert({"kind": kind, **RANGE, **fields}, Question)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("steps", {"steps": []}),
        ("steps", {"steps": STEPS * 11}),
        ("steps[1].event", {"steps": [{"event": "a"}, {"event": ""}]}),
        ("steps[0].within", {"steps": [{"event": "a", "within": "1d"}, {"event": "b"}]}),
        ("steps[1].within", {"steps": [{"event": "a"}, {"event": "b", "within": "401d"}]}),
        ("steps[1].within", {"steps": [{"event": "a"}, {"event": "b", "within": "1d"}], "order": "any"}),
        ("steps", {"steps": [{"event": "a", "where": f"n == {n}"} for n in range(9)], "order": "any"}),
        ("within", {"steps": STEPS, "within": "401d"}),
        ("within", {"steps": STEPS, "within": "soon"}),
        ("exclude[0].after", {"steps": STEPS, "exclude": [{"event": "c", "after": [2]}]}),
        ("exclude[0].after", {"steps": STEPS, "exclude": [{"event": "c", "after": [1]}], "order": "any"}),
        ("exclude[0].event", {"steps": STEPS, "exclude": [{"event": ""}]}),
        ("attribution", {"steps": STEPS, "attribution": "step:3"}),
        ("attribution", {"steps": STEPS, "attribution": "best"}),
        ("hold[0]", {"steps": STEPS, "hold": ["tag."]}),
        ("hold", {"steps": STEPS, "hold": ["a", "b", "c", "d"]}),
    ],
)
def test_a_funnel_that_cannot_be_asked_says_where(path: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as raised:
        compile_question(asked("funnel", **fields), WORLD)
    assert raised.value.code == "INVALID_QUESTION"
    assert raised.value.details["path"] == path


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("start.event", {"start": {"event": ""}}),
        ("periods", {"periods": 0}),
        ("periods", {"periods": 401}),
        ("periods", {"periods": 14, "bucket": "month"}),
        ("brackets[1]", {"brackets": [[0, 1], [3, 2]]}),
        ("brackets[0]", {"brackets": [[0, 400]]}),
    ],
)
def test_a_retention_that_cannot_be_asked_says_where(path: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as raised:
        compile_question(asked("retention", **{"start": {"event": "a"}, "returns": {"event": "b"}, **fields}), WORLD)
    assert raised.value.code == "INVALID_QUESTION"
    assert raised.value.details["path"] == path


def test_a_property_to_hold_that_no_event_is_known_to_have_is_a_warning_with_the_nearest_name() -> None:
    plan = FunnelPlan.of(asked("funnel", steps=STEPS, hold=["tga"]), WORLD)  # type: ignore[arg-type]
    (notice,) = plan.scan.notices
    assert (notice.path, "tag" in notice.message) == ("hold[0]", True)
    assert not FunnelPlan.of(asked("funnel", steps=STEPS, hold=["tag"]), WORLD).scan.notices  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ["ordered", "strict", "any"])
def test_the_sql_of_a_funnel_grows_with_its_steps_and_no_faster(order: str) -> None:
    def size(steps: int) -> int:
        question = asked("funnel", steps=[{"event": f"e{n}"} for n in range(steps)], order=order)
        return len(compile_question(question, WORLD).statements[0].sql)

    assert size(20) - size(15) < 1.5 * (size(10) - size(5))


#: The name of a column: after AS, or by itself.
_COLUMN = re.compile(r"(?:^| AS )(\w+)(?=,$|$)", re.MULTILINE)


@pytest.mark.parametrize("order", ["ordered", "strict", "any"])
@pytest.mark.parametrize("hold", [[], ["tag"]])
@pytest.mark.parametrize("breakdown", [[], [{"property": "tag"}, {"property": "n"}]])
@pytest.mark.parametrize("bucket", ["", "week"])
@pytest.mark.parametrize("exclude", [[], [{"event": "c"}]])
def test_no_layer_of_a_funnel_hides_a_column(
    order: str, hold: list[str], breakdown: list[dict[str, str]], bucket: str, exclude: list[dict[str, str]]
) -> None:
    """ClickHouse takes either of two columns of one name, and says nothing."""
    within = {} if order == "any" else {"within": "1d"}
    fields = {"order": order, "hold": hold, "breakdown": breakdown, "exclude": exclude} | (
        {"bucket": bucket} if bucket else {}
    )
    steps = [{"event": "a"}, {"event": "b", **within}, {"event": "a", **within}, {"event": "b"}]
    (statement,) = compile_question(asked("funnel", steps=steps, **fields), WORLD).statements
    seen: list[str] = []
    for select in statement.sql.split("\nFROM (\n"):
        seen += _COLUMN.findall(select.replace("SELECT ", "").replace("\n  ", "\n"))
        if not select.startswith("SELECT *"):  # no column of those below is passed on
            assert sorted(seen) == sorted(set(seen))
            seen = []
