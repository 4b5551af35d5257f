"""A question written as a sentence, which reads back as the same question.

Shape   in_words(question) → str
Laws    ask(in_words(question)).question == question. Defaults that matter, such as the bucket, are written out
Source  grammar.lark
"""

from collections.abc import Sequence
from decimal import Decimal

from tinycdp.products.analytics.questions.schemas import (
    ActiveQuestion,
    AdoptionQuestion,
    Breakdown,
    DerivedEvent,
    Event,
    ExperimentMetric,
    ExperimentQuestion,
    FrequencyQuestion,
    FunnelQuestion,
    ImpactQuestion,
    LifecycleQuestion,
    Matching,
    Measure,
    PathsQuestion,
    Question,
    RetentionQuestion,
    Series,
    SessionsQuestion,
    Step,
    StickinessQuestion,
    TrendQuestion,
)
from tinycdp.products.analytics.words.dates import UNIT_OF
from tinycdp.products.analytics.words.texts import quoted_text as q

_AGGREGATES = {
    "sum": "sum", "avg": "average", "min": "minimum", "max": "maximum", "distinct": "distinct", "median": "median"
}  # fmt: skip
_COMPARE = {
    "": "", "previous": "compared to the period before", "week": "compared to the last week",
    "year": "compared to the last year",
}  # fmt: skip


def in_words(question: Question) -> str:
    """The question as a sentence."""
    match question:
        case TrendQuestion():
            parts = _trend(question)
        case ActiveQuestion():
            days = ", ".join(map(str, question.days))
            parts = [f"active people within {days} days of {_matching(question.event, question.where)}", _per(question)]
        case StickinessQuestion():
            parts = [f"stickiness of {_matching(question.event, question.where)}", _per(question)]
        case LifecycleQuestion():
            parts = [f"lifecycle of {_matching(question.event, question.where)}", _per(question)]
        case FrequencyQuestion():
            edges = ", ".join(map(str, question.edges))
            parts = [f"how often people do {_matching(question.event, question.where)}", f"in bins {edges}"]
        case FunnelQuestion():
            parts = _funnel(question)
        case RetentionQuestion():
            parts = _retention(question)
        case SessionsQuestion():
            parts = ["sessions", _per(question), f"with a gap of {question.gap}"]
            parts += [f"labelled by {q(question.label)}" if question.label else "", f"top {question.top}"]
        case PathsQuestion():
            parts = _paths(question)
        case AdoptionQuestion():
            feature, active = question.feature, question.active
            parts = [f"adoption of {_of(feature)}", f"among people with {_of(active)}", _per(question)]
        case ImpactQuestion():
            of = f"sum of property {q(question.property)} of " if question.measure == "sum" else ""
            parts = [
                f"impact of {_of(question.feature)} on {of}{_of(question.outcome)}", f"within {question.within}"
            ]  # fmt: skip
        case ExperimentQuestion():
            metrics = " and ".join(map(_metric, question.metrics))
            parts = [f"experiment {q(question.flag)} on {metrics}"]
            parts += [f"control {q(question.control)}" if question.control else ""]
    parts += [f"for people where ({question.people})" if question.people else "", _range(question)]
    parts += [f"in a sample of {_number(question.sample)}" if question.sample != 1 else ""]
    parts += ["approximately" if question.approximate else ""]
    return ", ".join(filter(None, parts))


def _trend(question: TrendQuestion) -> list[str]:
    return [
        " and ".join(map(_series, question.series)),
        f"formula ({question.formula})" if question.formula else "",
        _per(question),
        *_groups(question.breakdown, question.top),
        "cumulative" if question.cumulative else "",
        f"rolling {question.rolling}" if question.rolling else "",
        f"counting {question.unit}s" if question.unit != "person" else "",
        _COMPARE[question.compare],
    ]


def _series(series: Series) -> str:
    named = f" named {q(series.name)}" if series.name else ""
    if series.metric:
        return f"metric {q(series.metric)}{named}"
    of = f" property {q(series.property)} of" if series.property else ""
    event = _matching(series.event, series.where)
    return f"{_measure(series.measure)}{of} {event}{named}"


def _measure(measure: Measure) -> str:
    match measure:
        case "count":
            return "number of"
        case "people":
            return "people with"
        case "per_person":
            return "number per person of"
        case str():
            return f"{_AGGREGATES.get(measure, measure)} of"
    each = "number" if measure.per_person == "count" else _AGGREGATES.get(measure.per_person, measure.per_person)
    return f"{_AGGREGATES.get(measure.then, measure.then)} of the {each} per person of"


def _funnel(question: FunnelQuestion) -> list[str]:
    order = {"ordered": "", "strict": "in strict order", "any": "in any order"}[question.order]
    attribution = question.attribution.replace(":", " ")
    return [
        "funnel of " + " then ".join(map(_step, question.steps)),
        *(
            f"excluding {_matching(one.event, one.where)}"
            + (f" after step {', '.join(map(str, one.after))}" if one.after else "")
            for one in question.exclude
        ),
        f"within {question.within}",
        order,
        f"holding {', '.join(map(q, question.hold))}" if question.hold else "",
        *_groups(question.breakdown, question.top),
        f"attributed to the {attribution}" if attribution != "first" else "",
        f"per {question.bucket}" if question.bucket else "",
    ]


def _step(step: Step) -> str:
    within = f" within {step.within} of the step before" if step.within else ""
    return _matching(step.event, step.where) + within + (f" named {q(step.name)}" if step.name else "")


def _retention(question: RetentionQuestion) -> list[str]:
    brackets = ", ".join(f"{first} to {last}" for first, last in question.brackets)
    return [
        f"retention of {_of(question.start)}",
        f"returning with {_of(question.returns)}",
        _per(question),
        "first time" if question.cohort == "first_time" else "recurring",
        question.window,
        "on or after" if question.mode == "on_or_after" else "",
        f"{question.periods} periods",
        f"brackets {brackets}" if brackets else "",
        *_groups(question.breakdown, question.top),
    ]


def _paths(question: PathsQuestion) -> list[str]:
    return [
        "paths",
        f"starting with {q(question.start)}" if question.start else "",
        f"ending with {q(question.end)}" if question.end else "",
        f"labelled by {q(question.label)}" if question.label else "",
        f"grouping {', '.join(map(q, question.group))}" if question.group else "",
        f"without {', '.join(map(q, question.without))}" if question.without else "",
        f"depth {question.depth}",
        f"with a gap of {question.gap}",
        f"top {question.top}",
    ]


def _metric(metric: ExperimentMetric) -> str:
    named = f" named {q(metric.name)}" if metric.name else ""
    if metric.metric:
        return f"metric {q(metric.metric)}{named}"
    of = f" property {q(metric.property)} of" if metric.property else ""
    what = {"conversion": "conversion to", "count": "number of", "sum": "sum of"}[metric.measure]
    return f"{what}{of} {_matching(metric.event, metric.where)} within {metric.within}{named}"


def _per(question: ActiveQuestion | TrendQuestion | RetentionQuestion | SessionsQuestion | AdoptionQuestion
         | LifecycleQuestion | StickinessQuestion) -> str:  # fmt: skip
    return f"per {question.bucket}"


def _groups(breakdown: Breakdown | Sequence[Breakdown], top: int) -> list[str]:
    each = [breakdown] if isinstance(breakdown, Breakdown) else breakdown
    return [*map(_group, each), f"top {top}" if each else ""]


def _group(breakdown: Breakdown) -> str:
    by = next(
        f"by {words} {q(name)}"
        for words, name in (
            ("event property", breakdown.property), ("profile property", breakdown.profile),
            ("group trait", breakdown.group), ("context", breakdown.context), ("segment", breakdown.segment),
        )
        if name
    )  # fmt: skip
    now = " as of now" if breakdown.at == "now" else ""
    return by + now + (f" in bins {', '.join(map(_number, breakdown.bins))}" if breakdown.bins else "")


def _of(matching: Matching) -> str:
    return _matching(matching.event, matching.where)


def _matching(event: Event, where: str) -> str:
    also = " also" if isinstance(event, DerivedEvent) and event.any else ""  # the last part may have one of its own
    return _event(event) + (f"{also} where ({where})" if where else "")


def _event(event: Event) -> str:
    match event:
        case "*":
            return "any event"
        case str():
            return f"event {q(event)}"
        case DerivedEvent(derived=key) if key:
            return f"derived event {q(key)}"
    return "either " + " or ".join(map(_of, event.any))


def _range(question: Question) -> str:
    if question.last:
        n, unit = question.last[:-1], UNIT_OF.get(question.last[-1:], "day")
        return f"in the last {n} {unit}s"
    if question.to:
        return f"from {question.from_} until {question.to}"
    return f"since {question.from_}" if question.from_ else ""


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}"
