"""The order of a lane, whatever fails: no later delivery of a person is tried before an earlier one is done."""

from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from tinycdp.products.delivery.happenings import Happening
from tinycdp.products.delivery.lanes.order import LaneItem, Order

PEOPLE = st.lists(st.integers(1, 4), min_size=1, max_size=2, unique=True)
#: What happens next: a new item, time that passes, an item that is taken, and how a taken one ends.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), PEOPLE),
        st.tuples(st.just("take"), st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 5), st.sampled_from(["done", "fail"]), st.integers(0, 30)),
        st.tuples(st.just("pass"), st.integers(1, 20)),
        st.tuples(st.just("hurry")),
    ),
    max_size=120,
)


def _item(seq: int, profile_ids: list[int]) -> LaneItem:
    other = profile_ids[1] if len(profile_ids) > 1 else None
    return LaneItem(Happening(seq, seq, 0, "profile.merged", profile_ids[0], other))


@examples(300, deep=5_000)
@given(STEPS)
def test_order_per_person_holds_and_nothing_is_forgotten(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    order, now, seq = Order(), 1, 0
    open_: dict[int, LaneItem] = {}
    taken: list[LaneItem] = []
    for step in steps:
        match step:
            case ("add", profile_ids):
                seq += 1
                open_[seq] = item = _item(seq, profile_ids)
                order.add(item)
            case ("take", is_probe):
                found = order.probe() if is_probe else order.next(now)
                free = [one for one in open_.values() if one not in taken and _is_first(one, open_)]
                if found is None:
                    assert not (free if is_probe else [one for one in free if one.due <= now]), "one may be"
                    continue
                assert found in free, "it is in order, and not taken"
                if not is_probe:
                    assert found.due <= now
                    fresh = [one for one in free if not one.attempts]
                    assert not (found.attempts and fresh), "first tries go first"
                taken.append(found)
            case ("end", n, how, pause) if taken:
                item = taken.pop(n % len(taken))
                if how == "done":
                    order.done(item)
                    del open_[item.seq]
                else:
                    item.attempts += 1
                    order.again(item, now + pause)
            case ("pass", n):
                now += n
            case ("hurry",):
                order.hurry(now)
    assert order.items.keys() == open_.keys()
    for item in taken:
        order.done(item)
        del open_[item.seq]
    # Whatever is left can be done, in order.
    seen: dict[int, int] = {}
    while (last := order.probe()) is not None:
        for person in last.happening.profile_ids:
            assert last.seq > seen.get(person, 0)
            seen[person] = last.seq
        order.done(last)
        del open_[last.seq]
    assert not open_


def _is_first(item: LaneItem, open_: dict[int, LaneItem]) -> bool:
    return all(
        item.seq <= other.seq
        for other in open_.values()
        if set(item.happening.profile_ids) & set(other.happening.profile_ids)
    )
