"""The example workspace: its definitions hold, its events are the same everywhere, its people are as documented."""

import json
from collections import Counter
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import yaml

from tinycdp import resources
from tinycdp.api.ingest.adapters.segment import parse_batch
from tinycdp.dsl.ir import Type
from tinycdp.dsl.values.numbers import number
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, Definition, build_catalog
from tinycdp.engine.flags.decide import Decision, FlagActivation, decide
from tinycdp.engine.flags.document import read_flag
from tinycdp.engine.profile import Profile
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, Instant, Message
from tinycdp.server.example_shop import CHANNELS, PERSONAS, PRICE_SALT, PRICE_TEST, generate, impressions

NOW = 1_780_000_000_000  # Thursday 2026-05-28T20:26:40Z
MIDNIGHT = NOW - NOW % DAY_MS


def definitions() -> list[Definition]:
    shop = yaml.safe_load(resources.read_text("dsl/examples/shop.yaml"))
    listed = [("trait", d["key"], d["expression"]) for d in shop["traits"]]
    listed += [("segment", d["key"], d["rule"]) for d in shop["segments"]]
    found = [
        Definition(id=id, version=1, kind=kind, key=key, expression=text)
        for id, (kind, key, text) in enumerate(listed, start=1)
    ]
    flags = [Definition(id=100 + n, version=1, kind="flag", key=f["key"], flag=read_flag(f, salt=f["key"]))
             for n, f in enumerate(shop["flags"])]  # fmt: skip
    return found + flags


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    shop = definitions()
    return build_catalog(1, "UTC", shop, shop, live_revision=1, head_revision=1)


def messages(person: str, now: Instant, people: int = 0) -> list[Message]:
    """The person's messages in order of arrival, as the server would read them."""
    batch = [event for event in generate(now, visitors=people) if event["messageId"].startswith(f"shop-{person}-")]
    parsed = parse_batch(json.dumps({"batch": batch}).encode(), now)
    assert parsed.rejections == []
    return parsed.messages


def profile(person: str, now: Instant, catalog: Catalog) -> Profile:
    known = Profile(1, person, 0, backfilled=1)
    recompute.apply(known, messages(person, now), catalog, now)
    return known


def decision(catalog: Catalog, person: Profile, flag: str, now: Instant, context: dict[str, Any]) -> Decision:
    activation = FlagActivation(
        now,
        calendar=catalog.calendar,
        properties=person.properties,
        state=person.state,
        first_seen=person.first_seen,
        last_seen=person.last_seen,
        evaluators=catalog.live.evaluators,
        context=context,
    )
    activation.unit, activation.names, activation.killed = person.bucketing_key, (), {}
    return decide(catalog.live.flags[flag], activation, now)


# dsl/examples/README.md, column by column
TRAITS: dict[str, dict[str, Any]] = {
    "ada": {
        "power_user": True, "open_streak": 30, "orders_90d": 10, "revenue_90d": 939, "average_order": Decimal("93.9"),
        "discount_share": 0, "favourite_category": "coffee", "cart_open": False,
    },
    "grace": {
        "power_user": False, "open_streak": 0, "orders_90d": 8, "revenue_90d": Decimal("556.8"),
        "average_order": Decimal("69.6"), "discount_share": 1, "favourite_category": None, "cart_open": False,
    },
    "linus": {
        "power_user": False, "open_streak": 3, "orders_90d": 0, "revenue_90d": 0, "average_order": 0,
        "discount_share": 0, "favourite_category": "coffee", "cart_open": True,
    },
}  # fmt: skip
SEGMENTS = {
    "ada": {"power_users", "big_spenders"},
    "grace": {"big_spenders", "bargain_hunters", "lapsed"},
    "linus": {"abandoned_carts", "newcomers"},
}
FLAGS = [
    ("ada", "premium", "", "on"),
    ("grace", "premium", "", "off"),
    ("linus", "premium", "", "off"),
    ("ada", "members_area", "", "on"),
    ("grace", "members_area", "", "off"),
    ("linus", "members_area", "", "off"),
    ("ada", "new_checkout", "", "on"),
    ("grace", "new_checkout", "", "on"),
    ("grace", "shipping_offer", "", "over_30"),
    ("ada", "cart_reminder", "ios", "none"),
    ("grace", "cart_reminder", "web", "none"),
    ("linus", "cart_reminder", "ios", "push"),
    ("linus", "cart_reminder", "web", "banner"),
    ("linus", "cart_reminder", "tv", "none"),
]


def members(catalog: Catalog, person: Profile) -> set[str]:
    return {segment.name[1] for segment in catalog.segments if segment.fingerprint in person.memberships}


def test_the_workspace_is_of_the_promised_size() -> None:
    assert Counter(definition.kind for definition in definitions()) == {"trait": 8, "segment": 6, "flag": 6}


@pytest.mark.parametrize("now", [NOW, MIDNIGHT, MIDNIGHT + MINUTE_MS, MIDNIGHT + 3 * HOUR_MS])
@pytest.mark.parametrize("person", TRAITS)
def test_people_are_in_the_documented_state(catalog: Catalog, person: str, now: Instant) -> None:
    known = profile(person, now, catalog)
    activation = catalog.activation(catalog.live, known, now)
    values = {}
    for key in TRAITS[person]:
        value, _ = activation.result(("trait", key), now)
        is_number = catalog.live.nodes["trait", key].type is Type.NUMBER
        values[key] = number(value) if is_number and value is not None else value
    assert values == TRAITS[person]
    assert members(catalog, known) == SEGMENTS[person]


@pytest.mark.parametrize(("person", "flag", "platform", "variant"), FLAGS)
def test_flags_answer_as_documented(catalog: Catalog, person: str, flag: str, platform: str, variant: str) -> None:
    found = decision(catalog, profile(person, NOW, catalog), flag, NOW, {"platform": platform})
    assert found.variant == variant, found.trail


def test_linus_leaves_his_cart_behind_to_the_second(catalog: Catalog) -> None:
    linus = profile("linus", NOW, catalog)
    cart = max(message.occurred_at for message in messages("linus", NOW) if message.name == "cart")
    assert recompute.advance(linus, catalog, cart + 3 * DAY_MS - 1) == []
    left = recompute.advance(linus, catalog, cart + 3 * DAY_MS)
    assert [(change.entered, change.at) for change in left] == [(False, cart + 3 * DAY_MS)]
    assert members(catalog, linus) == {"newcomers"}


def test_the_same_arguments_give_the_same_events() -> None:
    assert list(generate(NOW, visitors=30)) == list(generate(NOW, visitors=30))
    assert list(generate(NOW, visitors=30)) != list(generate(NOW, visitors=30, seed=2))


@pytest.mark.parametrize("later", [1, HOUR_MS, DAY_MS, 3 * DAY_MS + 12_345_678, 400 * DAY_MS])
def test_seeding_again_adds_nothing(later: int) -> None:
    first = [event["messageId"] for event in generate(NOW, visitors=60)]
    assert len(set(first)) == len(first)
    assert {event["messageId"] for event in generate(NOW + later, visitors=60)} == set(first)
    seen = [event["uuid"] for event in impressions(NOW, visitors=60)]
    assert len(set(seen)) == len(seen) > 20
    assert {event["uuid"] for event in impressions(NOW + later, visitors=60)} == set(seen)


@pytest.mark.parametrize(("people", "days"), [(0, 60), (3, 1), (60, 60), (40, 200)])
def test_every_event_is_accepted_and_lies_in_the_past(people: int, days: int) -> None:
    events = list(generate(NOW, visitors=people, days=days))
    parsed = parse_batch(json.dumps(events[:10_000]).encode(), NOW)
    assert parsed.rejections == []
    assert not any(message.future for message in parsed.messages)
    longest = max(days, 60) + 8
    assert all(NOW - longest * DAY_MS < message.occurred_at <= NOW for message in parsed.messages)


def test_visitors_behave_like_people() -> None:
    events = list(generate(NOW))
    names = Counter(event.get("event", event["type"]) for event in events)
    assert names["product_viewed"] > names["app_open"] > names["cart"] > names["purchase"] > 500
    # Strangers first: most people were seen before they were known, and some are known on two devices.
    devices: dict[str, set[str]] = {}
    seen, strangers_first = set(), set()
    for event in events:
        if "userId" not in event:
            seen.add(event["anonymousId"])
        elif event["type"] == "identify":
            devices.setdefault(event["userId"], set()).add(event["anonymousId"])
            if event["anonymousId"] in seen:
                strangers_first.add(event["userId"])
    assert len(strangers_first) > 150
    assert sum(len(ids) > 1 for ids in devices.values()) > 30
    # Some events arrive after later ones.
    opened = [at(event) for event in events]
    assert sum(later < earlier for earlier, later in pairwise(opened)) > 100
    # Evenings and weekends are busy.
    hours = Counter(datetime.fromisoformat(event["timestamp"]).hour for event in events)
    weekdays = Counter(datetime.fromisoformat(event["timestamp"]).weekday() for event in events)
    assert sum(hours[hour] for hour in (18, 19, 20, 21)) > 5 * sum(hours[hour] for hour in (1, 2, 3, 4))
    assert min(weekdays[4], weekdays[5], weekdays[6]) > max(weekdays[0], weekdays[1], weekdays[2])


def test_every_segment_has_members_and_strangers(catalog: Catalog) -> None:
    counts: Counter[str] = Counter()
    diaries: dict[str, list[Any]] = {}
    for event in generate(NOW):
        diaries.setdefault(event["messageId"].rpartition("-")[0], []).append(event)
    for events in diaries.values():
        known = Profile(1, "unit", 0, backfilled=1)
        recompute.apply(known, parse_batch(json.dumps(events).encode(), NOW).messages, catalog, NOW)
        counts.update(members(catalog, known))
    assert counts.keys() == {segment.name[1] for segment in catalog.segments}
    assert all(5 <= count <= len(diaries) // 2 for count in counts.values()), counts


def test_personas_and_channels_share_everyone() -> None:
    assert sum(persona.share for persona in PERSONAS) == sum(channel.share for channel in CHANNELS) == 100


def people_who(did: str, **where: Any) -> set[str]:
    """Visitors with such an event, and these values in it."""
    return {
        visitor_of(event)
        for event in generate(NOW)
        if did in (event.get("event"), event["type"])
        and where.items() <= {**event.get("properties", {}), **event.get("traits", {})}.items()
    }


def visitor_of(event: dict[str, Any]) -> str:
    return str(event["messageId"]).removeprefix("shop-").rpartition("-")[0]


def test_each_step_of_the_funnel_loses_people() -> None:
    steps = [len(people_who(step)) for step in ("product_viewed", "cart", "checkout", "purchase", "refund")]
    assert all(0.1 * before < after < 0.95 * before for before, after in pairwise(steps)), steps
    assert people_who("refund") < people_who("purchase")


def test_channels_differ() -> None:
    def bought(channel: str) -> float:
        signed_up = people_who("identify", channel=channel)
        assert len(signed_up) >= 10
        return len(signed_up & people_who("purchase")) / len(signed_up)

    assert bought("newsletter") > bought("ads") + 0.15
    campaigns = {event["context"]["campaign"]["source"] for event in generate(NOW) if "campaign" in event["context"]}
    assert campaigns == {channel.campaign["source"] for channel in CHANNELS if channel.campaign}


def test_cohorts_fade() -> None:
    opened: dict[str, set[int]] = {}
    for event in generate(NOW):
        if event.get("event") == "app_open":
            opened.setdefault(visitor_of(event), set()).add((at(event).toordinal() - 1) // 7)
    ago = max(max(weeks) for weeks in opened.values())
    old = [weeks for weeks in opened.values() if ago - 9 < min(weeks) <= ago - 6]
    share = [sum(min(weeks) + k in weeks for weeks in old) / len(old) for k in range(7)]
    assert 0.5 < share[1] < 0.9 and 0.2 < share[6] < share[1] - 0.15, share
    starts = Counter(min(weeks) for weeks in opened.values())
    assert min(starts[ago - k] for k in range(9)) > 20, "every week has newcomers"


def test_companies_have_several_people() -> None:
    groups = Counter(event["groupId"] for event in generate(NOW) if event["type"] == "group")
    assert len(groups) >= 5 and min(groups.values()) >= 3, groups


def test_the_price_test_has_an_effect_to_find() -> None:
    shown: dict[str, tuple[datetime, str]] = {}
    for event in impressions(NOW):
        assert event["properties"]["$feature_flag"] == PRICE_TEST
        whose = event["distinct_id"].removeprefix("anon-").rpartition("-")[0]
        seen = (datetime.fromisoformat(event["timestamp"]), event["properties"]["$feature_flag_response"])
        shown[whose] = min(shown.get(whose, seen), seen)
        assert 0 <= NOW - seen[0].timestamp() * 1000 < 7 * DAY_MS, "a later report is not counted"
    bought: dict[str, list[datetime]] = {}
    for event in generate(NOW):
        if event.get("event") == "purchase":
            bought.setdefault(visitor_of(event), []).append(at(event))
    units, converted = Counter[str](), Counter[str]()
    for whose, (first, price) in shown.items():
        if first.timestamp() * 1000 + DAY_MS <= NOW:
            units[price] += 1
            converted[price] += any(0 <= (done - first).total_seconds() < 86_400 for done in bought.get(whose, []))
    assert 0.7 < units["lower"] / units["regular"] < 1.4
    pooled = converted.total() / units.total()
    spread = (pooled * (1 - pooled) * (1 / units["lower"] + 1 / units["regular"])) ** 0.5
    found = converted["lower"] / units["lower"] - converted["regular"] / units["regular"]
    assert found > 3 * spread, (units, converted)


def test_visitors_saw_the_price_that_the_flag_gives_them(catalog: Catalog) -> None:
    salt = next(d.flag.salt for d in definitions() if d.key == PRICE_TEST and d.flag is not None)
    assert salt == PRICE_SALT
    seen = list(generate(NOW, visitors=60))[:63]
    assert len({visitor_of(event) for event in seen}) == 63, "everyone's first event is sent before all others"
    for event in impressions(NOW, visitors=60):
        number = event["distinct_id"].removeprefix("anon-").rpartition("-")[0]
        known = Profile(1, f"anon-{number}-a", 0, backfilled=1)
        found = decision(catalog, known, PRICE_TEST, NOW, {})
        assert found.variant == event["properties"]["$feature_flag_response"]
        assert found.rule == "price_test"


def at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["timestamp"])
