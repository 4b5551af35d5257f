"""The meaning of every question, computed by brute force from raw events, one person at a time.

Shape   answer(world, question) → Answer, with what does not depend on the data left empty ·
        disagreements(answer, answer) → what is different, in words
        numbers(question, answer) → its numbers with people behind them · people(world, question, cell) → these
        world.py says what the data is; a module for each kind, or few that belong together, says what it means
Laws    an answer is a function of the sets in the world: no order of arrival matters. Slow is fine, unclear is not.
        The product never imports this
Source  docs/reference/analytics-meanings.md
"""

from collections.abc import Callable
from typing import Any

from analytics_oracle import behind
from analytics_oracle.activity import active, adoption, frequency, lifecycle, stickiness
from analytics_oracle.behind import numbers
from analytics_oracle.comparing import comparable, disagreements
from analytics_oracle.experiment import experiment
from analytics_oracle.funnel import funnel
from analytics_oracle.impact import impact
from analytics_oracle.retention import retention
from analytics_oracle.sessions import paths, sessions
from analytics_oracle.trend import trend
from analytics_oracle.world import Exposure, Flag, Moved, Person, RawEvent, Said, World
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.cells.schemas import Cell
from tinycdp.products.analytics.questions import schemas
from tinycdp.products.analytics.questions.schemas import Question

__all__ = [
    "KINDS",
    "Exposure",
    "Flag",
    "Moved",
    "Person",
    "RawEvent",
    "Said",
    "World",
    "answer",
    "comparable",
    "disagreements",
    "numbers",
    "people",
]

_KINDS: dict[type, Callable[[World, Any], Answer]] = {
    schemas.TrendQuestion: trend,
    schemas.ActiveQuestion: active,
    schemas.StickinessQuestion: stickiness,
    schemas.FrequencyQuestion: frequency,
    schemas.FunnelQuestion: funnel,
    schemas.RetentionQuestion: retention,
    schemas.LifecycleQuestion: lifecycle,
    schemas.SessionsQuestion: sessions,
    schemas.PathsQuestion: paths,
    schemas.AdoptionQuestion: adoption,
    schemas.ImpactQuestion: impact,
    schemas.ExperimentQuestion: experiment,
}
#: The kind of each question, as on the wire.
KINDS = tuple(question.__struct_config__.tag for question in _KINDS)


def answer(world: World, question: Question) -> Answer:
    """The answer, with asOf and the like left empty."""
    return _KINDS[type(question)](world, question)


def people(world: World, question: Question, cell: Cell) -> set[int]:
    """The people behind one number."""
    return behind.people(world, question, cell, answer)
