"""A project reached by its database, as operators do."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tinycdp.cli.database import on_database
from tinycdp.cli.terminal import readable
from tinycdp.model import Instant
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.engine.catalog import Definition
    from tinycdp.engine.schema.tracking_plan import PlannedEvent
    from tinycdp.products.analytics.service.answering import Analytics
    from tinycdp.products.exports.store import ExportRow
    from tinycdp.runtime.access.environments import EnvironmentSummary
    from tinycdp.runtime.access.keys import KeySummary
    from tinycdp.runtime.definitions.changes import Change
    from tinycdp.runtime.definitions.observed import Known
    from tinycdp.runtime.definitions.product_kinds import ProductDefinition
    from tinycdp.runtime.definitions.promotion import Selection
    from tinycdp.runtime.definitions.publish import PublishPlan
    from tinycdp.runtime.definitions.workspace import BackfillProgress
    from tinycdp.runtime.environment import Environment
    from tinycdp.runtime.segments.list_files import ListFile
    from tinycdp.runtime.segments.lists import ListChange, Mode
    from tinycdp.runtime.segments.lists import OnProgress as OnListProgress
    from tinycdp.runtime.time_travel.preview import Preview
    from tinycdp.runtime.transfer.export import SegmentRequest
    from tinycdp.runtime.transfer.import_files import ImportFile
    from tinycdp.runtime.transfer.import_reports import OnRejectedRows
    from tinycdp.runtime.transfer.imports import ImportProgress, OnProgress, OnRejected

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_EXPORT_CONNECTIONS = 3
_LOOK_SECONDS = 0.3


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

    def promote(
        self, source: str, note: str = "", *, only: "Sequence[Selection]", dry_run: bool, prune: bool
    ) -> "PublishPlan":
        from dataclasses import replace

        from tinycdp.runtime.access.keys import environment_named
        from tinycdp.runtime.definitions.promotion import promote
        from tinycdp.runtime.edits import Edit

        async def run(target: "Environment") -> "PublishPlan":
            read = replace(target, id=await environment_named(target.pool, source))
            edit = Edit("command line", target.now(), note, dry_run=dry_run)
            return await promote(read, target, edit, only=only, prune=prune)

        return on_database(self._settings, run)

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

    def definitions(self) -> "list[Definition | ProductDefinition]":
        from tinycdp.runtime.definitions.product_kinds import newest_of_products
        from tinycdp.runtime.definitions.publish import newest

        async def every(environment: "Environment") -> "list[Definition | ProductDefinition]":
            return [*await newest(environment), *await newest_of_products(environment)]

        return on_database(self._settings, every)

    def known_names(self) -> "Known":
        from tinycdp.runtime.definitions.observed import names_of

        return on_database(self._settings, names_of)

    def tracking_plan(self) -> "dict[str, PlannedEvent]":
        from tinycdp.runtime.definitions.observed import plan_of

        return on_database(self._settings, plan_of)

    def export_segment(self, wanted: "SegmentRequest", write: Callable[[bytes], object]) -> tuple[int, Instant]:
        from tinycdp.runtime.transfer.export import write_segment

        export = on_database(self._settings, lambda environment: write_segment(environment, wanted, write))
        return export.profiles, export.as_of

    def run_export(
        self,
        request: Mapping[str, Any],
        on_progress: Callable[[Mapping[str, Any]], None],
        write: Callable[[bytes], object] | None,
    ) -> dict[str, Any]:
        import asyncio

        from tinycdp.api.http.bodies import decode
        from tinycdp.app import open_exports
        from tinycdp.products.exports import service
        from tinycdp.products.exports.schemas import ExportBody
        from tinycdp.runtime import clock
        from tinycdp.runtime.access.keys import environment_named
        from tinycdp.runtime.environment import Environment
        from tinycdp.server.embedded_postgres import reachable
        from tinycdp.store.database.migrations import open_migrated

        body: ExportBody = decode(msgspec.json.Decoder(ExportBody), _ENCODER.encode(request))

        async def run(reached: Settings) -> dict[str, Any]:
            assert reached.database_url is not None
            async with await open_migrated(reached.database_url, _EXPORT_CONNECTIONS) as pool:
                environment = Environment(await environment_named(pool, reached.environment), pool, clock.now)
                row = await service.create(environment, body, "command line", None, is_ours=write is not None)
                if write is None:
                    return _as_exported(row)
                # It is written here: a server's worker may have another storage.
                runs = open_exports(reached, pool)
                writing = asyncio.create_task(runs.write(environment.id, row.id))
                while row.status in ("waiting", "running"):
                    on_progress(_as_exported(row))
                    await asyncio.wait([writing], timeout=_LOOK_SECONDS)
                    is_over = writing.done()
                    row = await service.find(environment, row.id)
                    if is_over and row.status in ("waiting", "running"):
                        await writing  # raises what ended it
                        await asyncio.sleep(_LOOK_SECONDS)  # another process has it, for as long as that lives
                        writing = asyncio.create_task(runs.write(environment.id, row.id))
                await writing
                if row.status == "done":
                    jobs = service.ExportJobs(reached)
                    file = await service.file_of(jobs, environment, row.id)
                    async for part in jobs.storage.read(row.place, 0, file.size):
                        write(part)
                return _as_exported(row)

        with reachable(self._settings) as reached:
            return asyncio.run(run(reached))

    def list_exports(self, n: int) -> list[dict[str, Any]]:
        from tinycdp.products.exports import service

        rows = on_database(self._settings, lambda environment: service.listed(environment, 2**62, n))
        return [_as_exported(row) for row in rows]

    def end_export(self, id: int) -> dict[str, Any]:
        from tinycdp.products.exports import service

        return _as_exported(
            on_database(self._settings, lambda environment: service.end(environment, id, "command line"))
        )

    def import_files(
        self, sources: "Sequence[ImportFile]", on_progress: "OnProgress", on_rejected: "OnRejectedRows | None"
    ) -> "list[ImportProgress]":
        import asyncio
        import gc

        from tinycdp.api.ingest.adapters.history import PARSE
        from tinycdp.app import open_parts
        from tinycdp.runtime import clock
        from tinycdp.runtime.access.keys import environment_named
        from tinycdp.runtime.transfer.import_reports import rows_of
        from tinycdp.runtime.transfer.imports import Importer
        from tinycdp.server.embedded_postgres import reachable

        # An import makes hardly any garbage cycles; looking for them takes a third of the time.
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

        def reported(name: str) -> "OnRejected":
            return lambda rejected: on_rejected(name, rows_of(rejected)) if on_rejected is not None else None

        async def run(reached: Settings) -> "list[ImportProgress]":
            parts = await open_parts(msgspec.structs.replace(reached, ingest_batch=4_000))
            try:
                environment = await environment_named(parts.pool, self._settings.environment)
                importer = Importer(parts.pool, parts.ingest, parts.pipeline, clock.now, PARSE)
                return [
                    await importer.run(environment, source, "command line", on_progress, reported(source.shown))
                    for source in sources
                ]
            finally:
                await parts.stop()

        with reachable(self._settings) as reached:
            return asyncio.run(run(reached))

    def edit_list(
        self, key: str, mode: "Mode", source: "ListFile | str", on_progress: "OnListProgress", *, dry_run: bool
    ) -> "ListChange":
        from tinycdp.api.ingest.adapters.canonical import listed_identifier
        from tinycdp.app import open_lists
        from tinycdp.runtime.segments.list_files import read_list

        async def change(environment: "Environment") -> "ListChange":
            lists = await open_lists(environment.pool)
            if isinstance(source, str):
                return await lists.change(
                    environment.id, key, mode, copied=source, dry_run=dry_run, progress=on_progress
                )
            with readable(source.path) as file:
                identifiers = read_list(file, listed_identifier, source.kind, source.column)
                return await lists.change(environment.id, key, mode, identifiers, dry_run=dry_run, progress=on_progress)

        return on_database(self._settings, change)

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

    def list_environments(self) -> "list[EnvironmentSummary]":
        from tinycdp.runtime.access.environments import list_environments

        return on_database(self._settings, list_environments)

    def create_environment(self, key: str, zone: str | None) -> str:
        from tinycdp.runtime.access.environments import create_environment

        return on_database(self._settings, lambda beside: create_environment(beside, key, zone)).admin_key.key

    def rename_environment(self, key: str, new: str) -> None:
        from tinycdp.runtime.access.environments import rename_environment

        own = msgspec.structs.replace(self._settings, environment=key)
        on_database(own, lambda environment: rename_environment(environment, new))

    def query(self, question: Mapping[str, Any]) -> dict[str, Any]:
        from tinycdp.api.http.bodies import decode
        from tinycdp.products.analytics.questions.schemas import Question

        asked: Question = decode(msgspec.json.Decoder(Question), _ENCODER.encode(question))
        return self._analysed(lambda analytics, environment: analytics.answer(environment, asked))

    def ask(self, text: str) -> dict[str, Any]:
        from tinycdp.products.analytics.routes.words import asked_in_words
        from tinycdp.products.analytics.service.asking import ask_in_words

        async def run(analytics: "Analytics", environment: "Environment") -> msgspec.Struct:
            return asked_in_words(text, await ask_in_words(analytics, environment, text))

        return self._analysed(run)

    def run_report(self, key: str) -> dict[str, Any]:
        from tinycdp.products.analytics.service.dashboards import answered_report

        return self._analysed(lambda analytics, environment: answered_report(analytics, environment, key))

    def run_dashboard(self, key: str) -> dict[str, Any]:
        from tinycdp.products.analytics.routes.saved import answered_dashboard

        return self._analysed(lambda analytics, environment: answered_dashboard(analytics, environment, key))

    def _analysed(self, use: "Callable[[Analytics, Environment], Awaitable[msgspec.Struct]]") -> dict[str, Any]:
        """What analytics answers, as it leaves the server."""
        import json
        from decimal import Decimal

        from tinycdp.app import open_analytics

        async def run(environment: "Environment") -> msgspec.Struct:
            analytics = open_analytics(self._settings)
            try:
                return await use(analytics, environment)
            finally:
                await analytics.close()

        found: dict[str, Any] = json.loads(_ENCODER.encode(on_database(self._settings, run)), parse_float=Decimal)
        return found


def _as_exported(row: "ExportRow") -> dict[str, Any]:
    """An export as it leaves the server."""
    import json
    from decimal import Decimal

    from tinycdp.products.exports.routes.jobs import job_of

    found: dict[str, Any] = json.loads(_ENCODER.encode(job_of(row, None)), parse_float=Decimal)
    return found
