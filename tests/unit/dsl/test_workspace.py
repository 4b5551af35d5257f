from itertools import permutations

from tinycdp.dsl.check.workspace import MAX_AGGREGATES, MAX_LEVELS, DefinitionSource, FlagSource, check_workspace
from tinycdp.dsl.ir import Type

SOURCES: tuple[DefinitionSource | FlagSource, ...] = (
    DefinitionSource("trait", "spend", "events.purchase.sum(amount, 30d)"),
    DefinitionSource("trait", "plan", "events.purchase.last(sku)"),
    DefinitionSource("segment", "whales", "spend > 1000"),
    FlagSource("beta", Type.BOOL, ("segments.whales", 'context.platform == "ios"'), requires=("base",)),
    FlagSource("base", Type.STRING, ()),
)


def test_types_pass_from_definition_to_definition() -> None:
    found = check_workspace(SOURCES)
    assert found.errors == {}
    assert [part.type for part in found.checked["trait", "spend"]] == [Type.NUMBER]
    assert [part.type for part in found.parts(("flag", "beta"))] == [Type.BOOL, Type.BOOL]
    assert found.parts(("trait", "absent")) == ()


def test_the_order_does_not_depend_on_the_order_of_arrival() -> None:
    orders = {check_workspace(sources).order for sources in permutations(SOURCES)}
    [order] = orders
    assert order.index(("trait", "spend")) < order.index(("segment", "whales")) < order.index(("flag", "beta"))
    assert order.index(("flag", "base")) < order.index(("flag", "beta"))
    assert len(order) == len(SOURCES)


def test_a_cycle_is_named_by_its_way_and_only_its_members_are_in_it() -> None:
    found = check_workspace(
        [
            DefinitionSource("segment", "vip", "segments.whales && spend > 1"),
            DefinitionSource("segment", "whales", "segments.vip"),
            DefinitionSource("segment", "self", "!segments.self"),
            DefinitionSource("trait", "above", "segments.vip"),
            *SOURCES[:1],
        ]
    )
    messages = {key: error.message for (_, key), error in found.errors.items()}
    assert messages == {
        "vip": "Definitions form a cycle: vip -> whales -> vip.",
        "whales": "Definitions form a cycle: whales -> vip -> whales.",
        "self": "Definitions form a cycle: self -> self.",
        "above": "'above' depends on 'vip', which has errors.",
    }
    assert found.order == (("trait", "spend"),)


def test_one_broken_definition_hides_nothing_of_the_others() -> None:
    found = check_workspace(
        [
            DefinitionSource("trait", "broken", "events.purchase.summ(amount)"),
            DefinitionSource("segment", "on_it", "broken > 1 && profile.x == null"),
            DefinitionSource("segment", "fine", "events.purchase.count > 1"),
        ]
    )
    assert {key: error.code for (_, key), error in found.errors.items()} == {"broken": "E306", "on_it": "E603"}
    assert [error.code for error in found.checked["segment", "on_it"][0].errors] == ["E403"]
    assert found.checked["segment", "fine"][0].node is not None


def test_a_key_defined_twice_keeps_its_first_definition() -> None:
    found = check_workspace(
        [
            DefinitionSource("trait", "t", "1"),
            DefinitionSource("trait", "t", '"text"'),
            DefinitionSource("segment", "t", "t > 0"),
        ]
    )
    assert found.errors["trait", "t"].code == "E602"
    assert found.checked["trait", "t"][0].type is Type.NUMBER


def test_negating_a_trait_warns_only_where_it_can_be_unknown() -> None:
    found = check_workspace(
        [
            DefinitionSource("trait", "sure", "events.a.count > 1"),
            DefinitionSource("trait", "unsure", "profile.x == 1"),
            DefinitionSource("segment", "not_sure", "!sure"),
            DefinitionSource("segment", "not_unsure", "!unsure"),
        ]
    )
    assert found.checked["segment", "not_sure"][0].diagnostics == ()
    assert [d.code for d in found.checked["segment", "not_unsure"][0].diagnostics] == ["W-NULL"]


def test_aggregates_are_limited_and_shared_ones_count_once() -> None:
    traits = [DefinitionSource("trait", f"t{n:03}", f"events.e{n}.count_7d") for n in range(MAX_AGGREGATES)]
    shared = DefinitionSource("trait", "u", "events.e1.count_30d")
    assert check_workspace([*traits, shared]).errors == {}
    found = check_workspace([*traits, shared, DefinitionSource("trait", "v", "events.another.count")])
    assert {key: error.code for key, error in found.errors.items()} == {("trait", "v"): "E708"}


def test_references_lead_so_deep_and_no_deeper() -> None:
    """Evaluation goes as deep as they do, and Python's stack ends."""
    chain = [DefinitionSource("trait", f"t{n:03}", f"t{n - 1:03} + 1" if n else "profile.age") for n in range(200)]
    found = check_workspace(chain)
    deepest = MAX_LEVELS // 2
    assert ("trait", f"t{deepest - 1:03}") not in found.errors
    assert found.errors["trait", f"t{deepest:03}"].code == "E709"
