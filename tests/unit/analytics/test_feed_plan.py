"""What a batch of the outbox means: the last statement holds, and an erasure leaves only what stands beside it."""

from tinycdp.engine import outbox
from tinycdp.products.analytics.feed.plan import first_rows, plan_of
from tinycdp.runtime.outbox import Batch, CommittedChanges

STORED = outbox.StoredEvents([(1, 3)], [10, 10, 11], (100, 200))


def batch(*rows: list[outbox.Change]) -> Batch:
    made = [CommittedChanges(position, 1_000 + position, changes) for position, changes in enumerate(rows, 1)]
    return Batch(1, "analytics", 0, len(rows), made)


def test_events_belong_to_the_profile_of_their_own_transaction() -> None:
    moved = outbox.Moved(11, 10, [7])
    plan = plan_of(batch([STORED], [moved]))
    assert plan.events == {1: (10, 0), 2: (10, 0), 3: (11, 0)}
    assert plan.overrides == {7: (10, 2)}
    assert plan.people == {10, 11}


def test_the_last_move_of_an_identifier_holds() -> None:
    plan = plan_of(batch([outbox.Moved(11, 10, [7, 8])], [outbox.Moved(10, 12, [7])]))
    assert plan.overrides == {7: (12, 2), 8: (10, 1)}


def test_what_an_anonymisation_stores_again_carries_its_position() -> None:
    again = outbox.StoredEvents([(2, 2)], [20], (150, 250))
    plan = plan_of(batch([STORED], [outbox.Erased(5, [10], [7], [(4, 6)]), again]))
    assert plan.events == {1: (10, 0), 2: (20, 2), 3: (11, 0)}
    assert plan.restored == {2: 2}
    assert plan.received == (100, 250)
    assert (plan.erased_profiles, plan.erased_identifiers, plan.erased_exposures) == ({10}, {7}, [(4, 6)])


def test_an_erased_identifier_has_no_override() -> None:
    assert plan_of(batch([outbox.Moved(11, 10, [7])], [outbox.Erased(5, [10], [7])])).overrides == {}


def test_transitions_of_an_erasure_are_copied_from_the_beginning() -> None:
    crossing = outbox.Transitions([outbox.Crossing(20, 3, True, 50, "event")])
    assert plan_of(batch([crossing])).anew == set()
    assert plan_of(batch([outbox.Erased(5, [10], [7]), crossing])).anew == {20}


def test_a_batch_is_cut_at_the_row_that_fills_it() -> None:
    whole = batch([STORED], [STORED], [STORED])
    assert [len(first_rows(whole, n).rows) for n in (1, 3, 4, 6, 7, 100)] == [1, 1, 2, 2, 3, 3]
    assert first_rows(whole, 4).last == 2
    assert first_rows(whole, 100) is whole
