"""Expressions in words: what the sentences say, and that every expression of the vectors has some."""

import json
import re

import pytest

from builders import VECTORS
from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Scope, check
from tinycdp.dsl.check.workspace import DefinitionSource, FlagSource, check_workspace
from tinycdp.dsl.editor.describe import OPPOSITE, Description, Sentence, describe_expression
from tinycdp.dsl.ir import Type
from tinycdp.engine.case_runner import run_case


def described(source: str, kind: str = "segment") -> Description:
    scope = Scope(
        kind=kind,  # type: ignore[arg-type]
        traits={"spend": Type.NUMBER, "loyal": Type.BOOL},
        segments={"vip", "whales"},
        flags={"checkout": Type.BOOL, "theme": Type.STRING},
    )
    checked = check(source, scope)
    assert checked.node is not None, checked.diagnostics
    return describe_expression(checked.node, kind)  # type: ignore[arg-type]


SEGMENTS = {
    "events.purchase.count_30d >= 1 && last_seen_minutes_ago < 1440":
        "People who did purchase at least once in the last 30 days and were last seen less than a day ago.",
    "events.purchase.count == 0": "People who never did purchase.",
    "!events.purchase.exists_7d": "People who did not do purchase in the last 7 days.",
    "events.purchase.count(90d..30d) > 2": "People who did purchase more than twice between 90 days and 30 days ago.",
    "events.any.count_1h < 1": "People who did nothing in the last hour.",
    "events.`Order Completed`.count < 3": 'People who did "Order Completed" fewer than 3 times.',
    'events.page.where(name == "pricing").count_1d >= 3':
        'People who viewed a page at least 3 times in the last day (counting only those whose name is "pricing").',
    "events.app_open.unique_days_14d >= 5": "People who did app_open on at least 5 of the last 14 days.",
    "events.app_open.unique_days_1d == 0": "People who did not do app_open today.",
    "events.app_open.streak_days >= 3": "People who did app_open on at least 3 days in a row up to now.",
    "events.app_open.streak_days == 0": "People who did app_open neither today nor yesterday.",
    "events.purchase.sum(amount, 365d) >= 1000 && spend > 10.50":
        "People whose purchase events in the last 365 days have a total amount of at least 1,000 "
        "and whose spend is more than 10.5.",
    "events.view.unique(category, 7d) >= 3":
        "People whose view events in the last 7 days have at least 3 different values of category.",
    'events.purchase.top(category, 90d) == "books"':
        'People for whom the most frequent category of their purchase events in the last 90 days is "books".',
    "events.load.p95(ms, 7d) > 300":
        "People whose load events in the last 7 days have a 95th-percentile ms of more than 300.",
    "events.load.percentile(ms, 0.5) > 300": "People whose load events have a median ms of more than 300.",
    "events.app_open.rate(7d) < 1": "People who did app_open on average less than 1 time a day in the last 7 days.",
    "events.purchase.count_30d * 2 < events.purchase.count(60d..30d)":
        "People for whom the number of times they did purchase in the last 30 days times 2 is less than "
        "the number of times they did purchase between 60 days and 30 days ago.",
    # Whole days: from the eighth day on.
    "last_seen_days_ago > 7": "People who were last seen at least 8 days ago.",
    "last_seen_days_ago <= 7": "People who were last seen less than 8 days ago.",
    "events.purchase.last_days_ago == 3": "People who last did purchase between 3 days and 4 days ago.",
    "between(events.purchase.last_days_ago, 7, 13)": "People who last did purchase between 7 days and 14 days ago.",
    "between(until(profile.trial_ends_at), 0s, 3d)": "People whose trial_ends_at is between now and 3 days from now.",
    "ago(profile.signed_up_at) < 7d": "People whose signed_up_at is less than 7 days ago (or still to come).",
    'first_seen_at >= date("2026-01-01") || events.a.last_at < datetime("2026-01-01T09:30:00Z")':
        "People who were first seen at or after the beginning of 2026-01-01 or last did a before 2026-01-01 09:30 UTC.",
    'profile.plan != "free" && profile.country in ["DE", "AT", "CH"]':
        'People whose plan is not "free" and whose country is one of "DE", "AT" or "CH".',
    'profile.country not in ["DE", "AT"]': 'People whose country is neither "DE" nor "AT".',
    "!(segments.vip || loyal)": "People who are not in the segment vip and whose loyal is false.",
    'segments.vip && (profile.plan == "pro" || loyal)':
        'People who are in the segment vip, and for whom either their plan is "pro" or their loyal is true.',
    "segments.vip && (segments.whales || events.a.count > 0)":
        "People who are in the segment vip, and who either are in the segment whales or did a at least once.",
    "(segments.vip && loyal) || (segments.whales && spend > 1 && spend < 3)":
        "People who are in the segment vip and whose loyal is true, or who are in the segment whales, whose spend is "
        "more than 1, and whose spend is less than 3.",
    "exists(events.buy.last_at) || !exists(events.any.first_at)":
        "People who did buy at least once or never did anything.",
    "(profile.a ?? profile.b ?? profile.c ?? 1) > 2":
        "People for whom the first of their a, their b, their c, and 1 that is known is more than 2.",
    "events.buy.unique_days_1d < profile.n":
        "People for whom (1 if they did buy today, and otherwise 0) is less than their n.",
    "events.`any`.count > 1": 'People who did "any" more than once.',
    "exists(profile.email) && (loyal ?? false)": "People whose email is known and whose loyal is true.",
    "loyal ?? true": "People whose loyal is true (or this is unknown).",
    'if(segments.vip, spend > 100, profile.plan == "pro")':
        "People for whom if they are in the segment vip, then their spend is more than 100, "
        'and otherwise their plan is "pro".',
    'semver(profile.app) >= semver("2.10")': "People whose app read as a version is at least version 2.10.0.",
    'ends_with(lower(profile.email), "@example.com")':
        'People whose email in lower case ends with "@example.com".',
    'group.plan == "pro"': 'People whose group\'s plan is "pro".',
    "true": "Everyone.",
}  # fmt: skip


@pytest.mark.parametrize(("source", "sentence"), SEGMENTS.items(), ids=SEGMENTS)
def test_a_segment_in_words(source: str, sentence: str) -> None:
    assert described(source).tree.text == sentence


def test_a_trait_and_a_flag_in_words() -> None:
    assert described("events.purchase.sum(amount, 30d)", "trait").tree.text == (
        "For each person, the total amount of their purchase events in the last 30 days."
    )
    assert described("if(segments.vip, 10, spend ?? 0)", "trait").tree.text == (
        "For each person, 10 if they are in the segment vip, and otherwise their spend (0 if that is unknown)."
    )
    assert described("segments.vip", "trait").tree.text == "For each person, whether they are in the segment vip."
    assert described('context.platform == "ios" && !flag("checkout") && flag("theme") == "dark"', "flag").tree.text == (
        'Applies to a person when the request\'s platform is "ios", the flag checkout is false, '
        'and the flag theme is "dark".'
    )


def test_equal_words_mean_the_same() -> None:
    """Whole units said as spans, `>` as "at least", negations carried inwards: none of it changes what is true."""
    day = 86_400_000
    events = [{"event": "a", "ts": n * day // 2, "properties": {"p": n}} for n in (20, 21, 26)]
    case = {"events": events, "profile": {"t": "1970-01-15T00:00:00Z"}}
    moments = [[n * day // 2 + ms, None] for n in range(19, 31) for ms in (0, 1)]
    lefts = ("events.a.count_3d", "events.a.last_days_ago", "last_seen_hours_ago", "events.a.unique_days_2d",
             "events.a.streak_days", "events.a.sum(p, 3d)", "events.a.count(4d..2d)")  # fmt: skip
    spans = ("ago(profile.t)", "until(profile.t)", "ago(events.a.last_at)")
    sources = [f"{x} {op} {n}" for x in lefts for op in OPPOSITE for n in ("0", "0.5", "1", "2")]
    sources += [f"{x} {op} {n}" for x in spans for op in OPPOSITE for n in ("0s", "1d", "36h")]
    sources += [f"between({x}, {n}, {n + 1})" for x in lefts for n in (0, 1, 24)]
    truths: dict[str, dict[str, list[bool | None]]] = {}
    for source in sources:
        for written in (source, f"!({source})"):
            if check(written, Scope(kind="segment")).node is not None:
                answer = run_case({**case, "expr": written, "timeline": moments})
                values = [result["value"] for result in answer["results"]]
                truths.setdefault(described(written).tree.text, {})[written] = values
    shared = [found for found in truths.values() if len(found) > 1]
    assert len(shared) > 100
    for found in shared:
        assert len({str(values) for values in found.values()}) == 1, list(found)


def test_the_parts_stand_where_they_stand_in_the_source() -> None:
    source = 'loyal && !(events.buy.where(b > 1 && a == "x").count_7d >= 2)'
    found: list[tuple[str, str]] = []

    def collect(sentence: Sentence) -> None:
        found.append((source[sentence.span.start : sentence.span.end], sentence.text))
        for part in sentence.parts:
            collect(part)

    collect(described(source).tree)
    buys = 'events.buy.where(b > 1 && a == "x").count_7d'
    counted = '(counting only those whose a is "x" and whose b is more than 1).'
    assert [pair for pair in found if pair[0] not in {"2", "1", '"x"'}] == [
        (source, f"People whose loyal is true and who did buy fewer than twice in the last 7 days {counted}"),
        ("loyal", "Their loyal is true."),
        (f"!({buys} >= 2)", f"They did buy fewer than twice in the last 7 days {counted}"),
        (f"({buys} >= 2)", f"They did buy at least twice in the last 7 days {counted}"),
        (buys, f"The number of times they did buy in the last 7 days {counted}"),
        ('b > 1 && a == "x"', 'Their a is "x" and their b is more than 1.'),
        ("b > 1", "Their b is more than 1."),
        ("b", "Their b."),
        ('a == "x"', 'Their a is "x".'),
        ("a", "Their a."),
    ]  # fmt: skip


def test_what_is_read() -> None:
    found = described(
        "events.buy.count > 1 && events.any.count > 1 && profile.a.b == 1 && segments.vip && spend > 1", "trait"
    )
    assert found.events == ("buy", "any")
    assert found.properties == ("a.b",)
    assert found.definitions == (("segment", "vip"), ("trait", "spend"))
    assert described('context.os == "ios"', "flag").context == ("os",)
    assert described('group.plan == "pro"').group == ("plan",)


def test_what_changes_by_itself() -> None:
    assert described("events.buy.count(90d..30d) > 1 && last_seen_days_ago < 3 && segments.vip").changes == (
        "When one of their buy events gets 30 days and 90 days old.",
        "As time passes since they were last seen.",
        "When the segment vip changes.",
    )
    assert described("events.buy.streak_days > 1 || until(profile.ends) < 3d").changes == (
        "When a local day begins.",
        "As time passes towards their ends.",
    )
    assert described('events.buy.count > 3 && profile.plan == "pro"').changes == ()


def test_where_it_is_unknown() -> None:
    assert described('profile.country != "US" || spend > 1').unknown == (
        "Unknown (not in the segment) if their country is missing or is not text.",
        "Unknown (not in the segment) if their spend is unknown.",
    )
    assert described("events.buy.avg(price, 7d) / events.buy.count", "trait").unknown == (
        "Unknown if there are no buy events with price in the last 7 days.",
        "Unknown if the number of times they did buy is 0.",
    )
    assert described("(profile.a ?? profile.b) == 1", "flag").unknown == (
        "Unknown (rule skipped) if their a is missing or is not a number and their b is missing or is not a number.",
    )
    assert described("(profile.plan ?? 'free') == 'free' && exists(profile.x) && events.buy.count < 2").unknown == ()


def test_every_expression_of_the_vectors_has_grammatical_words() -> None:
    """Every node the vectors reach is described, in each kind of definition it may stand in."""
    seen: set[type[ir.Node]] = set()
    sentences = 0
    for path in sorted(VECTORS.glob("*/*.json")):
        document = json.loads(path.read_text())
        for case in document["cases"]:
            given = {**document["given"], **case}
            if "expr" not in given:
                continue
            for kind, node in _checked(given):
                seen.update(type(part) for part in ir.walk(node))
                sentences += _well_said(describe_expression(node, kind).tree)  # type: ignore[arg-type]
    assert sentences > 2_000
    unseen = {node.__name__ for node in ir.Node.__subclasses__()} - {node.__name__ for node in seen}
    assert unseen == {"EventProperty", "Listed"}  # inside `where`, and in no text at all


def _checked(given: dict) -> list[tuple[str, ir.Node]]:  # type: ignore[type-arg]
    definitions, schema = given.get("definitions", {}), given.get("schema", {})
    sources: list[DefinitionSource | FlagSource] = [
        DefinitionSource("trait", k, e) for k, e in definitions.get("traits", {}).items()
    ]
    sources += [DefinitionSource("segment", key, text) for key, text in definitions.get("segments", {}).items()]
    sources += [FlagSource(key, Type.BOOL, ()) for key in definitions.get("flags", {})]
    expr = given["expr"]
    sources += [
        DefinitionSource("trait", "_case", expr),
        DefinitionSource("segment", "_case", expr),
        FlagSource("_case", Type.BOOL, (expr,)),
    ]
    workspace = check_workspace(
        sources,
        properties={name: Type(type_) for name, type_ in schema.get("profile", {}).items()},
        events={e: {p: Type(t) for p, t in known.items()} for e, known in schema.get("events", {}).items()},
    )
    parts = [(kind, workspace.checked[kind, "_case"][0].node) for kind in ("trait", "segment", "flag")]
    return [(kind, node) for kind, node in parts if node is not None]


def _well_said(sentence: Sentence) -> int:
    text = sentence.text
    assert text[0].isupper() or not text[0].isalpha(), text
    assert text.endswith("."), text
    plain = re.sub(r'"(?:\\.|[^"\\])*"?…?', "Q", text)
    assert not re.search(r"  | [,.]|\(\)|\( |\bNone\b|Decimal|\w+\(|[<>=&|{}]|_ms\b|\b(\w{3,}) \1\b", plain), text
    assert plain.count("(") == plain.count(")"), text
    return 1 + sum(map(_well_said, sentence.parts))
