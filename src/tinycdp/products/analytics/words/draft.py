"""A question while it is being read: what each phrase added, and what it makes in the end.

Shape   QuestionDraft().question() → Question
Errors  Incomplete if something that the kind needs is missing
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import msgspec

from tinycdp.products.analytics.questions.schemas import (
    ActiveQuestion,
    AdoptionQuestion,
    Breakdown,
    Event,
    Exclusion,
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

#: Measures that need a property.
OF_PROPERTY = frozenset({"sum", "avg", "min", "max", "distinct", "median"})
DEFAULT_LAST = "30d"
_OfExperiment = Literal["conversion", "count", "sum"]
_CONVERSION: _OfExperiment = "conversion"
_OF_EXPERIMENTS: dict[str, _OfExperiment] = {"count": "count", "sum": "sum"}


class Incomplete(Exception):
    """A question lacks something; the text says what."""


def needs_property(measure: Measure) -> bool:
    """Whether a measure is of a property."""
    if isinstance(measure, str):
        return measure in OF_PROPERTY or (measure[:1] == "p" and measure[1:].isdigit())
    return needs_property(measure.per_person)


@dataclass(slots=True)
class Topic:
    """Events that a question is about, and what is measured of them.

    measured  the property that `measure` is of
    role      returns, exclude, among or outcome, where a question has several parts"""

    event: Event | None = None
    where: list[str] = field(default_factory=list)
    measure: Measure = ""
    measured: str = ""
    metric: str = ""
    name: str = ""
    within: str = ""
    step_within: str = ""
    role: str = ""
    after: tuple[int, ...] = ()

    @property
    def condition(self) -> str:
        return both(self.where)

    def matching(self) -> Matching:
        return Matching(self.event or "*", self.condition)


def both(conditions: list[str]) -> str:
    """Conditions that all hold."""
    if len(conditions) < 2:
        return "".join(conditions)
    return " && ".join(f"({one})" if "||" in one or " or " in one else one for one in conditions)


@dataclass(slots=True)
class QuestionDraft:
    """fields: what a question of any kind may have, by the names of its struct."""

    kind: str = ""
    topics: list[Topic] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    people: list[str] = field(default_factory=list)
    breakdowns: list[Breakdown] = field(default_factory=list)
    bucket: str = ""
    assumed: list[str] = field(default_factory=list)

    @property
    def has_range(self) -> bool:
        return bool(self.fields.keys() & {"from_", "last"})

    def of(self, role: str) -> list[Topic]:
        return [one for one in self.topics if one.role == role]

    def question(self) -> Question:
        """The question. Raises Incomplete."""
        kind = self.kind or "trend"
        made: dict[str, Any] = {name: value for name, value in self.fields.items() if name in _FIELDS[kind]}
        made["people"] = both(self.people)
        if not self.has_range:
            made["last"] = DEFAULT_LAST
        if self.breakdowns and "breakdown" in _FIELDS[kind]:
            made["breakdown"] = self.breakdowns[0] if len(self.breakdowns) == 1 else tuple(self.breakdowns)
        if self.bucket and "bucket" in _FIELDS[kind]:
            made["bucket"] = self.bucket
        build = getattr(self, f"_{kind}")
        question: Question = build(made)
        if not self.has_range:
            self.assumed.append("the last 30 days, since no time is named")
        return question

    def _trend(self, made: dict[str, Any]) -> Question:
        topics = self.of("")
        if not topics:
            raise Incomplete("No event of this environment is named.")
        series = []
        for one in topics:
            measure = one.measure or "count"
            if needs_property(measure) and not one.measured and not one.metric:
                raise Incomplete(f"Of which property is the {measure if isinstance(measure, str) else measure.then}?")
            if one.metric:
                series.append(Series(metric=one.metric, name=one.name))
                continue
            of = one.measured if needs_property(measure) else ""
            series.append(Series(one.event or "*", one.condition, measure, of, "", one.name))
        return TrendQuestion(series=tuple(series), **made)

    def _about_one(self) -> dict[str, Any]:
        one = (self.of("") or [Topic()])[0]
        return {"event": one.event or "*", "where": one.condition}

    def _active(self, made: dict[str, Any]) -> Question:
        return ActiveQuestion(**self._about_one(), **made)

    def _stickiness(self, made: dict[str, Any]) -> Question:
        return StickinessQuestion(**self._about_one(), **made)

    def _lifecycle(self, made: dict[str, Any]) -> Question:
        return LifecycleQuestion(**self._about_one(), **made)

    def _frequency(self, made: dict[str, Any]) -> Question:
        return FrequencyQuestion(**self._about_one(), **made)

    def _sessions(self, made: dict[str, Any]) -> Question:
        return SessionsQuestion(**made)

    def _paths(self, made: dict[str, Any]) -> Question:
        return PathsQuestion(**made)

    def _funnel(self, made: dict[str, Any]) -> Question:
        steps = tuple(Step(one.event or "*", one.condition, one.step_within, one.name) for one in self.of(""))
        if len(steps) < 2:
            raise Incomplete("A funnel needs two events: name where it begins, and where it leads to.")
        exclude = tuple(Exclusion(one.event or "*", one.condition, one.after) for one in self.of("exclude"))
        return FunnelQuestion(steps=steps, exclude=exclude, **made)

    def _retention(self, made: dict[str, Any]) -> Question:
        plain = self.of("")
        returns = (self.of("returns") or plain[1:2] or [Topic("*")])[0]
        start = (plain or [Topic("*")])[0]
        if not plain:
            self.assumed.append("any event as the start")
        if made.get("bucket", "day") not in ("day", "week", "month"):
            raise Incomplete(f"Retention is by day, week or month, not by {made['bucket']}.")
        return RetentionQuestion(start=start.matching(), returns=returns.matching(), **made)

    def _adoption(self, made: dict[str, Any]) -> Question:
        feature = self._needed("Adoption is of an event: name it.")
        among = self.of("among")
        return AdoptionQuestion(
            feature=feature.matching(), active=among[0].matching() if among else Matching("*"), **made
        )

    def _impact(self, made: dict[str, Any]) -> Question:
        feature = self._needed("Impact is of an event on another: name both.")
        outcomes = self.of("outcome") or self.of("")[1:]
        if not outcomes:
            raise Incomplete("Impact is of an event on another: name the other, too.")
        outcome = outcomes[0]
        measure: Literal["count", "sum"] = "sum" if outcome.measured else "count"
        return ImpactQuestion(
            feature=feature.matching(), outcome=outcome.matching(), measure=measure, property=outcome.measured, **made
        )

    def _experiment(self, made: dict[str, Any]) -> Question:
        if "flag" not in made:
            raise Incomplete("Name the flag of the experiment.")
        metrics = []
        for one in (one for one in self.topics if one.role in ("", "outcome")):
            measure = _OF_EXPERIMENTS.get(one.measure if isinstance(one.measure, str) else "", _CONVERSION)
            metrics.append(
                ExperimentMetric(
                    one.event or "", one.condition, measure, one.measured, one.within or "7d", one.metric, one.name
                )
            )
        if not metrics:
            raise Incomplete("Name an event to compare the variants by.")
        return ExperimentQuestion(metrics=tuple(metrics), **made)

    def _needed(self, message: str) -> Topic:
        plain = self.of("")
        if not plain:
            raise Incomplete(message)
        return plain[0]


_KINDS: dict[str, type[Any]] = {
    "trend": TrendQuestion, "active": ActiveQuestion, "stickiness": StickinessQuestion,
    "frequency": FrequencyQuestion, "funnel": FunnelQuestion, "retention": RetentionQuestion,
    "lifecycle": LifecycleQuestion, "sessions": SessionsQuestion, "paths": PathsQuestion,
    "adoption": AdoptionQuestion, "impact": ImpactQuestion, "experiment": ExperimentQuestion,
}  # fmt: skip
_FIELDS = {kind: frozenset(struct.__struct_fields__) for kind, struct in _KINDS.items()}


def number(value: Decimal) -> Decimal:
    """A number without needless digits."""
    whole = value.to_integral_value()
    return whole if whole == value else value.normalize()


def with_range(question: Question, fields: dict[str, Any]) -> Question:
    """A saved question, over another range."""
    over = {name: fields.get(name, "") for name in ("from_", "to", "last")}
    return msgspec.structs.replace(question, **over)
