"""Laws of flags: schedules are what they leave behind, shares do not meet, raising a share only adds people."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from builders import iso
from tinycdp.engine.catalog import Catalog, Definition, build_catalog
from tinycdp.engine.flags.decide import Decision, FlagActivation, decide
from tinycdp.engine.flags.document import Flag, read_flag, settled, stages, to_document
from tinycdp.engine.profile import Profile
from tinycdp.model import HOUR_MS, NEVER

START = 1_772_366_400_000
UNITS = [f"u-{n}" for n in range(60)]

percentages = st.integers(0, 100_000).map(lambda n: float(Decimal(n) / 1000))
variants = st.sampled_from(["a", "b", "c"])
conditions = st.sampled_from(["true", "false", 'profile.plan == "pro"', "profile.age > 3"])
instants = st.integers(0, 12).map(lambda hour: START + hour * HOUR_MS)


@st.composite
def rules(draw: st.DrawFn) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for n in range(draw(st.integers(0, 3))):
        rule: dict[str, Any] = {"id": f"r{n}", "when": draw(conditions)}
        if draw(st.booleans()):
            rule["serve"] = draw(variants)
        else:
            cut = draw(st.integers(0, 100_000))
            rule["split"] = {"a": cut, "b": 100_000 - cut}
        for gate in ("rollout", "exposure"):
            if draw(st.booleans()):
                rule[gate] = draw(percentages)
        found.append(rule)
    return found


@st.composite
def steps(draw: st.DrawFn) -> list[dict[str, Any]]:
    change = st.one_of(
        st.tuples(st.just("/enabled"), st.booleans()),
        st.tuples(st.just("/offVariant"), variants),
        st.tuples(st.just("/default/serve"), variants),
        st.tuples(st.just("/rules"), rules()),
        st.tuples(
            st.just("/overrides"), st.lists(st.fixed_dictionaries({"profile": st.just("u-1"), "serve": variants}))
        ),
    )
    listed = draw(st.lists(st.tuples(instants, change), max_size=4))
    return [{"at": iso(at), "set": {pointer: value}} for at, (pointer, value) in listed]


flags = st.fixed_dictionaries(
    {
        "key": st.just("f"),
        "type": st.just("string"),
        "variants": st.just({"a": "A", "b": "B", "c": "C"}),
        "offVariant": variants,
        "default": st.fixed_dictionaries({"serve": variants}),
        "enabled": st.booleans(),
        "rules": rules(),
        "schedule": steps(),
    }
).map(lambda document: read_flag(document, "salt"))


def catalog_of(*listed: Flag) -> Catalog:
    definitions = [Definition(id=n, version=1, kind="flag", key=flag.key, flag=flag) for n, flag in enumerate(listed)]
    return build_catalog(1, "UTC", definitions, definitions, live_revision=1, head_revision=1)


def decided(
    catalog: Catalog,
    key: str,
    unit: str | None,
    now: int,
    properties: dict[str, Any] | None = None,
    kept: dict[int, tuple[str, ...]] | None = None,
) -> Decision:
    profile = Profile(1, unit or "", 0)
    activation = FlagActivation(
        now,
        calendar=catalog.calendar,
        properties=properties or {},
        state=profile.state,
        first_seen=None,
        last_seen=None,
        evaluators=catalog.live.evaluators,
    )
    activation.unit, activation.names, activation.killed = unit, (), {}
    activation.kept_variants = kept or {}
    return decide(catalog.live.flags[key], activation, now)


@given(flag=flags, now=instants, unit=st.sampled_from(UNITS), plan=st.sampled_from(["pro", "free"]))
def test_a_schedule_decides_as_the_document_that_its_due_steps_leave(
    flag: Flag, now: int, unit: str, plan: str
) -> None:
    settled_flag = settled(flag, now)
    read_again = read_flag(to_document(settled_flag), "another salt")
    assert read_again == settled_flag
    assert settled_flag.salt == flag.salt
    scheduled = decided(catalog_of(flag), "f", unit, now, {"plan": plan})
    assert decided(catalog_of(settled_flag), "f", unit, now, {"plan": plan}) == scheduled


@given(flag=flags, now=instants, unit=st.sampled_from(UNITS))
def test_an_answer_holds_until_the_next_step_and_no_longer(flag: Flag, now: int, unit: str) -> None:
    catalog = catalog_of(flag)
    found = decided(catalog, "f", unit, now)
    coming = [at for at, _ in stages(flag) if at is not None and at > now]
    assert found.until == min(coming, default=NEVER)
    for at in range(now, min(found.until, START + 13 * HOUR_MS), HOUR_MS // 2):
        assert decided(catalog, "f", unit, at) == found


@given(
    flag=flags.filter(lambda flag: any(rule.exposure is not None for rule in flag.rules)),
    more=percentages,
    data=st.data(),
)
def test_raising_an_exposure_adds_units_and_moves_none(flag: Flag, more: float, data: st.DataObject) -> None:
    document = to_document(flag)
    document.pop("schedule", None)
    rule = data.draw(st.sampled_from([r for r in document["rules"] if "exposure" in r]))
    low, high = sorted((float(rule["exposure"]), more))

    def arms(exposure: float) -> dict[str, str]:
        changed = [{**r, "exposure": exposure} if r is rule else r for r in document["rules"]]
        catalog = catalog_of(read_flag({**document, "rules": changed}, "salt"))
        answers = {unit: decided(catalog, "f", unit, START) for unit in UNITS}
        return {unit: answer.variant for unit, answer in answers.items() if answer.rule == rule["id"]}

    before, after = arms(low), arms(high)
    assert before.items() <= after.items()


@given(cuts=st.lists(percentages, min_size=2, max_size=6, unique=True).map(sorted))
def test_shares_of_one_group_have_no_unit_in_common(cuts: list[float]) -> None:
    shares = list(pairwise(cuts))
    listed = [
        read_flag(
            {
                "key": f"f{n}",
                "rules": [{"when": "true", "serve": "on", "exclusion": {"group": "g", "from": low, "to": high}}],
            },
            f"salt {n}",
        )
        for n, (low, high) in enumerate(shares)
    ]
    catalog = catalog_of(*listed)
    for unit in UNITS:
        assert sum(decided(catalog, flag.key, unit, START).value is True for flag in listed) <= 1


@given(flag=flags, now=instants)
def test_nothing_is_bucketed_without_a_unit(flag: Flag, now: int) -> None:
    found = decided(catalog_of(flag), "f", None, now)
    rule = next((rule for rule in settled(flag, now).rules if rule.id == found.rule), None)
    assert rule is None or (rule.serve is not None and rule.rollout is None and rule.exposure is None)


@given(
    flag=flags,
    now=instants,
    unit=st.sampled_from(UNITS),
    plan=st.sampled_from(["pro", "free"]),
    kept=st.lists(st.sampled_from(["a", "b", "c", "gone"]), max_size=3),
)
def test_what_a_profile_keeps_changes_only_answers_of_rules_that_name_it(
    flag: Flag, now: int, unit: str, plan: str, kept: list[str]
) -> None:
    plain = decided(catalog_of(flag), "f", unit, now, {"plan": plan}, {0: tuple(kept)})
    assert plain == decided(catalog_of(flag), "f", unit, now, {"plan": plan}), "it is not sticky"
    sticky = catalog_of(msgspec.structs.replace(flag, sticky=True))
    assert decided(sticky, "f", unit, now, {"plan": plan}) == plain, "nothing is kept"
    found = decided(sticky, "f", unit, now, {"plan": plan}, {0: tuple(kept)})
    assert found.until == plain.until
    if found == plain:
        return
    assert found.reason == "CACHED"
    assert found.variant in kept
    stage = next(stage for at, stage in reversed(list(stages(flag))) if at is None or at <= now)
    rule = next(rule for rule in stage.rules if rule.id == found.rule)
    assert found.variant in ({rule.serve} if rule.serve is not None else rule.split or {})


@given(
    flag=flags.filter(lambda flag: not flag.schedule and all(rule.exclusion is None for rule in flag.rules)),
    numbers=st.lists(percentages, min_size=8, max_size=8),
    plan=st.sampled_from(["pro", "free"]),
)
def test_no_change_of_numbers_moves_a_profile_that_the_first_matching_rule_assigned(
    flag: Flag, numbers: list[float], plan: str
) -> None:
    document = {**to_document(flag), "sticky": True}
    drawn = iter(numbers * 4)
    changed = []
    for rule in document["rules"]:
        new = dict(rule)
        for name in ("rollout", "exposure"):
            if name in new:
                new[name] = next(drawn)
        if "split" in new:
            arms = list(new["split"])
            all_to = arms[int(next(drawn)) % len(arms)]
            new["split"] = {arm: 100_000 if arm == all_to else 0 for arm in arms}
        changed.append(new)
    before = catalog_of(read_flag(document, "salt"))
    after = catalog_of(read_flag({**document, "rules": changed}, "salt"))
    for unit in UNITS:
        first = decided(before, "f", unit, START, {"plan": plan})
        if first.reason != "SPLIT" or first.rule != document["rules"][0]["id"]:
            continue
        later = decided(after, "f", unit, START, {"plan": plan}, {0: (first.variant,)})
        assert (later.variant, later.rule) == (first.variant, first.rule)
