"""A project reached by its database, as operators do."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tinycdp.cli.database import on_database
from tinycdp.model import Instant
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.engine.catalog import Definition
    from tinycdp.runtime.access.keys import KeySummary
    from tinycdp.runtime.definitions.change_set import Change
    from tinycdp.runtime.definitions.publish import PublishPlan
    from tinycdp.runtime.definitions.workspace import BackfillProgress
    from tinycdp.runtime.time_travel.preview import Preview
    from tinycdp.runtime.transfer.export import SegmentRequest


class Direct:
    """An environment in a database; each method is described by Project."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def publish(self, changes: "Sequence[Change]", note: str = "", *, dry_run: bool, prune: bool) -> "PublishPlan":
        from tinycdp.runtime.definitions.publish import publish
        from tinycdp.runtime.edits import Edit

        return on_database(
            self._settings,
            lambda environment: publish(
                environment, changes, Edit("command line", environment.now(), note, dry_run=dry_run), prune=prune
            ),
        )

    def preview(self, changes: "Sequence[Change]", *, prune: bool) -> "Preview":
        from tinycdp.runtime.definitions.workspace import EventNames
        from tinycdp.runtime.time_travel.preview import PreviewRequest, Previews

        question = PreviewRequest(list(changes), prune)
        return on_database(
            self._settings,
            lambda environment: Previews(environment.pool, EventNames()).compute(
                environment.id, question, environment.now()
            ),
        )

    def wait_until_live(self, revision: int, report: "Callable[[BackfillProgress], None]") -> None:
        from tinycdp.runtime.worker.backfill import wait_until_live

        share = self._settings.backfill_share
        on_database(self._settings, lambda environment: wait_until_live(environment, revision, report, share=share))

    def definitions(self) -> "list[Definition]":
        from tinycdp.runtime.definitions.publish import newest

        return on_database(self._settings, newest)

    def export_segment(self, wanted: "SegmentRequest", write: Callable[[bytes], object]) -> tuple[int, Instant]:
        from tinycdp.runtime.transfer.export import write_segment

        export = on_database(self._settings, lambda environment: write_segment(environment, wanted, write))
        return export.profiles, export.as_of

    def create_key(self, scopes: Sequence[str], name: str, expires_at: Instant | None, origins: Sequence[str]) -> str:
        from tinycdp.runtime.access.keys import create_key

        return on_database(
            self._settings,
            lambda environment: create_key(environment, scopes, name, expires_at=expires_at, origins=origins),
        ).key

    def rotate_key(self, prefix: str, overlap_ms: int) -> tuple[str, Instant]:
        from tinycdp.runtime.access.keys import rotate_key

        rotation = on_database(self._settings, lambda environment: rotate_key(environment, prefix, overlap_ms))
        return rotation.new.key, rotation.ends

    def list_keys(self) -> "list[KeySummary]":
        from tinycdp.runtime.access.keys import list_keys

        return on_database(self._settings, list_keys)

    def revoke_key(self, prefix: str) -> None:
        from tinycdp.runtime.access.keys import revoke_key

        on_database(self._settings, lambda environment: revoke_key(environment, prefix))
