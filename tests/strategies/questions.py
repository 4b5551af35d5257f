"""Questions of every kind, for laws that hold for all of them.

Shape   questions() → Question
Laws    every question is one that clients may send: its range, names and numbers are valid. A filter is any text of the
        language; here it is one of a few
"""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tinycdp.products.analytics.questions.schemas import (
    ActiveQuestion,
    AdoptionQuestion,
    Breakdown,
    DerivedEvent,
    Exclusion,
    ExperimentMetric,
    ExperimentQuestion,
    FrequencyQuestion,
    FunnelQuestion,
    ImpactQuestion,
    LifecycleQuestion,
    Matching,
    PathsQuestion,
    PerPerson,
    Question,
    RetentionQuestion,
    Series,
    SessionsQuestion,
    Step,
    StickinessQuestion,
    TrendQuestion,
)

#: Names that read like something else, or that have to be quoted.
NAMES = (
    "purchase",
    "page_view",
    "Order Completed",
    "last month",
    "by",
    'say "hi"',
    "a.b",
    "où",
    "42",
    "where (x",
    "\\",
)
_CONDITIONS = ("amount >= 50", 'plan == "pro"', "exists(`a)b`)", '(a || b) && c == ")"', 'x in ["a", "b"]')
_PEOPLE = ("segments.vip", 'profile.plan == "pro"', 'profile.country in ["de"] || segments.vip')
_DURATIONS = st.sampled_from(("30m", "12h", "2d", "7d", "4w"))
_BUCKETS = st.sampled_from(("hour", "day", "week", "month", "quarter", "year"))

_names = st.sampled_from(NAMES)
_where = st.sampled_from(("", "", *_CONDITIONS))
_plain = st.one_of(st.just("*"), _names, st.builds(DerivedEvent, derived=_names))
_derived = st.builds(DerivedEvent, any=st.lists(st.builds(Matching, _plain, _where), min_size=1, max_size=3).map(tuple))
EVENTS = st.one_of(_plain, _derived)
_matching = st.builds(Matching, EVENTS, _where)
_of_property = st.sampled_from(("sum", "avg", "min", "max", "distinct", "median", "p95"))
_numbers = st.one_of(st.integers(-5, 1_000), st.sampled_from(("0.5", "-1.25", "99.9"))).map(Decimal)


@st.composite
def _ranges(draw: st.DrawFn) -> dict[str, Any]:
    days = [f"2026-0{month}-1{day}" for month in range(1, 10) for day in range(5)]
    kind = draw(st.sampled_from(("last", "between", "since", "instants")))
    if kind == "last":
        return {"last": f"{draw(st.integers(1, 400))}{draw(st.sampled_from('hdwm'))}"}
    if kind == "since":
        return {"from_": draw(st.sampled_from(days))}
    ends = sorted(draw(st.lists(st.sampled_from(days), min_size=2, max_size=2, unique=True)))
    if kind == "instants":
        return {"from_": f"{ends[0]}T10:00:00Z", "to": f"{ends[1]}T10:00:00.250+02:00"}
    return {"from_": ends[0], "to": ends[1]}


@st.composite
def _asked(draw: st.DrawFn) -> dict[str, Any]:
    found = draw(_ranges())
    found["people"] = draw(st.sampled_from(("", *_PEOPLE)))
    found["sample"] = draw(st.sampled_from((Decimal(1), Decimal("0.1"))))
    found["approximate"] = draw(st.booleans())
    return found


@st.composite
def _breakdowns(draw: st.DrawFn) -> Any:
    def one() -> Breakdown:
        kind = draw(st.sampled_from(("property", "profile", "group", "context", "segment")))
        at = draw(st.sampled_from(("event", "now"))) if kind in ("profile", "group", "segment") else "event"
        bins = draw(st.lists(_numbers, max_size=3, unique=True).map(sorted)) if kind in ("property", "profile") else []
        return Breakdown(**{kind: draw(_names)}, at=at, bins=tuple(bins))  # type: ignore[arg-type]

    n = draw(st.integers(0, 3))
    return () if n == 0 else one() if n == 1 else tuple(one() for _ in range(n))


@st.composite
def _series(draw: st.DrawFn) -> Series:
    name = draw(st.sampled_from(("", *NAMES)))
    if draw(st.integers(0, 5)) == 0:
        return Series(metric=draw(_names), name=name)
    event, where = draw(EVENTS), draw(_where)
    kind = draw(st.sampled_from(("plain", "property", "each", "each property")))
    match kind:
        case "plain":
            return Series(event, where, draw(st.sampled_from(("count", "people", "per_person"))), name=name)
        case "property":
            return Series(event, where, draw(_of_property), draw(_names), name=name)
        case "each":
            return Series(event, where, PerPerson("count", draw(st.sampled_from(("avg", "median")))), name=name)
    return Series(event, where, PerPerson(draw(_of_property), draw(_of_property)), draw(_names), name=name)


def _tuples(of: st.SearchStrategy[Any], least: int, most: int) -> st.SearchStrategy[Any]:
    return st.lists(of, min_size=least, max_size=most).map(tuple)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """A question of any kind."""
    asked = draw(_asked())
    bucket = draw(_BUCKETS)
    of_events = {"event": draw(EVENTS), "where": draw(_where), "bucket": bucket, **asked}
    grouped = {"breakdown": draw(_breakdowns())}
    if grouped["breakdown"]:
        grouped["top"] = draw(st.integers(1, 1_000))
    match draw(st.sampled_from(_KINDS)):
        case "trend":
            return TrendQuestion(
                series=draw(_tuples(_series(), 1, 3)),
                bucket=bucket,
                formula=draw(st.sampled_from(("", "A / 2", "(A + 1) * 100"))),
                unit=draw(st.sampled_from(("person", "group", "session"))),
                cumulative=draw(st.booleans()),
                rolling=draw(st.sampled_from((0, 7))),
                compare=draw(st.sampled_from(("", "previous", "week", "year"))),
                **grouped,
                **asked,
            )
        case "active":
            return ActiveQuestion(days=draw(_tuples(st.integers(1, 90), 1, 3)), **of_events)
        case "stickiness":
            return StickinessQuestion(**of_events)
        case "lifecycle":
            return LifecycleQuestion(**of_events)
        case "frequency":
            del of_events["bucket"]
            return FrequencyQuestion(edges=(1, *draw(st.sampled_from(((), (2,), (3, 10))))), **of_events)
        case "funnel":
            step = st.builds(
                Step, EVENTS, _where, st.one_of(st.just(""), _DURATIONS), st.one_of(st.just(""), _names)
            )  # fmt: skip
            exclusion = st.builds(Exclusion, EVENTS, _where, st.sampled_from(((), (1,), (1, 2))))
            return FunnelQuestion(
                steps=draw(_tuples(step, 2, 4)),
                within=draw(_DURATIONS),
                order=draw(st.sampled_from(("ordered", "strict", "any"))),
                exclude=draw(_tuples(exclusion, 0, 2)),
                hold=draw(_tuples(_names, 0, 2)),
                attribution=draw(st.sampled_from(("first", "last", "step:2"))),
                bucket=draw(st.sampled_from(("", bucket))),
                **grouped,
                **asked,
            )
        case "retention":
            return RetentionQuestion(
                start=draw(_matching),
                returns=draw(_matching),
                bucket=draw(st.sampled_from(("day", "week", "month"))),
                cohort=draw(st.sampled_from(("recurring", "first_time"))),
                window=draw(st.sampled_from(("calendar", "elapsed"))),
                mode=draw(st.sampled_from(("on", "on_or_after"))),
                periods=draw(st.integers(1, 30)),
                brackets=draw(st.sampled_from(((), ((1, 1), (2, 7))))),
                **grouped,
                **asked,
            )
        case "sessions":
            top = draw(st.integers(1, 50))
            label = draw(st.one_of(st.just(""), _names))
            return SessionsQuestion(gap=draw(_DURATIONS), bucket=bucket, label=label, top=top, **asked)
        case "paths":
            ends = draw(st.sampled_from(({}, {"start": "/"}, {"end": "purchase"})))
            return PathsQuestion(
                label=draw(st.one_of(st.just(""), _names)),
                group=draw(_tuples(_names, 0, 2)),
                without=draw(_tuples(_names, 0, 2)),
                depth=draw(st.integers(1, 20)),
                gap=draw(_DURATIONS),
                top=draw(st.integers(1, 50)),
                **ends,
                **asked,
            )
        case "adoption":
            return AdoptionQuestion(feature=draw(_matching), active=draw(_matching), bucket=bucket, **asked)
        case "impact":
            of = draw(st.sampled_from(({}, {"measure": "sum", "property": "amount"})))
            return ImpactQuestion(
                feature=draw(_matching), outcome=draw(_matching), within=draw(_DURATIONS), **of, **asked
            )
        case _:
            named = draw(st.sampled_from(("", "main")))
            plain = st.builds(
                ExperimentMetric, EVENTS, _where, st.sampled_from(("conversion", "count")), within=_DURATIONS
            )
            summed = st.builds(
                ExperimentMetric, EVENTS, _where, st.just("sum"), _names, _DURATIONS, name=st.just(named)
            )
            saved = st.builds(ExperimentMetric, metric=_names)
            metrics = draw(_tuples(st.one_of(plain, summed, saved), 1, 3))
            control = draw(st.one_of(st.just(""), _names))
            return ExperimentQuestion(flag=draw(_names), metrics=metrics, control=control, **asked)


_KINDS = (
    "trend", "active", "stickiness", "lifecycle", "frequency", "funnel", "retention", "sessions", "paths", "adoption",
    "impact", "experiment",
)  # fmt: skip
