"""The project that a command acts on: an environment, reached by its database or over HTTP.

Shape   project_of(settings) → Direct, or Remote if TINYCDP_URL is set. Both have the methods of Project, and a command
        uses no other way
Laws    a command has the same output, errors and exit status both ways
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tinycdp.model import Instant

if TYPE_CHECKING:
    from tinycdp.engine.catalog import Definition
    from tinycdp.engine.schema.tracking_plan import PlannedEvent
    from tinycdp.runtime.access.environments import EnvironmentSummary
    from tinycdp.runtime.access.keys import KeySummary
    from tinycdp.runtime.definitions.changes import Change
    from tinycdp.runtime.definitions.observed import Known
    from tinycdp.runtime.definitions.product_kinds import ProductDefinition
    from tinycdp.runtime.definitions.promotion import Selection
    from tinycdp.runtime.definitions.publish import PublishPlan
    from tinycdp.runtime.definitions.workspace import BackfillProgress
    from tinycdp.runtime.segments.list_files import ListFile
    from tinycdp.runtime.segments.lists import ListChange, Mode
    from tinycdp.runtime.segments.lists import OnProgress as OnListProgress
    from tinycdp.runtime.time_travel.preview import Preview
    from tinycdp.runtime.transfer.export import SegmentRequest
    from tinycdp.runtime.transfer.import_files import ImportFile
    from tinycdp.runtime.transfer.import_reports import OnRejectedRows
    from tinycdp.runtime.transfer.imports import ImportProgress, OnProgress
    from tinycdp.settings import Settings


class Project(Protocol):
    """What commands do with an environment."""

    def publish(self, changes: "Sequence[Change]", note: str = "", *, dry_run: bool, prune: bool) -> "PublishPlan": ...

    def promote(
        self, source: str, note: str = "", *, only: "Sequence[Selection]", dry_run: bool, prune: bool
    ) -> "PublishPlan":
        """Take definitions over. source: the environment to read, by its key; on a server, an API key of it"""

    def preview(self, changes: "Sequence[Change]", *, prune: bool) -> "Preview": ...

    def wait_until_live(self, revision: int, report: "Callable[[BackfillProgress], None]") -> None: ...

    def definitions(self) -> "list[Definition | ProductDefinition]": ...

    def known_names(self) -> "Known":
        """The events and properties that were observed or declared."""

    def tracking_plan(self) -> "dict[str, PlannedEvent]":
        """The entries of the tracking plan, by event."""

    def export_segment(self, wanted: "SegmentRequest", write: Callable[[bytes], object]) -> tuple[int, Instant]: ...

    def run_export(
        self,
        request: "Mapping[str, Any]",
        on_progress: "Callable[[Mapping[str, Any]], None]",
        write: Callable[[bytes], object] | None,
    ) -> dict[str, Any]:
        """Start an export, wait for it and write its file; None does not wait. Returns what `/v1/exports/{id}` does."""

    def list_exports(self, n: int) -> list[dict[str, Any]]:
        """The newest exports, as `/v1/exports` lists them."""

    def end_export(self, id: int) -> dict[str, Any]:
        """Cancel an export, or remove its file."""

    def import_files(
        self, sources: "Sequence[ImportFile]", on_progress: "OnProgress", on_rejected: "OnRejectedRows | None"
    ) -> "list[ImportProgress]": ...

    def edit_list(
        self, key: str, mode: "Mode", source: "ListFile | str", on_progress: "OnListProgress", *, dry_run: bool
    ) -> "ListChange":
        """Edit the list of a static segment, from a file or from the members of another segment."""

    def create_key(
        self, scopes: Sequence[str], name: str, expires_at: Instant | None, origins: Sequence[str]
    ) -> str: ...

    def rotate_key(self, prefix: str, overlap_ms: int) -> tuple[str, Instant]: ...

    def list_keys(self) -> "list[KeySummary]": ...

    def revoke_key(self, prefix: str) -> None: ...

    def list_environments(self) -> "list[EnvironmentSummary]": ...

    def create_environment(self, key: str, zone: str | None) -> str:
        """Returns the admin key of the new environment."""

    def rename_environment(self, key: str, new: str) -> None: ...

    def query(self, question: "Mapping[str, Any]") -> dict[str, Any]:
        """The answer to a question of analytics, as it leaves the server."""

    def ask(self, text: str) -> dict[str, Any]:
        """What a question in words became, and its answer."""

    def run_report(self, key: str) -> dict[str, Any]:
        """The answer to a saved report."""

    def run_dashboard(self, key: str) -> dict[str, Any]:
        """The tiles of a dashboard, each with its answer or its error."""


def project_of(settings: "Settings") -> Project:
    """The project of these settings."""
    if settings.url is not None:
        from tinycdp.cli.remote import Remote

        return Remote(settings.url, settings.key)
    from tinycdp.cli.direct import Direct

    return Direct(settings)
