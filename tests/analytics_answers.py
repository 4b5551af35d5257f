"""An answer of each kind, small, with what is awkward in a file: unknown values, groups, formulas, long numbers."""

from decimal import Decimal
from typing import get_args

from tinycdp.products.analytics.answers.schemas import (
    ActiveAnswer,
    ActiveLine,
    AdoptionAnswer,
    AdoptionRow,
    Answer,
    Before,
    BucketSpan,
    Cohort,
    ExperimentAnswer,
    FrequencyAnswer,
    FrequencyRow,
    FunnelAnswer,
    FunnelGroup,
    FunnelStep,
    Group,
    ImpactAnswer,
    ImpactSide,
    Labelled,
    LifecycleAnswer,
    LifecycleRow,
    Line,
    MetricResult,
    PathLink,
    PathsAnswer,
    RetentionAnswer,
    RetentionCell,
    RetentionGroup,
    SampleRatio,
    SessionFigures,
    SessionsAnswer,
    StickinessAnswer,
    StickinessRow,
    TrendAnswer,
    VariantResult,
    VariantUnits,
)

BUCKETS = (
    BucketSpan("2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00", True),
    BucketSpan("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00", False),
    BucketSpan("2026-03-30T00:00:00+02:00", "2026-03-31T00:00:00+02:00", False),
)
LONG = Decimal("12345678901234567.123456789")
FORMULA = "=HYPERLINK(1)"
_HALF = Decimal("0.5")
_INFO = {"as_of": "2026-03-29T10:00:00.000Z", "zone": "Europe/Berlin"}


def _step(name: str, reached: int) -> FunnelStep:
    return FunnelStep(name, reached, 1, 0, 1, Decimal(reached) / 10, _HALF, 3_600_000)


def _funnel(group: Group | None) -> FunnelGroup:
    return FunnelGroup(group, 10, 4, 1, 0, 5, _HALF, 7_200_000, (_step("signup", 10), _step("purchase", 4)))


_CELLS = (RetentionCell(10, Decimal(1), True), RetentionCell(4, Decimal("0.4"), False))
_FIGURES = SessionFigures(4, 3, 1, Decimal("1500.5"), 1200, Decimal("2.25"))

ANSWERS: tuple[Answer, ...] = (
    TrendAnswer(
        buckets=BUCKETS,
        lines=(
            Line(
                *("A", "purchase", Group("value", ("DE", True)), (LONG, Decimal(-3), None), LONG),
                before=Before(BUCKETS, (Decimal(1), None, None), Decimal(1)),
            ),
            Line("A", "purchase", Group("value", (FORMULA, 7)), (Decimal(0), Decimal(2), None), Decimal(2)),
            Line("A", "purchase", Group("other"), (Decimal(0), Decimal(2), None), Decimal(2)),
            Line("A", "purchase", Group("unknown"), (None, Decimal("0.1"), None), Decimal("0.1")),
        ),
        **_INFO,
    ),
    ActiveAnswer(buckets=BUCKETS, lines=(ActiveLine(1, (5, 3, None)), ActiveLine(30, (9, 10, None))), **_INFO),
    StickinessAnswer(people=7, rows=(StickinessRow(1, 4, 7), StickinessRow(2, 3, 3)), **_INFO),
    FrequencyAnswer(people=7, rows=(FrequencyRow(1, 2, 4), FrequencyRow(3, None, 3)), **_INFO),
    FunnelAnswer(groups=(_funnel(Group("value", ("DE",))), _funnel(Group("unknown"))), **_INFO),
    RetentionAnswer(
        periods=((0, 0), (1, 7)),
        groups=(
            RetentionGroup(
                *(None, 10),
                (
                    Cohort(
                        BUCKETS[0], 10, (RetentionCell(10, Decimal(1), True), RetentionCell(4, Decimal("0.4"), False))
                    ),
                ),
                (Decimal(1), None),
            ),
        ),
        **_INFO,
    ),
    LifecycleAnswer(
        buckets=BUCKETS,
        rows=(LifecycleRow(1, 2, 3, 4), LifecycleRow(0, 1, 0, 2), LifecycleRow(None, None, None, None)),
        **_INFO,
    ),
    SessionsAnswer(
        buckets=BUCKETS,
        rows=(_FIGURES, _FIGURES, None),
        total=_FIGURES,
        entries=(Labelled("/home", 3), Labelled(None, 1)),
        exits=(Labelled(FORMULA, 4),),
        **_INFO,
    ),
    PathsAnswer(
        sessions=4,
        links=(PathLink(1, "/home", "/cart", 3), PathLink(1, "/home", None, 1), PathLink(2, "", None, 2, True)),
        **_INFO,
    ),
    AdoptionAnswer(
        buckets=BUCKETS, rows=(AdoptionRow(10, 4, 2, 6, Decimal("0.4")), AdoptionRow(0, 0, 0, 0, None), None), **_INFO
    ),
    ImpactAnswer(
        users=ImpactSide(5, Decimal("1.2"), Decimal("2.4")),
        others=ImpactSide(6, Decimal("1.1"), None),
        unfinished=2,
        difference=Decimal("1.3"),
        interval=(Decimal("-0.2"), Decimal("2.8")),
        **_INFO,
    ),
    ExperimentAnswer(
        flag="price",
        control="old",
        sample_ratio=SampleRatio({"old": _HALF, "new": _HALF}, Decimal("0.9"), False),
        variants=(VariantUnits("old", 100, 1), VariantUnits("new", 98, 0)),
        metrics=(
            MetricResult(
                *("purchase", "conversion"),
                (
                    VariantResult("old", 99, 1, 10, Decimal("0.101010101"), None, None, None, None, None),
                    VariantResult(
                        *("new", 98, 0, 20, Decimal("0.204081633"), Decimal("0.103071532")),
                        *((Decimal("0.01"), Decimal("0.2")), (Decimal("-0.05"), Decimal("0.25"))),
                        *(Decimal("0.03"), Decimal("0.98")),
                    ),
                ),
            ),
        ),
        **_INFO,
    ),
)

assert {type(answer) for answer in ANSWERS} == set(get_args(Answer)), "an answer of each kind"
