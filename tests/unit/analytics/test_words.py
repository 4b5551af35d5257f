"""Questions in words, as people ask them: what each becomes, and what is said about it."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.questions.schemas import FunnelQuestion, Question, StickinessQuestion, TrendQuestion
from tinycdp.products.analytics.words.asking import Understanding, ask
from tinycdp.products.analytics.words.names import Lexicon, key_of, texts_of

TODAY = date(2026, 11, 28)  # a Saturday
SHOP = Lexicon(
    events={
        "signup": {"country": ("at", "de", "us"), "plan": ("free", "pro")},
        "purchase": {"amount": (), "sku": ("mug",)},
        "page_view": {"path": ("/pricing",)},
        "product_viewed": {"sku": ("mug",)},
        "app_open": {"platform": ("android", "ios")},
        "ticket_raised": {},
    },
    profile={"plan": ("free", "pro"), "country": ("de",)},
    segments=frozenset({"vip", "power_users"}),
    flags=frozenset({"price_test"}),
    descriptions={"ticket_raised": "A customer complained."},
    reports={"weekly_numbers": StickinessQuestion(last="7d", event="purchase")},
)
_MONTH = {"from": "2026-10-01", "to": "2026-11-01"}
_LAST = {"last": "30d"}


def asked(text: str) -> Understanding:
    return ask(text, SHOP, TODAY)


def without_defaults(question: Question | None) -> dict[str, object]:
    """The fields that differ from their defaults."""
    assert question is not None
    whole: dict[str, object] = msgspec.json.decode(msgspec.json.encode(question))
    defaults = {
        field.encode_name: msgspec.json.decode(msgspec.json.encode(field.default))
        for field in msgspec.structs.fields(question)
        if field.default is not msgspec.NODEFAULT
    }
    return {name: value for name, value in whole.items() if name != "kind" and defaults.get(name) != value}


PURCHASES = [{"event": "purchase", "where": "", "measure": "count", "property": "", "metric": "", "name": ""}]


def series(event: str, measure: str = "count", property: str = "", where: str = "") -> list[dict[str, object]]:
    return [PURCHASES[0] | {"event": event, "measure": measure, "property": property, "where": where}]


def by(**of: str) -> dict[str, object]:
    nothing = dict.fromkeys(("property", "profile", "group", "context", "segment"), "")
    return nothing | {"at": "event", "bins": []} | of


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("signups by country last month", {"series": series("signup"), "breakdown": by(property="country")} | _MONTH),
        (
            "average order value per month by plan compared to last year",
            {
                "series": series("purchase", "avg", "amount"),
                "breakdown": by(profile="plan"),
                "bucket": "month",
                "compare": "year",
            }
            | _LAST,
        ),
        (
            "median amount of purchases over 20 in March",
            {"series": series("purchase", "median", "amount", "amount > 20"), "from": "2026-03-01", "to": "2026-04-01"},
        ),
        (
            "top pages yesterday",
            {
                "series": series("page_view"),
                "breakdown": by(property="path"),
                "from": "2026-11-27",
                "to": "2026-11-28",
            },
        ),
        ("weekly active users in the last 8 weeks", {"bucket": "week", "days": [7], "last": "8w"}),
        ("DAU", {"days": [1]} | _LAST),
        (
            "how many vip users signed up today",
            {
                "series": series("signup", "people"),
                "people": "segments.vip",
                "from": "2026-11-28",
                "to": "2026-11-29",
            },
        ),
        (
            "android app opens this week",
            {"series": series("app_open", where='platform == "android"'), "from": "2026-11-23"},
        ),
        ("signups where country is de or at", {"series": series("signup", where='country in ["de", "at"]')} | _LAST),
        ("purchases for power users in Q1", {"series": PURCHASES, "people": "segments.power_users"}
         | {"from": "2026-01-01", "to": "2026-04-01"}),
        ("number of purchases from March 1 to 5 March 2026", {"series": PURCHASES, "from": "2026-03-01",
                                                             "to": "2026-03-06"}),
        ("purchases per user", {"series": series("purchase", "per_person")} | _LAST),
        ("purchses", {"series": PURCHASES} | _LAST),
        ("complained", {"series": series("ticket_raised")} | _LAST),
        ("weekly numbers", {"event": "purchase", "last": "7d"}),
        ("weekly numbers last month", {"event": "purchase"} | _MONTH),
    ],
)  # fmt: skip
def test_a_text_becomes_its_question(text: str, question: dict[str, object]) -> None:
    found = asked(text)
    assert without_defaults(found.question) == question
    assert found.ignored == ()


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        ("conversion from view to purchase for pro users", "funnel", {"people": 'profile.plan == "pro"'}),
        ("signups then purchases within 3 days", "funnel", {"within": "3d"}),
        ("funnel app open, product viewed, purchase by platform", "funnel", {"breakdown": by(property="platform")}),
        ("retention of signups by week", "retention", {"bucket": "week"}),
        ("how many people bought twice", "frequency", {"edges": [1, 2, 3]}),
        ("users with at least 3 purchases", "frequency", {"edges": [1, 3]}),
        ("lifecycle of purchases", "lifecycle", {"event": "purchase"}),
        ("stickiness of app opens", "stickiness", {"event": "app_open"}),
        ("sessions per week", "sessions", {"bucket": "week"}),
        ("paths starting with \"page_view\"", "paths", {"start": "page_view"}),
        ("adoption of purchase by month", "adoption", {"bucket": "month"}),
        ("impact of signup on purchases", "impact", {}),
        ("results of price_test by purchases", "experiment", {"flag": "price_test"}),
    ],
)  # fmt: skip
def test_a_text_names_its_kind(text: str, kind: str, fields: dict[str, object]) -> None:
    found = asked(text)
    assert found.question is not None
    whole = msgspec.json.decode(msgspec.json.encode(found.question))
    assert whole["kind"] == kind
    assert {name: whole[name] for name in fields} == fields
    assert found.ignored == ()


def test_a_word_that_is_not_understood_is_reported() -> None:
    text = "frobnicated purchases last month"
    found = asked(text)
    assert [text[one.start : one.end] for one in found.ignored] == ["frobnicated"]
    assert "no name of this environment" in found.ignored[0].meaning


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("purchases not for vip users", "!segments.vip"),
        ("purchases for non-vip users", "!segments.vip"),
        ("purchases for people who are not power users", "!segments.power_users"),
        ("purchases of users who aren't vip", "!segments.vip"),
        ("purchases excluding vip users", "!segments.vip"),
        ("purchases without vip", "!segments.vip"),
        ("purchases not vip", "!segments.vip"),
        ("weekly active users not in power users", "!segments.power_users"),
        ("conversion from view to purchase for people who are not vip", "!segments.vip"),
        ("retention of signups for non-vip users by week", "!segments.vip"),
        ("purchases for non-pro users", 'profile.plan != "pro"'),
    ],
)
def test_people_are_left_out_by_what_they_are(text: str, people: str) -> None:
    found = asked(text)
    assert found.question is not None
    assert (found.question.people, found.ignored) == (people, ())
    assert ("people whose plan is unknown are left out, too" in found.assumed) == ("plan" in people)


@pytest.mark.parametrize(
    "text",
    [
        "people who did not purchase",
        "how many users never bought",
        "customers who didn’t purchase",
        "users who haven't purchased",
    ],
)
def test_people_who_did_not_do_something_are_those_with_any_event_but_it(text: str) -> None:
    found = asked(f"{text} last month")
    both = series("*", "people") + series("purchase", "people")
    assert without_defaults(found.question) == {"series": both, "formula": "A - B"} | _MONTH
    assert (found.ignored, found.assumed) == ((), ("of the people with any event in that time",))


def test_people_who_did_one_thing_and_not_another_are_a_funnel() -> None:
    for text in ("people who signed up but did not purchase", "signups and then never bought"):
        found = asked(text)
        assert isinstance(found.question, FunnelQuestion)
        assert [step.event for step in found.question.steps] == ["signup", "purchase"]
        assert found.ignored == ()
        assert "a funnel: those who did not are the ones who do not reach purchase" in found.assumed


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        ("retention of signups not purchases", "not purchases"),
        ("purchases of people who did not sign up", "did not sign up"),
        ("purchases over vip users", "purchases over vip"),
    ],
)
def test_not_is_never_left_out_in_silence(text: str, ignored: str) -> None:
    assert ignored in [text[one.start : one.end] for one in asked(text).ignored]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("purchases on Monday", ("2026-11-23", "2026-11-24")),
        ("purchases on saturday", ("2026-11-28", "2026-11-29")),  # today
        ("purchases last Saturday", ("2026-11-21", "2026-11-22")),
        ("purchases last fri", ("2026-11-27", "2026-11-28")),
        ("purchases this Friday", ("2026-11-27", "2026-11-28")),
        ("purchases since Tuesday", ("2026-11-24", "")),
        ("purchases from Monday to Friday", ("2026-11-23", "2026-11-28")),
        ("purchases from Sunday to Friday", ("2026-11-22", "2026-11-28")),
        ("purchases from Friday to Tuesday", ("2026-11-20", "2026-11-25")),
        ("purchases from Monday until Wednesday", ("2026-11-23", "2026-11-25")),
        ("purchases from last Monday to 2026-11-26", ("2026-11-23", "2026-11-27")),
    ],
)
def test_weekdays_are_the_newest_ones(text: str, span: tuple[str, str]) -> None:
    found = asked(text)
    assert found.question is not None
    assert (found.question.from_, found.question.to, found.ignored) == (*span, ())


def test_a_weekday_may_be_a_value() -> None:
    found = asked("signups where country is Monday")
    assert isinstance(found.question, TrendQuestion)
    assert found.question.series[0].where == 'country == "Monday"'


def test_two_meanings_are_alternatives() -> None:
    found = asked("how many people bought twice")
    assert [without_defaults(one)["edges"] for one in found.alternatives] == [[1, 2]]
    (other,) = asked("signups by country").alternatives
    assert isinstance(other, TrendQuestion)
    assert without_defaults(other)["breakdown"] == by(profile="country")


def test_what_is_assumed_is_said() -> None:
    assert asked("purchases").assumed == ("the last 30 days, since no time is named",)
    assert '"Narnia" as a value of country' in asked("signups where country is Narnia").assumed[0]
    assert asked("revenue last month").assumed == ("the sum of amount", "amount of purchase")


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", "No event"),
        ("xyzzy", "No event"),
        ("conversion of purchase", "two events"),
        ("average purchases where amount > x of signup", ""),
        ("average of signups", "Of which property"),
        ("impact of signup", "another"),
        ("experiment price_test", "event to compare"),
        ("retention of signups by year", "by day, week or month"),
    ],
)
def test_what_is_missing_is_said(text: str, missing: str) -> None:
    found = asked(text)
    if missing:
        assert found.question is None
        assert missing in found.missing


def test_a_long_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match="1,000 are allowed"):
        asked("a" * 1_001)


def test_forms_of_a_name_have_one_key() -> None:
    assert len({key_of(text) for text in ("sign_up", "Sign Up", "signups", "SignUp", "sign-up")}) == 1
    assert len({key_of(text) for text in ("purchase", "purchases", "purchased", "purchasing")}) == 1


def test_identifiers_are_no_values() -> None:
    assert texts_of(["b", "pro", "free", 3, "x" * 100]) == ("free", "pro")
    assert texts_of(f"user{n}" for n in range(100)) == ()


def test_numbers_keep_their_value() -> None:
    found = asked("purchases over 1,000.50 by country in bins -5, 10")
    assert isinstance(found.question, TrendQuestion)
    assert found.question.series[0].where == "amount > 1000.5"
    assert found.question.breakdown.bins == (Decimal(-5), Decimal(10))  # type: ignore[union-attr]
