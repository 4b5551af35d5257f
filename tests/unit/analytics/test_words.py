"""Questions in words, as people ask them: what each becomes, and what is said about it."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.questions.schemas import Question, StickinessQuestion, TrendQuestion
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


def test_not_is_never_left_out_in_silence() -> None:
    found = asked("purchases not for vip users")
    assert [one.start for one in found.ignored] == [10]


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
