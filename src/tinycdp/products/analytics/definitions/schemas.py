"""The documents of saved definitions.

Shape   ReportDocument, MetricDocument, EventDocument, DashboardDocument: in files, in bodies, and stored
Laws    unknown fields are errors. A document without its key is what is stored
Source  docs/reference/analytics-definitions.md
"""

from typing import Annotated

import msgspec

from tinycdp.products.analytics.questions.schemas import Event, Matching, Measure, Question


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What every saved definition has.

    key   may be left out in a PUT, whose path has it
    name  what people call it; its key if empty"""

    key: str = ""
    name: str = ""
    description: str = ""


class ReportDocument(_Document, frozen=True, kw_only=True):
    """A saved question of any kind."""

    question: Question


class MetricDocument(_Document, frozen=True, kw_only=True):
    """A measure named once. Trends use it as a series, experiments as a metric: {"metric": "revenue"}.

    measure   conversion: people with such an event; also count, people, per_person, or of `property`: sum, avg, min,
              max, distinct, median, p1 to p99. Experiments can use conversion, people, count and sum
    within    of experiments: the time after the exposure, its instant included"""

    event: Event
    where: str = ""
    measure: Measure = "count"
    property: str = ""
    within: str = "7d"


class EventDocument(_Document, frozen=True, kw_only=True):
    """A derived event: any of several events, each with its own filter.

    Questions name it: {"derived": "activation"}."""

    any: Annotated[tuple[Matching, ...], msgspec.Meta(min_length=1, max_length=20)]


class Tile(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One tile: exactly one of report, question and text is given.

    report    the key of a saved report
    question  a question of its own
    text      in Markdown
    width     in columns of twelve; tiles fill the rows in their order
    height    in rows"""

    title: str = ""
    report: str = ""
    question: Question | None = None
    text: str = ""
    width: Annotated[int, msgspec.Meta(ge=1, le=12)] = 6
    height: Annotated[int, msgspec.Meta(ge=1, le=24)] = 4


class DashboardDocument(_Document, frozen=True, kw_only=True):
    """A page of tiles."""

    tiles: Annotated[tuple[Tile, ...], msgspec.Meta(max_length=100)] = ()
