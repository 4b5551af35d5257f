"""A project reached over HTTP with an admin key, as CI does.

Laws    an error of the server is raised here with its code and message. Files are streamed.
        An import that the server has done or still runs is not sent again: a command that was interrupted follows it
Errors  Unavailable SERVER_UNREACHABLE, IMPORT_INTERRUPTED · InvalidInput SERVER_UNEXPECTED if what answers is no
        TinyCDP, SERVER_TOO_OLD if it lacks a route · KEY_MISSING without TINYCDP_KEY
"""

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from tinycdp.cli.terminal import bar, readable, show_progress
from tinycdp.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Overloaded,
    TinyCDPError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from tinycdp.model import Instant

if TYPE_CHECKING:
    from tinycdp.engine.catalog import Definition, Name
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
    from tinycdp.runtime.transfer.import_reports import OnRejectedRows, RejectedRow
    from tinycdp.runtime.transfer.imports import ImportProgress, OnProgress

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_TIMEOUT_SECONDS = 300.0
_POLL_SECONDS = 0.3
#: How long an import may be without a server that works on it, as while the server restarts.
_PATIENCE_SECONDS = 60.0
_PART_BYTES = 1 << 16
_ERRORS = {
    kind.status: kind
    for kind in (InvalidInput, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Overloaded, Unavailable)
}
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Remote:
    """The environment of a key, on a server; each method is described by Project."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url, self._key = url.rstrip("/"), key
        if not self._key:
            raise InvalidInput("KEY_MISSING", f"{self._url} needs an admin key; give --key or set TINYCDP_KEY.")

    def publish(self, changes: "Sequence[Change]", note: str = "", *, dry_run: bool, prune: bool) -> "PublishPlan":
        body = {"changes": _bodies(changes), "note": note, "dryRun": dry_run, "prune": prune}
        return self._plan(self._json("POST", "/v1/admin/publish", body), [(one.kind, one.key) for one in changes])

    def promote(
        self, source: str, note: str = "", *, only: "Sequence[Selection]", dry_run: bool, prune: bool
    ) -> "PublishPlan":
        body = {"only": [str(one) for one in only], "note": note, "dryRun": dry_run, "prune": prune}
        answer = self._json("POST", "/v1/admin/promote", body, {"X-Source-Key": source})
        there = sorted(one.name for one in Remote(self._url, source).definitions())
        return self._plan(answer, [name for name in there if not only or any(one.has(name) for one in only)])

    def _plan(self, answer: Any, named: "Sequence[Name]") -> "PublishPlan":
        """What a publish changed, and which of the definitions it named stay."""
        from tinycdp.runtime.definitions.changes import Step
        from tinycdp.runtime.definitions.publish import PublishPlan

        found = {
            (changed["kind"], changed["key"]): Step(
                changed["action"],
                changed["kind"],
                changed["key"],
                changed["before"],
                changed["after"],
                changed["was"],
                changed["version"],
                changed["sameMeaning"],
            )
            for changed in answer["changes"]
        }
        steps = [found.pop(name) if name in found else Step("keep", *name) for name in named]
        return PublishPlan((*steps, *found.values()), answer["revision"], answer["backfilling"], answer["warnings"])

    def preview(self, changes: "Sequence[Change]", *, prune: bool) -> "Preview":
        from tinycdp.api.time_travel import schemas

        answer = self._json("POST", "/v1/admin/preview", {"changes": _bodies(changes), "prune": prune})
        return self._read(answer, schemas.Preview)  # type: ignore[return-value] # the same fields

    def wait_until_live(self, revision: int, report: "Callable[[BackfillProgress], None]") -> None:
        from tinycdp.runtime.definitions.workspace import BackfillProgress

        while True:
            figures = self._json("GET", "/v1/admin/metrics")
            if (found := figures["backfill"]) is not None:
                report(BackfillProgress(found["done"], found["total"], found["ratePerSecond"], found["secondsLeft"]))
            if figures["revision"] >= revision:
                return
            time.sleep(_POLL_SECONDS)

    def definitions(self) -> "list[Definition | ProductDefinition]":
        from tinycdp.engine.catalog import Definition
        from tinycdp.engine.flags.document import read_flag
        from tinycdp.runtime.definitions.product_kinds import ProductDefinition, product_kinds

        found: list[Definition | ProductDefinition] = []
        for kind, field in (("trait", "expression"), ("segment", "rule"), ("flag", "")):
            for listed in self._json("GET", f"/v1/admin/{kind}s")[f"{kind}s"]:
                definition = Definition(id=0, version=listed["version"], kind=kind, key=listed["key"])
                if kind == "flag":
                    flag = read_flag(listed["document"], "")
                    found.append(msgspec.structs.replace(definition, flag=flag))
                else:
                    text, words = listed[field], listed["description"]
                    found.append(msgspec.structs.replace(definition, expression=text, description=words))
        for product in product_kinds():
            for kind in product.kinds:
                answer = self._json("GET", f"{product.route}/{kind}s")[f"{kind}s"]
                found += [ProductDefinition(kind, one["key"], one["version"], one["document"]) for one in answer]
        return found

    def known_names(self) -> "Known":
        from tinycdp.dsl.ir import Type
        from tinycdp.runtime.definitions.observed import Known

        answer = self._json("GET", "/v1/registry/names")
        events = {event: dict.fromkeys(names, Type.DYN) for event, names in answer["events"].items()}
        return Known(events, frozenset(answer["profile"]), frozenset(answer["group"]))

    def tracking_plan(self) -> "dict[str, PlannedEvent]":
        from tinycdp.runtime.definitions.observed import SavedPlan

        return self._read(self._json("GET", "/v1/registry/plan"), SavedPlan).declared()

    def export_segment(self, wanted: "SegmentRequest", write: Callable[[bytes], object]) -> tuple[int, Instant]:
        from tinycdp.times import instant_of

        query = {"traits": ",".join(wanted.traits), "raw": "true" if wanted.raw else "false"}
        if wanted.columns is not None:
            query["columns"] = ",".join(wanted.columns)
        path = f"/v1/export/segment/{quote(wanted.segment, safe='')}.{wanted.form}?{urlencode(query)}"
        lines, is_quoted = 0, False
        with self._answer("GET", path) as answer:
            if (stamp := answer.headers["X-As-Of"]) is None:
                raise self._unexpected()
            while part := answer.read(_PART_BYTES):
                write(part)
                if wanted.form == "jsonl":
                    lines += part.count(b"\n")
                    continue
                for n, piece in enumerate(part.split(b'"')):  # a line ends outside of quotes
                    is_quoted ^= n > 0
                    lines += 0 if is_quoted else piece.count(b"\n")
            as_of = instant_of(stamp)
        return lines - (wanted.form == "csv"), as_of

    def run_export(
        self,
        request: Mapping[str, Any],
        on_progress: Callable[[Mapping[str, Any]], None],
        write: Callable[[bytes], object] | None,
    ) -> dict[str, Any]:
        found: dict[str, Any] = self._json("POST", "/v1/exports", request)
        if write is None:
            return found
        path, seen = f"/v1/exports/{found['id']}", time.monotonic()
        while found["status"] in ("waiting", "running"):
            on_progress(found)
            time.sleep(_POLL_SECONDS)
            try:
                found, seen = self._json("GET", path), time.monotonic()
            except Unavailable:  # the server restarts, and then begins the export anew
                if time.monotonic() - seen > _PATIENCE_SECONDS:
                    raise
        if found["status"] == "done":
            with self._answer("GET", f"{path}/file") as answer:
                while part := answer.read(_PART_BYTES):
                    write(part)
        return found

    def list_exports(self, n: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._json("GET", f"/v1/exports?limit={n}")["exports"]
        return found

    def end_export(self, id: int) -> dict[str, Any]:
        found: dict[str, Any] = self._json("DELETE", f"/v1/exports/{id}")
        return found

    def import_files(
        self, sources: "Sequence[ImportFile]", on_progress: "OnProgress", on_rejected: "OnRejectedRows | None"
    ) -> "list[ImportProgress]":
        done = []
        for source in sources:
            done.append(self._import(source, on_progress))
            if on_rejected is not None:
                self._report(done[-1].id, partial(on_rejected, source.shown))
        return done

    def _report(self, id: str, on_rejected: "Callable[[Sequence[RejectedRow]], None]") -> None:
        """Fetch the rejected rows of an import."""
        from tinycdp.runtime.transfer.import_reports import RejectedRow

        with self._answer("GET", f"/v1/admin/imports/{id}/report") as answer:
            while lines := answer.readlines(_PART_BYTES):
                try:
                    on_rejected(msgspec.json.Decoder(RejectedRow).decode_lines(b"".join(lines)))
                except msgspec.MsgspecError:
                    raise self._unexpected() from None

    def _import(self, source: "ImportFile", on_progress: "OnProgress") -> "ImportProgress":
        from tinycdp.runtime.transfer.import_files import NO_MAPPING, identity_of

        progress = self._progress(identity_of(source))
        if progress is None or progress.status in ("interrupted", "failed"):
            query = {"name": source.shown, "format": source.form}
            if source.mapping != NO_MAPPING:
                query["mapping"] = _encode(source.mapping).decode()
            try:
                progress = self._import_progress(self._upload(source.path, "/v1/admin/imports", query))
            except Conflict as conflict:
                if conflict.code != "IMPORT_RUNNING" or (progress := self._progress(conflict.details["id"])) is None:
                    raise
        seen = time.monotonic()
        while progress.status in ("running", "interrupted"):
            on_progress(progress)
            time.sleep(_POLL_SECONDS)
            try:
                progress = self._progress(progress.id) or progress
                if progress.status != "interrupted":
                    seen = time.monotonic()
            except Unavailable:  # the server restarts, and then resumes the import
                if time.monotonic() - seen > _PATIENCE_SECONDS:
                    raise
            if time.monotonic() - seen > _PATIENCE_SECONDS:
                message = f"No server has worked on {progress.name} for a minute. Run the command again to continue it."
                raise Unavailable("IMPORT_INTERRUPTED", message)
        return progress

    def _progress(self, id: str) -> "ImportProgress | None":
        """The progress of an import; None if the server does not know it."""
        try:
            return self._import_progress(self._json("GET", f"/v1/admin/imports/{id}"))
        except NotFound as unknown:
            if unknown.code != "IMPORT_NOT_FOUND":
                raise
            return None

    def _import_progress(self, answer: Any) -> "ImportProgress":
        from tinycdp.api.transfer import schemas

        return self._read(answer, schemas.ImportProgress)  # type: ignore[return-value] # the same fields

    def edit_list(
        self, key: str, mode: "Mode", source: "ListFile | str", on_progress: "OnListProgress", *, dry_run: bool
    ) -> "ListChange":
        from tinycdp.api.segments import schemas

        route, query = f"/v1/admin/segments/{quote(key, safe='')}/list", {"dryRun": "true" if dry_run else "false"}
        if isinstance(source, str):
            answer = self._edited(f"{route}?{urlencode(query)}", {"mode": mode, "copy": source}, on_progress)
        else:
            query |= {"mode": mode}
            query |= {name: text for name in ("kind", "column") if (text := getattr(source, name)) is not None}
            with readable(source.path) as file:
                answer = self._edited(f"{route}/upload?{urlencode(query)}", _Sent(file), on_progress)
        return self._read(answer, schemas.ListChange)  # type: ignore[return-value] # the same fields

    def _edited(self, path: str, body: Any, on_progress: "OnListProgress") -> Any:
        """The answer to an edit, the last of its lines; the others are its progress."""
        found: Any = None
        with self._answer("POST", path, body, {"Accept": "application/jsonl"}) as answer:
            for line in answer:
                if not isinstance(found := self._decoded(line), dict):
                    raise self._unexpected()
                if "done" in found:
                    on_progress(int(found["done"]), int(found["total"]))
        if found is None or "done" in found:
            raise self._unexpected()
        if found.get("success") is False:
            raise self._failure(InvalidInput.status, _encode(found), path)
        return found

    def create_key(self, scopes: Sequence[str], name: str, expires_at: Instant | None, origins: Sequence[str]) -> str:
        from tinycdp.times import iso_or_none

        body: dict[str, Any] = {"name": name, "scopes": list(scopes)}
        if expires_at is not None or origins:  # an older server knows neither
            body |= {"expiresAt": iso_or_none(expires_at), "origins": list(origins)}
        return str(self._json("POST", "/v1/admin/keys", body)["key"])

    def rotate_key(self, prefix: str, overlap_ms: int) -> tuple[str, Instant]:
        from tinycdp.dsl.values.scalars import duration_text
        from tinycdp.runtime.access.keys import key_with_prefix
        from tinycdp.times import instant_of

        id = key_with_prefix(self.list_keys(), prefix)
        answer = self._json("POST", f"/v1/admin/keys/{id}/rotate", {"overlap": duration_text(overlap_ms)})
        return str(answer["key"]), instant_of(answer["replaces"]["expiresAt"])

    def list_keys(self) -> "list[KeySummary]":
        from tinycdp.runtime.access.keys import KeySummary
        from tinycdp.times import instant_of

        def instant(text: str | None) -> Instant | None:
            return instant_of(text) if text else None

        return [
            KeySummary(
                key["id"],
                key["name"],
                key["prefix"],
                tuple(key["scopes"]),
                tuple(key.get("origins", ())),
                instant_of(key["createdAt"]),
                instant(key.get("expiresAt")),
                instant(key.get("lastUsedAt")),
                key.get("replacedBy"),
                instant(key["revokedAt"]),
            )
            for key in self._json("GET", "/v1/admin/keys")["keys"]
        ]

    def revoke_key(self, prefix: str) -> None:
        from tinycdp.runtime.access.keys import key_with_prefix

        with self._answer("DELETE", f"/v1/admin/keys/{key_with_prefix(self.list_keys(), prefix)}"):
            pass

    def list_environments(self) -> "list[EnvironmentSummary]":
        from tinycdp.runtime.access.environments import EnvironmentSummary

        return [
            EnvironmentSummary(one["id"], one["key"], one["zone"], one["revision"])
            for one in self._json("GET", "/v1/admin/environments")["environments"]
        ]

    def create_environment(self, key: str, zone: str | None) -> str:
        return str(self._json("POST", "/v1/admin/environments", {"key": key, "zone": zone})["adminKey"]["key"])

    def rename_environment(self, key: str, new: str) -> None:
        self._json("POST", f"/v1/admin/environments/{quote(key, safe='')}/rename", {"key": new})["environments"]

    def query(self, question: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._json("POST", "/v1/analytics/query", question))

    def ask(self, text: str) -> dict[str, Any]:
        return dict(self._json("POST", "/v1/analytics/ask", {"text": text}))

    def run_report(self, key: str) -> dict[str, Any]:
        return dict(self._json("POST", f"/v1/analytics/reports/{quote(key, safe='')}/run"))

    def run_dashboard(self, key: str) -> dict[str, Any]:
        return dict(self._json("POST", f"/v1/analytics/dashboards/{quote(key, safe='')}/run"))

    def _json(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        with self._answer(method, path, body, headers) as answer:
            return self._answered(answer)

    def _upload(self, path: Path, route: str, query: Mapping[str, str]) -> Any:
        """The answer to a file."""
        with readable(path) as file, self._answer("POST", f"{route}?{urlencode(query)}", _Sent(file)) as answer:
            return self._answered(answer)

    @contextmanager
    def _answer(
        self, method: str, path: str, body: Any = None, more: Mapping[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to a request, if it succeeded. body: a file as it is, anything else as JSON"""
        address = urlsplit(self._url)
        secure = address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        headers = {"Authorization": f"Bearer {self._key}", **(more or {})}
        sent: Any = body
        if isinstance(body, _Sent):
            headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(body.size)}
        elif body is not None:
            headers["Content-Type"], sent = "application/json", _encode(body)
        connection = kind(address.hostname or "", address.port, timeout=_TIMEOUT_SECONDS, blocksize=_PART_BYTES)
        try:
            try:
                connection.request(method, address.path + path, sent, headers)
            except (BrokenPipeError, ConnectionResetError):
                if not isinstance(body, _Sent):
                    raise
                # The server has refused the file before its end; the answer says why.
            answer = connection.getresponse()
            if answer.status >= 300:
                raise self._failure(answer.status, answer.read(), f"{method} {path.partition('?')[0]}")
            yield answer
            if answer.isclosed() and answer.length:  # it was read to its end, which came too early
                raise http.client.IncompleteRead(b"", answer.length)
        except (OSError, http.client.HTTPException) as failure:
            message = f"{self._url} does not answer: {failure}. Check TINYCDP_URL, and that the server runs."
            raise Unavailable("SERVER_UNREACHABLE", message) from failure
        finally:
            connection.close()

    def _failure(self, status: int, text: bytes, route: str) -> TinyCDPError:
        found = self._decoded(text)
        if not isinstance(found, Mapping) or not {"code", "message"} <= found.keys():
            return self._unexpected()
        if found["code"] in ("ROUTE_NOT_FOUND", "METHOD_NOT_ALLOWED"):
            from tinycdp import __version__

            message = f"The server at {self._url} has no {route}; it is older than this command line ({__version__})."
            return InvalidInput("SERVER_TOO_OLD", message)
        details = {name: found[name] for name in found.keys() - {"success", "code", "message", "error"}}
        return _ERRORS.get(status, InvalidInput)(found["code"], found["message"], **details)

    def _answered(self, answer: http.client.HTTPResponse) -> Any:
        """The object that an answer is. Reading a field that it lacks raises SERVER_UNEXPECTED."""
        if not isinstance(found := self._decoded(answer.read()), dict):
            raise self._unexpected()
        return _Fields(found, self._unexpected)

    def _decoded(self, text: bytes) -> Any:
        try:
            return json.loads(text, parse_float=Decimal)
        except ValueError:
            raise self._unexpected() from None

    def _read(self, answer: Any, kind: type[_Struct]) -> _Struct:
        try:
            return msgspec.convert(answer, kind, strict=False)
        except msgspec.ValidationError:
            raise self._unexpected() from None

    def _unexpected(self) -> InvalidInput:
        return InvalidInput("SERVER_UNEXPECTED", f"What answers at {self._url} is not TinyCDP; check TINYCDP_URL.")


class _Fields(dict[str, Any]):
    """The fields of an answer; `missing` makes the error for one that it lacks."""

    def __init__(self, fields: Mapping[str, Any], missing: Callable[[], InvalidInput]) -> None:
        super().__init__(fields)
        self._missing = missing

    def __missing__(self, name: str) -> Any:
        raise self._missing()


class _Sent:
    """A file that is being sent, with its progress on a terminal."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._name, self._done = file, Path(file.name).name, 0
        self.size = os.fstat(file.fileno()).st_size

    def read(self, n: int) -> bytes:
        part = self._file.read(n)
        self._done += len(part)
        share = self._done / max(self.size, 1)
        show_progress(f"sending {self._name} {bar(share)} {share:.0%}")
        return part


def _bodies(changes: "Sequence[Change]") -> list[dict[str, Any]]:
    """The changes in the form of the HTTP API."""
    every = map(msgspec.structs.asdict, changes)
    return [{name: body[name] for name in body if name == "document" or body[name] is not None} for body in every]
