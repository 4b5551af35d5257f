"""What clients and server exchange about analytics, beside questions and answers."""

from typing import Annotated, Any, Literal

import msgspec

from tinycdp.api.definitions.schemas import NamedDefinition
from tinycdp.api.http.encoding import Documented
from tinycdp.api.http.params import Note
from tinycdp.api.profiles.schemas import ProfileSummary
from tinycdp.products.analytics.answers.schemas import Answer, Notice
from tinycdp.products.analytics.cells.schemas import Cell
from tinycdp.products.analytics.definitions.schemas import (
    DashboardDocument,
    EventDocument,
    MetricDocument,
    ReportDocument,
    Tile,
)
from tinycdp.products.analytics.questions.schemas import FunnelQuestion, Question
from tinycdp.products.analytics.service.files import AnswerFormat

#: What PUT takes for a kind, as a plain object.
Document = Annotated[dict[str, Any], Documented(ReportDocument | MetricDocument | EventDocument | DashboardDocument)]


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question in words.

    text  in English, with the environment's names in any form
    run   false: only make the question"""

    text: Annotated[str, msgspec.Meta(min_length=1)]
    run: bool = True


class Span(msgspec.Struct, frozen=True):
    """A part of the text, and what it became, or why it changed nothing. start, end: its characters"""

    start: int
    end: int
    text: str
    meaning: str


class Alternative(msgspec.Struct, frozen=True):
    """Another question that the text may mean, and the sentence for it."""

    question: Question
    text: str


class AskedInWords(msgspec.Struct, frozen=True, kw_only=True):
    """What a text was understood as.

    question      null if something is missing
    text          the question as a sentence; asked in words, it is this question again
    understood    what became of each part of the text
    ignored       parts that changed nothing, and why
    assumed       what the text does not say
    alternatives  what else it may mean
    missing       what the question lacks
    answer        if `run`, and there is a question"""

    question: Question | None
    text: str
    understood: tuple[Span, ...]
    ignored: tuple[Span, ...]
    assumed: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    missing: str
    answer: Answer | None


class SavedWarning(msgspec.Struct, frozen=True):
    """A warning about a document, such as an event that was never seen. path: JSONPath into the document"""

    path: str
    message: str


class SavedDefinition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A saved definition.

    document  as PUT takes it
    used_by   the saved definitions that name it
    warnings  only in the answer about one definition"""

    key: str
    version: int
    name: str
    description: str
    document: Document
    saved_at: str
    saved_by: str
    note: str
    used_by: list[NamedDefinition]
    warnings: list[SavedWarning] | msgspec.UnsetType = msgspec.UNSET


class SavedVersion(msgspec.Struct, frozen=True, rename="camel"):
    """One version. document: null if the version deleted the definition"""

    version: int
    key: str
    document: Document | None
    saved_at: str
    saved_by: str
    note: str


class SavedVersions(msgspec.Struct, frozen=True):
    """Newest first."""

    versions: list[SavedVersion]


class SavedStep(msgspec.Struct, frozen=True):
    """A version that a save wrote. deleted: the definition was deleted"""

    kind: str
    key: str
    version: int
    deleted: bool


class SavedRevision(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One save. revision: its number; traits, segments and flags have numbers of their own"""

    revision: int
    author: str
    note: str
    saved_at: str
    saved: list[SavedStep]


class SavedRevisions(msgspec.Struct, frozen=True):
    """Newest first. `next` is what `before` takes for the following page."""

    revisions: list[SavedRevision]
    next: int | None


class SavedReports(msgspec.Struct, frozen=True):
    """All reports, by key."""

    reports: list[SavedDefinition]


class SavedMetrics(msgspec.Struct, frozen=True):
    """All metrics, by key."""

    metrics: list[SavedDefinition]


class SavedEvents(msgspec.Struct, frozen=True):
    """All derived events, by key."""

    events: list[SavedDefinition]


class SavedDashboards(msgspec.Struct, frozen=True):
    """All dashboards, by key."""

    dashboards: list[SavedDefinition]


class SegmentBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The people behind one number, to be saved as a segment.

    cell  the number of the answer
    key   of the new segment
    live  a rule instead of a list: its members change with the number. Only for what the language can say"""

    question: Question
    cell: Cell
    key: str
    description: str = ""
    live: bool = False
    note: Note = ""
    dry_run: bool = False


class SavedSegment(msgspec.Struct, frozen=True, rename="camel"):
    """The segment that was saved, or with `dryRun` would be.

    rule         of a live segment; empty for a static one
    profiles     how many people a static segment has; null for a live one
    as_of        the instant for which they were counted
    revision     the newest one now
    backfilling  whether it backfills before it serves"""

    key: str
    rule: str
    profiles: int | None
    as_of: str
    revision: int
    backfilling: bool
    dry_run: bool


class TileError(msgspec.Struct, frozen=True):
    """Why a tile has no answer, as the question alone would answer."""

    code: str
    message: str


class AnsweredTile(msgspec.Struct, frozen=True):
    """A tile with its answer, or the error. A text has neither."""

    tile: Tile
    title: str
    answer: Answer | None
    error: TileError | None


class AnsweredDashboard(msgspec.Struct, frozen=True):
    """The tiles in their order."""

    tiles: list[AnsweredTile]


class Lag(msgspec.Struct, frozen=True, rename="camel"):
    """How far the copy of events is behind.

    state    following, or filling while the first copy is made: then there are no answers yet
    rows     transactions that it lacks, 100,000 at most; null while it is filled
    seconds  since the oldest of them"""

    state: Literal["following", "filling"]
    rows: int | None = None
    seconds: float | None = None


class EventCount(msgspec.Struct, frozen=True, rename="camel"):
    """How many events there are, and of how many people.

    as_of  everything that was acknowledged before it is in the numbers"""

    count: int
    people: int
    as_of: str
    warnings: tuple[Notice, ...] = ()


class DayEvents(msgspec.Struct, frozen=True, rename="camel"):
    """How many events a local day has. day: its date."""

    day: str
    count: int


class NameCount(msgspec.Struct, frozen=True, rename="camel"):
    """How many events of a name there are, and of how many people."""

    event: str
    count: int
    people: int


class ActivePeople(msgspec.Struct, frozen=True, rename="camel"):
    """How many people were active in the last local days, today included."""

    days: int
    people: int
    as_of: str
    warnings: tuple[Notice, ...] = ()


class ExportRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A question, and the format of the file with its answer.

    id  a name of your choice, by which the question can be cancelled"""

    question: Question
    format: AnswerFormat = "csv"
    id: Annotated[str, msgspec.Meta(max_length=100)] = ""


class SqlRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A SELECT over the views.

    sql         values of its parameters stand as {name:Type}
    parameters  their values
    format      json for rows, or a file
    id          a name of your choice, by which it can be cancelled"""

    sql: str
    parameters: dict[str, Any] = {}
    format: Literal["json", "csv", "jsonl", "parquet"] = "json"
    id: Annotated[str, msgspec.Meta(max_length=100)] = ""


class SqlColumn(msgspec.Struct, frozen=True, rename="camel"):
    """A column: its type is ClickHouse's."""

    name: str
    type: str


class SqlAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """The rows, each a list with a value per column.

    as_of  everything that was acknowledged before it is in the answer
    more   there are more rows than these; ask for a file, or with LIMIT"""

    as_of: str
    columns: tuple[SqlColumn, ...]
    rows: list[list[Any]]
    more: bool


class FunnelBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A funnel to save."""

    key: str
    question: FunnelQuestion
    name: str = ""
    note: Note = ""
    dry_run: bool = False


class SavedFunnel(msgspec.Struct, frozen=True, rename="camel"):
    """A saved report with a funnel."""

    key: str
    name: str
    question: FunnelQuestion
    version: int
    saved_at: str


class SavedFunnels(msgspec.Struct, frozen=True):
    """All funnels, by key."""

    funnels: list[SavedFunnel]


class PeopleBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A question, and the cell of its answer whose people are listed.

    after  `next` of the page before"""

    question: Question
    cell: Cell
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    after: Annotated[int, msgspec.Meta(ge=0)] = 0


class PeopleBehind(msgspec.Struct, frozen=True, rename="camel"):
    """A page of the people behind a number.

    total  how many there are in all: the number, if it counts people and asks all of them
    next   `after` of the following page, null after the last"""

    as_of: str
    total: int
    people: list[ProfileSummary]
    next: int | None
