"""How far an answer looks ahead for its own end: far enough to be useful, and never further together than alone."""

from typing import Any

from tinycdp.dsl.evaluators import LOOK_AHEAD, Activation, settled
from tinycdp.dsl.values.calendar import days_in


class Ticking:
    """A step that is always true and never says so for longer than a millisecond."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, activation: Activation, now: int) -> tuple[bool, int]:
        self.asked += 1
        return True, now + 1


def activation(**steps: Any) -> Activation:
    named = {("segment", name): evaluate for name, evaluate in steps.items()}
    nothing: dict[str, Any] = {}
    return Activation(
        0,
        calendar=days_in("UTC"),
        properties=nothing,
        state=nothing.get,
        first_seen=None,
        last_seen=None,
        evaluators=named,
    )


def test_one_comparison_looks_so_far_ahead() -> None:
    evaluate = Ticking()
    assert settled(evaluate)(activation(), 0) == (True, LOOK_AHEAD + 1)
    assert evaluate.asked == LOOK_AHEAD + 1


def test_comparisons_inside_one_another_share_how_far_they_look() -> None:
    evaluate = Ticking()
    nested: Any = evaluate
    for _ in range(20):
        nested = settled(nested)
    value, until = nested(activation(), 0)
    assert value is True
    assert until > LOOK_AHEAD
    assert evaluate.asked < 20 * 4 * LOOK_AHEAD  # one by one it would be the twentieth power


def test_a_definition_that_many_refer_to_is_looked_at_once() -> None:
    evaluate = Ticking()

    def twice(name: str) -> Any:
        def run(activation: Activation, now: int) -> tuple[bool, int]:
            (a, until_a), (b, until_b) = (
                activation.result(("segment", name), now),
                activation.result(("segment", name), now),
            )
            return a and b, min(until_a, until_b)

        return run

    steps: dict[str, Any] = {"s0": evaluate}
    for n in range(1, 40):
        steps[f"s{n}"] = twice(f"s{n - 1}")
    assert settled(twice("s39"))(activation(**steps), 0) == (True, LOOK_AHEAD + 1)
    assert evaluate.asked == LOOK_AHEAD + 1
