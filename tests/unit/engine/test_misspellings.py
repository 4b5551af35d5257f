"""Likely misspellings among names: what is marked, and what is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycdp.dsl.suggest import edits, within
from tinycdp.engine.schema.misspellings import YOUNGER_MS, NameSeen, likely_misspellings


def seen(name: str, n: int = 1, first_at: int = 0, *, planned: bool = False) -> NameSeen:
    return NameSeen(name, n, first_at, planned)


@pytest.mark.parametrize(
    ("rare", "usual"),
    [
        (seen("signpu"), seen("signup", 10)),
        (seen("Signup"), seen("signup", 10)),
        (seen("adde_to_crt"), seen("added_to_cart", 10)),
        (seen("signups", 40, YOUNGER_MS), seen("signup", 50)),
        (seen("signpu", 500), seen("signup", 0, planned=True)),
        (seen("signpu"), seen("signup", 10, planned=True)),
    ],
)
def test_a_name_like_another_with_a_reason_to_doubt_it_is_marked(rare: NameSeen, usual: NameSeen) -> None:
    assert likely_misspellings([rare, usual]) == {rare.name: usual.name}


@pytest.mark.parametrize(
    ("rare", "usual"),
    [
        (seen("signin"), seen("signup", 1000)),
        (seen("signpu", 2), seen("signup", 10)),
        (seen("signpu", planned=True), seen("signup", 1000, planned=True)),
        (seen("signpu", planned=True), seen("signup", 1000)),
        (seen("step_1"), seen("step_2", 1000)),
        (seen("signup.v1"), seen("signup.v2", 1000)),
        (seen("$signup"), seen("signup", 1000)),
        (seen("ads"), seen("add", 1000)),
        (seen("signups", 60, YOUNGER_MS), seen("signup", 50)),
        (seen("signups", 40, YOUNGER_MS - 1), seen("signup", 50)),
        (seen("signpu", 0, planned=True), seen("signup", 0, planned=True)),
    ],
)
def test_what_may_well_be_meant_is_left_alone(rare: NameSeen, usual: NameSeen) -> None:
    assert likely_misspellings([rare, usual]) == {}


def test_of_several_the_nearest_and_then_the_most_frequent_was_meant() -> None:
    names = [seen("order_plced"), seen("order_placed", 20), seen("order_paced", 30), seen("order_place", 9000)]
    assert likely_misspellings(names)["order_plced"] == "order_paced"


_NAMES = st.lists(
    st.builds(NameSeen, st.text("abc", min_size=3, max_size=10), st.integers(0, 200), st.just(0), st.booleans()),
    unique_by=lambda one: one.name,
)


@given(_NAMES)
def test_a_planned_name_is_never_doubtful_and_no_two_are_meant_by_each_other(names: list[NameSeen]) -> None:
    found = likely_misspellings(names)
    assert not {one.name for one in names if one.planned} & found.keys()
    assert not [name for name, meant in found.items() if found.get(meant) == name]


@given(st.text("abc", max_size=7), st.lists(st.text("abc", max_size=7), max_size=20), st.integers(0, 2))
def test_those_within_reach_are_those_that_the_measure_finds(name: str, others: list[str], reach: int) -> None:
    wanted = {n: edits(name, other, reach) for n, other in enumerate(others) if edits(name, other, reach) <= reach}
    assert dict(within(name, others, reach)) == wanted
