"""How far an answer looks ahead for its own end: far enough to be useful, and never further together than alone."""

from typing import Any

from tinycdp.dsl.evaluators import LOOK_AHEAD, Frame, settled
from tinycdp.dsl.values.calendar import days_in


class Ticking:
    """A step that is always true and never says so for longer than a millisecond."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, frame: Frame, now: int) -> tuple[bool, int]:
        self.asked += 1
        return True, now + 1


def frame(**steps: Any) -> Frame:
    named = {("segment", name): step for name, step in steps.items()}
    nothing: dict[str, Any] = {}
    return Frame(
        0,
        calendar=days_in("UTC"),
        properties=nothing,
        state=nothing.get,
        first_seen=None,
        last_seen=None,
        steps=named,
    )


def test_one_comparison_looks_so_far_ahead() -> None:
    step = Ticking()
    assert settled(step)(frame(), 0) == (True, LOOK_AHEAD + 1)
    assert step.asked == LOOK_AHEAD + 1


def test_comparisons_inside_one_another_share_how_far_they_look() -> None:
    step = Ticking()
    nested: Any = step
    for _ in range(20):
        nested = settled(nested)
    value, until = nested(frame(), 0)
    assert value is True
    assert until > LOOK_AHEAD
    assert step.asked < 20 * 4 * LOOK_AHEAD  # one by one it would be the twentieth power


def test_a_definition_that_many_refer_to_is_looked_at_once() -> None:
    step = Ticking()

    def twice(name: str) -> Any:
        def run(frame: Frame, now: int) -> tuple[bool, int]:
            (a, until_a), (b, until_b) = frame.result(("segment", name), now), frame.result(("segment", name), now)
            return a and b, min(until_a, until_b)

        return run

    steps: dict[str, Any] = {"s0": step}
    for n in range(1, 40):
        steps[f"s{n}"] = twice(f"s{n - 1}")
    assert settled(twice("s39"))(frame(**steps), 0) == (True, LOOK_AHEAD + 1)
    assert step.asked == LOOK_AHEAD + 1
