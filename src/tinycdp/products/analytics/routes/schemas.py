"""What clients and server exchange about analytics, beside questions and answers."""

from typing import Annotated, Any, Literal

import msgspec

from tinycdp.api.definitions.schemas import NamedDefinition
from tinycdp.api.http.openapi import Documented
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.definitions.schemas import (
    DashboardDocument,
    EventDocument,
    MetricDocument,
    ReportDocument,
    Tile,
)

#: What PUT takes for a kind, as a plain object.
Document = Annotated[dict[str, Any], Documented(ReportDocument | MetricDocument | EventDocument | DashboardDocument)]


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
