"""What compiling a question needs to know of an environment, and what it returns.

Shape   World · Reads: what an answer depends on, for the cache · Compiled: statements, and what reads their rows
Laws    compiling is pure: the same question and world give the same statements
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tinycdp.dsl.check.expressions import Scope
from tinycdp.model import Instant
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.compile.sql import Statement
from tinycdp.products.analytics.questions.schemas import DerivedEvent, ExperimentMetric, Series

AnswerT_co = TypeVar("AnswerT_co", bound=Answer, covariant=True)
#: Rows of each statement, as the client returns them.
Rows = Sequence[Sequence[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """A rule that splits: the share of each variant, and the flag's version since which they hold."""

    shares: Mapping[str, float]
    since_version: int


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """What an experiment needs to know of a flag.

    variants  in their order; splits: by the id of the rule"""

    definition_id: int
    variants: tuple[str, ...]
    off_variant: str
    splits: Mapping[str, SplitFacts]


@dataclass(frozen=True, slots=True)
class World:
    """An environment, at one position of the feed.

    as_of      everything acknowledged before it is in the tables
    merged     whether identifiers belong to another profile than their events say
    scope      names that filters may use
    segments   id of each live segment, by key
    derived, metrics, experiment_metrics   saved definitions that questions may name"""

    environment_id: int
    zone: str
    as_of: Instant
    merged: bool
    scope: Scope
    segments: Mapping[str, int] = field(default_factory=dict)
    flags: Mapping[str, FlagFacts] = field(default_factory=dict)
    derived: Mapping[str, DerivedEvent] = field(default_factory=dict)
    metrics: Mapping[str, Series] = field(default_factory=dict)
    experiment_metrics: Mapping[str, ExperimentMetric] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reads:
    """What an answer depends on: it stays true while none of it changes.

    names         of events; None for all
    since, until  instants of these events
    noted         what of people matters, as of now or in its history: ("property", name) of profiles,
                  ("segment", id), ("flag", id) for its exposures, ("group", "") for groups with their traits,
                  ("seen", "") for when people were seen
    by_the_clock  whether it compares something with now: then it holds for no longer than its instant"""

    names: frozenset[str] | None
    since: Instant
    until: Instant
    noted: frozenset[tuple[str, str]] = frozenset()
    by_the_clock: bool = False

    def __or__(self, other: "Reads") -> "Reads":
        """What either depends on."""
        return Reads(
            None if self.names is None or other.names is None else self.names | other.names,
            min(self.since, other.since),
            max(self.until, other.until),
            self.noted | other.noted,
            self.by_the_clock or other.by_the_clock,
        )


@dataclass(frozen=True, slots=True)
class Compiled(Generic[AnswerT_co]):
    """A compiled question: run all statements, and give their rows to `read`.

    holds_until  the first instant at which time alone may change the answer, or what finds it in the rows"""

    statements: tuple[Statement, ...]
    read: Callable[[Rows], AnswerT_co]
    reads: Reads
    holds_until: Instant | Callable[[Rows], Instant]

    def held_until(self, rows: Rows) -> Instant:
        """The first instant at which time alone may change the answer; 0 for at once."""
        if self.reads.by_the_clock:
            return 0
        return self.holds_until(rows) if callable(self.holds_until) else self.holds_until
