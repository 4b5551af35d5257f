"""The command line: `tinycdp COMMAND`, one function per command.

Shape   every command reads settings from the environment; options override them
Errors  status 0 done · 1 it failed, and stderr says why and what to do · 2 the command line or a setting is wrong, or
        `plan` found something to change
Source  docs/reference/cli.md documents every command; a test holds the two together
"""

# ruff: noqa: PLC0415 - a command imports what it needs: `check` and `--help` answer without loading a web server

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from tinycdp import settings as settings_module
from tinycdp.errors import InvalidInput, TinyCDPError
from tinycdp.runtime import clock
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.engine.catalog import Definition
    from tinycdp.runtime.definitions import Plan
    from tinycdp.runtime.workspace import Progress

# What the command line calls a scope set; finer scopes are named in full.
_SCOPES = ("admin", "write", "decide", "read")
# Events in one request of `seed`: well under the limits of one batch.
_SEED_BATCH = 200

Command = Callable[[argparse.Namespace, Settings], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit status."""
    arguments = build_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _exit_cleanly)
    try:
        settings = settings_module.load(os.environ)
        options = {
            name: getattr(arguments, name, None) for name in ("host", "port", "workers", "data_dir", "environment")
        }
        settings = settings_module.override(settings, **options)
    except InvalidInput as wrong:
        return _complain(wrong, status=2)
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr
    )
    command: Command = arguments.command
    try:
        return command(arguments, settings)
    except TinyCDPError as failure:
        return _complain(failure, status=1)
    except BrokenPipeError:  # the reader of our output has seen enough, as in `tinycdp eval … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; each sub-parser's `command` is the function that runs it."""
    parser = argparse.ArgumentParser(prog="tinycdp", description="Real-time traits, segments and decisions.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--data-dir", metavar="DIR", help="folder of the embedded Postgres (TINYCDP_DATA_DIR)")
    scoped = argparse.ArgumentParser(add_help=False, parents=[data])
    scoped.add_argument("--environment", metavar="KEY", help="environment to act on (TINYCDP_ENVIRONMENT)")

    def add(name: str, command: Command, text: str, parent: argparse.ArgumentParser | None) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, parents=[parent] if parent else [])
        made.set_defaults(command=command)
        return made

    serve = add("serve", run_serve, "run the HTTP server, with Postgres and the worker unless --role api", data)
    serve.add_argument("--host", help="address to listen on (TINYCDP_HOST)")
    serve.add_argument("--port", help="port to listen on (TINYCDP_PORT)")
    serve.add_argument("--workers", help="HTTP processes (TINYCDP_WORKERS)")
    serve.add_argument("--role", choices=("all", "api"), default="all", help="api: only the HTTP server")
    serve.add_argument("--demo", action="store_true", help="fill an empty database with the example shop")

    add("work", run_work, "run the background worker", data)
    add("migrate", run_migrate, "bring the database's schema up to date, and make the first keys", data)

    seed = add("seed", run_seed, "send the example shop's events to a running server", None)
    seed.add_argument("--url", help="the server's address; without it, the one of these settings")
    seed.add_argument("--key", help="a write key (TINYCDP_BOOTSTRAP_WRITE_KEY)")
    seed.add_argument("--until", type=int, metavar="MS", help="instant of the last event, in ms UTC; now by default")

    key = add("key", run_key_list, "create, list and revoke API keys", None)
    keys = key.add_subparsers(required=True, metavar="ACTION")
    create = keys.add_parser("create", help="make a key and print it, once", parents=[scoped])
    create.add_argument(
        "--scope", action="append", required=True, metavar="SCOPE", help=", ".join(_SCOPES) + " or finer"
    )
    create.add_argument("--name", default="command line", help="what the key is for")
    create.set_defaults(command=run_key_create)
    listing = keys.add_parser("list", help="print the environment's keys, without their secret", parents=[scoped])
    listing.set_defaults(command=run_key_list)
    revoke = keys.add_parser("revoke", help="end a key's validity", parents=[scoped])
    revoke.add_argument("prefix", help="the key's readable beginning, as `key list` prints it")
    revoke.set_defaults(command=run_key_revoke)

    files = argparse.ArgumentParser(add_help=False, parents=[scoped])
    files.add_argument("files", nargs="+", type=Path, metavar="FILE", help="definitions, JSON or YAML, or a folder")
    files.add_argument("--prune", action="store_true", help="delete the definitions that the files do not name")
    plan = add("plan", run_plan, "say what `apply` would change; status 2 if anything", files)
    plan.add_argument("--preview", action="store_true", help="say how many people it would move, too")
    apply = add("apply", run_apply, "publish the definitions of the files as one revision", files)
    apply.add_argument("--wait", action="store_true", help="return only when they are live")
    apply.add_argument("--note", default="", metavar="TEXT", help="why, for whoever reads the history")
    pull = add("pull", run_pull, "write the environment's definitions to files", scoped)
    pull.add_argument("folder", type=Path, metavar="DIR", help="gets traits.yaml, segments.yaml and flags.yaml")

    export = add("export", run_export_segment, "write who is in a segment to a file", None)
    exports = export.add_subparsers(required=True, metavar="WHAT")
    of_segment = exports.add_parser("segment", help="everyone in a segment, as of one instant", parents=[scoped])
    of_segment.add_argument("key", help="the segment's key")
    of_segment.add_argument("--output", type=Path, metavar="FILE", help="CSV, or JSON lines for a name in .jsonl")
    of_segment.add_argument("--columns", metavar="NAMES", help="properties, separated by commas; all by default")
    of_segment.add_argument("--traits", metavar="NAMES", default="", help="traits, separated by commas")
    of_segment.add_argument("--raw", action="store_true", help="leave texts that spreadsheets run as formulas")
    of_segment.set_defaults(command=run_export_segment)

    registry = add("registry", run_registry_rebuild, "count anew what events and properties came", None)
    rebuild = registry.add_subparsers(required=True, metavar="ACTION").add_parser(
        "rebuild", help="make the registry anew from raw events", parents=[scoped]
    )
    rebuild.set_defaults(command=run_registry_rebuild)

    importing = add("import", run_import, "read history from files, as if it were sent live", scoped)
    importing.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON lines, CSV or Parquet; also .gz")
    importing.add_argument("--format", choices=("jsonl", "csv", "parquet"), help="where the name does not tell")
    importing.add_argument("--map", action="append", default=[], metavar="FIELD=COLUMN", help="userId=customer_no")
    importing.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="event=purchase")
    importing.add_argument("--text", action="append", default=[], metavar="COLUMN", help="its numbers are texts")
    importing.add_argument("--report", type=Path, metavar="FILE", help="add what is refused to it, as JSON lines")

    forget = add("forget", run_forget, "erase people, and print the receipt", scoped)
    forget.add_argument("people", nargs="+", metavar="PERSON", help="an identifier, kind:value, or profileId:number")
    forget.add_argument("--suppress", action="store_true", help="refuse messages of their identifiers, too")
    forget.add_argument("--note", default="", help="why, without personal data: it is kept")
    forget.add_argument("--dry", action="store_true", help="keep nothing; say what would go")

    suppress = add("suppress", run_suppress, "refuse messages that name an identifier", scoped)
    suppress.add_argument("identifiers", nargs="+", metavar="KIND:VALUE", help="as in userId:ada")
    suppress.add_argument("--note", default="", help="why")
    suppress.add_argument("--remove", action="store_true", help="take them again")

    check = add("check", run_check, "check definitions without a database", None)
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="definitions, JSON or YAML, or a folder")

    evaluate = add("eval", run_eval, "evaluate cases: one JSON document in, one out, per line", None)
    evaluate.add_argument("files", nargs="*", type=Path, metavar="FILE", help="JSON lines; standard input by default")

    doctor = add("doctor", run_doctor, "check this installation, or what it knows of people, for faults", scoped)
    doctor.add_argument("--verify", action="store_true", help="hold traits and segments against the raw events")
    whom = doctor.add_mutually_exclusive_group()
    whom.add_argument("--sample", type=int, metavar="N", help="so many people, others each time; 1000 by default")
    whom.add_argument("--all", action="store_true", help="everybody")
    doctor.add_argument("--repair", action="store_true", help="rebuild from raw events whoever differs")
    doctor.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def run_serve(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.serve import serve

    return serve(settings, arguments.role, demo=arguments.demo)


def run_work(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.postgres import reachable
    from tinycdp.runtime.worker import run

    with reachable(settings) as reached:
        asyncio.run(run(reached))
    return 0


def run_migrate(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.postgres import reachable
    from tinycdp.runtime.startup import prepare

    with reachable(settings) as reached:
        applied = asyncio.run(prepare(reached, clock.now()))
    print("\n".join(f"applied {name}" for name in applied) or "the schema is up to date")
    return 0


def run_seed(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.examples import generate
    from tinycdp.runtime.client import send_batches

    key = arguments.key or settings.bootstrap_write_key
    if not key:
        raise InvalidInput("KEY_MISSING", "a write key is needed: give --key or set TINYCDP_BOOTSTRAP_WRITE_KEY")
    events = generate(clock.now() if arguments.until is None else arguments.until)
    sent = send_batches(arguments.url or settings.url, key, events, size=_SEED_BATCH)
    print(f"sent {sent} events")
    return 0


def run_key_create(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.keys import create_key

    made = _on_database(
        settings, lambda pool, environment: create_key(pool, environment, arguments.scope, arguments.name, clock.now())
    )
    print(made.key)
    print("Keep it now: only its hash is stored.", file=sys.stderr)
    return 0


def run_key_list(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.keys import list_keys

    for key in _on_database(settings, list_keys):
        state = "revoked" if key.revoked_at else "active"
        print(f"{key.prefix}  {state:8}{','.join(key.scopes):24}{key.name}")
    return 0


def run_key_revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.keys import revoke_key

    _on_database(settings, lambda pool, environment: revoke_key(pool, environment, arguments.prefix, clock.now()))
    print(f"revoked {arguments.prefix}")
    return 0


def run_registry_rebuild(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.registry import rebuild

    print(f"{_on_database(settings, rebuild):,} messages counted")
    return 0


def run_plan(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.definition_files import listed

    plan = _publish(arguments, settings, dry=True)
    print(listed(plan.steps))
    if all(step.action == "keep" for step in plan.steps):
        return 0
    if plan.warming:
        print("profiles have to be gone through before these serve; what is live serves until then")
    if arguments.preview:
        print(_preview(arguments, settings))
    return 2


def _preview(arguments: argparse.Namespace, settings: Settings) -> str:
    """How many people the files of the command line would move."""
    from tinycdp.runtime.changes import read_documents
    from tinycdp.runtime.preview import Previews, Question, listed
    from tinycdp.runtime.workspace import Vocabulary

    question = Question(read_documents(_documents(arguments)), arguments.prune)
    preview = _on_database(
        settings, lambda pool, environment: Previews(pool, Vocabulary()).of(environment, question, clock.now())
    )
    return listed(preview)


def run_apply(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.warming import wait_until_live

    plan = _publish(arguments, settings, arguments.note)
    print(plan)
    if plan.warming and not arguments.wait:
        print(f"revision {plan.revision} is warming up; what is live serves until then (--wait waits)", file=sys.stderr)
    if arguments.wait:
        _on_database(
            settings,
            lambda pool, environment: wait_until_live(
                pool, environment, plan.revision, clock.now, _bar, share=settings.warm_up_share
            ),
        )
        if sys.stderr.isatty():
            print(file=sys.stderr)  # after the bar
        print(f"revision {plan.revision} is live")
    return 0


def run_pull(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.definition_files import find_files, to_files
    from tinycdp.runtime.definitions import newest

    folder: Path = arguments.folder
    definitions = _on_database(settings, newest)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        raise InvalidInput("FILE_UNWRITABLE", f"{folder}: {refused.strerror}") from refused
    written = {folder / name: text for name, text in to_files(definitions).items()}
    for path, text in written.items():
        with _output(path) as file:
            file.write(text.encode())
        print(path)
    if others := [str(path) for path in find_files([folder]) if path not in written]:
        print(f"other definition files in {folder}: {', '.join(others)}", file=sys.stderr)
    return 0


def _publish(arguments: argparse.Namespace, settings: Settings, note: str = "", *, dry: bool = False) -> "Plan":
    """What the files of the command line say, published."""
    from tinycdp.runtime.definitions import apply_documents

    documents = _documents(arguments)
    plan: Plan = _on_database(
        settings,
        lambda pool, environment: apply_documents(
            pool, environment, documents, "command line", clock.now(), note, prune=arguments.prune, dry=dry
        ),
    )
    return plan


def _documents(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    from tinycdp.runtime.definition_files import find_files, read_documents

    return [document for path in find_files(arguments.files) for document in read_documents(path)]


def _bar(progress: "Progress") -> None:
    """A warm-up's progress, where somebody is looking."""
    if not sys.stderr.isatty():
        return
    done, total = progress.done, progress.total
    text = f"warming up [{'#' * (30 * done // max(total, 1)):30}] {done:,} of {total:,} profiles"
    if done < total and progress.rate_per_second is not None and progress.seconds_left is not None:
        text += f", {progress.rate_per_second:,.0f} a second, {progress.seconds_left:,.0f} s left"
    print(f"\r{text:110}", end="", file=sys.stderr, flush=True)


def run_export_segment(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.export import Wanted, named, write_segment
    from tinycdp.runtime.times import iso

    output: Path | None = arguments.output
    wanted = Wanted(
        segment=arguments.key,
        form="jsonl" if output is not None and output.suffix == ".jsonl" else "csv",
        columns=named(arguments.columns) if arguments.columns is not None else None,
        traits=named(arguments.traits),
        raw=arguments.raw,
    )

    with _output(output) as file:
        export = _on_database(
            settings, lambda pool, environment: write_segment(pool, environment, wanted, file.write, clock.now())
        )
    print(f"{export.people} people as of {iso(export.as_of)}", file=sys.stderr)
    return 0


def run_import(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.api.wire.history import PARSE, check_mapping
    from tinycdp.runtime.imports import FileMapping, Importer, Progress, Source, Told, form_of
    from tinycdp.runtime.keys import environment_named
    from tinycdp.runtime.postgres import reachable
    from tinycdp.runtime.service import Service

    mapping = check_mapping(
        FileMapping(_pairs("--map", arguments.map), _pairs("--set", arguments.set), tuple(arguments.text))
    )
    sources = [Source(path, form_of(path, arguments.format), mapping) for path in arguments.files]

    # There are hardly any garbage cycles here; looking for them takes a third of the time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)

    async def run(reached: Settings, told: Told) -> list[Progress]:
        service = await Service.start(msgspec.structs.replace(reached, ingest_batch=4_000))
        try:
            environment = await environment_named(service.pool, settings.environment)
            importer = Importer(service.pool, service.ingest, service.door, clock.now, PARSE)
            return [await importer.run(environment, source, "command line", told) for source in sources]
        finally:
            await service.stop()

    with contextlib.ExitStack() as stack:
        reached = stack.enter_context(reachable(settings))
        report: BinaryIO | None = None
        if arguments.report is not None:
            try:
                report = stack.enter_context(arguments.report.open("ab"))
            except OSError as refused:
                raise InvalidInput("FILE_UNWRITABLE", f"{arguments.report}: {refused.strerror}") from refused

        def told(progress: Progress, refused: Sequence[tuple[int, Any]]) -> None:
            _import_bar(progress)
            if report is None:
                return
            for line, r in refused:
                entry = {"file": progress.name, "line": line or None, "code": r.code, "message": r.message}
                report.write(msgspec.json.encode(entry) + b"\n")

        done = asyncio.run(run(reached, told))
    if sys.stderr.isatty():
        print(file=sys.stderr)  # after the bar
    for progress in done:
        print(
            f"{progress.name}: {progress.rows:,} rows, {progress.accepted:,} stored,"
            f" {progress.duplicates:,} known before, {progress.rejected:,} refused"
        )
    return 0


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        field, equals, value = text.partition("=")
        if not field or not equals:
            raise InvalidInput("INVALID_MAPPING", f"{option} {text!r}: write FIELD=… as in userId=customer_no")
        found[field] = value
    return found


def _import_bar(progress: Any) -> None:
    """How far a file is, where somebody is looking."""
    if sys.stderr.isatty():
        bar, rate = "#" * int(30 * progress.share), progress.rate or 0
        text = f"{progress.name} [{bar:30}] {progress.share:.0%}, {progress.rows:,} rows, {rate:,.0f} a second"
        print(f"\r{text:110}", end="", file=sys.stderr, flush=True)


def run_forget(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.catalogs import Catalogs
    from tinycdp.runtime.erasure import Erasures
    from tinycdp.runtime.privacy import Privacy

    async def forget(pool: Any, environment: int) -> Any:
        privacy = Privacy()
        await privacy.load(pool)
        return await Erasures(pool, Catalogs(), privacy, clock.now).erase(
            environment,
            arguments.people,
            "command line",
            arguments.note,
            refuse=arguments.suppress,
            dry=arguments.dry,
        )

    print(msgspec.json.format(msgspec.json.encode(_on_database(settings, forget))).decode())
    return 0


def run_suppress(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.model import Alias
    from tinycdp.runtime import privacy as lists

    aliases = []
    for text in arguments.identifiers:
        kind, _, value = text.partition(":")
        if not kind or not value:
            return _complain(InvalidInput("INVALID_BODY", f"{text!r} is not KIND:VALUE, as in userId:ada"), status=2)
        aliases.append(Alias(kind, value))

    async def change(pool: Any, environment: int) -> int:
        privacy = lists.Privacy()
        await privacy.load(pool)
        if arguments.remove:
            return await lists.release(pool, privacy, environment, aliases)
        return await lists.suppress(pool, privacy, environment, aliases, "command line", arguments.note, clock.now())

    n = _on_database(settings, change)
    print(f"{n} of {len(aliases)} {'taken from' if arguments.remove else 'added to'} the list")
    return 0


def run_check(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.dsl.diagnostics import render
    from tinycdp.dsl.workspace import check_workspace
    from tinycdp.engine.catalog import sources
    from tinycdp.runtime.definition_files import find_files

    definitions = [found for path in find_files(arguments.files) for found in _definitions(path)]
    workspace = check_workspace(sources(definitions))
    for definition in definitions:
        found = [render("", workspace.graph.get(definition.name, ()))]
        found += [render(part.source, part.diagnostics) for part in workspace.parts(definition.name)]
        if problems := [text for text in found if text]:
            print(f"{definition.kind} {definition.key}", *problems, sep="\n", end="\n\n")
    wrong = len(workspace.errors)
    print(f"{len(definitions)} definitions, " + (f"{wrong} with errors" if wrong else "no errors"))
    return 1 if wrong else 0


def run_eval(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.engine.cases import run_case

    status = 0
    for number, line in enumerate(_lines(arguments.files), start=1):
        try:
            case = json.loads(line)
            if not isinstance(case, dict):
                raise ValueError("a case is a JSON object")
            answer = run_case(case)
        except ValueError as wrong:
            answer = {"error": {"code": "INVALID_CASE", "message": f"line {number}: {wrong}"}}
        status = 1 if "error" in answer else status
        print(json.dumps(answer, ensure_ascii=False, separators=(",", ":"), default=str), flush=True)
    return status


def run_doctor(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.doctor import examine

    if arguments.verify:
        return _verify(arguments, settings)
    if arguments.sample is not None or arguments.all or arguments.repair:
        return _complain(InvalidInput("OPTION_MISPLACED", "--sample, --all and --repair go with --verify"), status=2)
    findings = examine(settings)
    if arguments.json:
        print(msgspec.json.encode(findings).decode())
    else:
        print("\n".join(f"{finding.verdict:5}{finding.subject:12}{finding.detail}" for finding in findings))
    return 1 if any(finding.verdict == "FAIL" for finding in findings) else 0


def _verify(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime import verify

    sample = None if arguments.all else verify.SAMPLE if arguments.sample is None else arguments.sample
    if sample is not None and sample < 1:
        return _complain(InvalidInput("OPTION_MISPLACED", "--sample is at least 1"), status=2)
    report: verify.Report = _on_database(
        settings,
        lambda pool, environment: verify.verify(
            pool,
            environment,
            clock.now,
            sample=sample,
            repair=arguments.repair,
            progress=_count,
        ),
    )
    print(msgspec.json.encode(report).decode() if arguments.json else verify.told(report))
    return 1 if report.differences else 0


def _count(done: int, total: int) -> None:
    """How many of how many, where somebody is looking."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\rverified {done:,} of {total:,} people", end=end, file=sys.stderr, flush=True)


def _definitions(path: Path) -> "Iterator[Definition]":
    """The definitions of a file, in its order, as they would be after `apply`."""
    from tinycdp.engine.catalog import Definition
    from tinycdp.engine.flags import read_flag
    from tinycdp.runtime.definition_files import read_documents

    for document in read_documents(path):
        try:
            for kind, field in (("trait", "expression"), ("segment", "rule")):
                for found in document.get(f"{kind}s") or ():
                    yield Definition(id=0, version=0, kind=kind, key=found["key"], expression=found[field])
            for found in document.get("flags") or ():
                flag = read_flag({name: found[name] for name in found if name != "was"}, found["key"])
                yield Definition(id=0, version=0, kind="flag", key=found["key"], flag=flag)
        except KeyError as missing:
            raise InvalidInput("FILE_MALFORMED", f"{path}: a definition lacks {missing}") from missing
        except (TypeError, AttributeError) as wrong:
            message = f"{path}: traits, segments and flags are lists of mappings"
            raise InvalidInput("FILE_MALFORMED", message) from wrong


def _on_database(settings: Settings, use: Callable[[Any, int], Any]) -> Any:
    """The answer of `use(pool, environment id)`, awaited, on the database and environment of these settings."""
    from tinycdp.runtime.keys import environment_named
    from tinycdp.runtime.postgres import reachable
    from tinycdp.store.pool import open_pool

    async def run(dsn: str) -> Any:
        async with await open_pool(dsn, 2) as pool:
            return await use(pool, await environment_named(pool, settings.environment))

    with reachable(settings) as reached:
        assert reached.database_url
        return asyncio.run(run(reached.database_url))


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that is there once it is whole: a failure leaves the one before as it was."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as refused:
        raise InvalidInput("FILE_UNWRITABLE", f"{path}: {refused.strerror}") from refused
    finally:
        part.unlink(missing_ok=True)


def _lines(files: Iterable[Path]) -> Iterator[str]:
    """Non-empty lines of the files, or of standard input where none is given."""
    if not files:
        yield from (line for line in sys.stdin if line.strip())
    for path in files:
        try:
            with path.open(encoding="utf-8") as file:
                yield from (line for line in file if line.strip())
        except OSError as refused:
            raise InvalidInput("FILE_UNREADABLE", f"{path}: {refused.strerror}") from refused


def _complain(failure: TinyCDPError, status: int) -> int:
    print(f"tinycdp: {failure.message} [{failure.code}]", file=sys.stderr)
    return status


def _exit_cleanly(number: int, frame: object) -> None:
    # So that `with` blocks end: an embedded Postgres of this command stops by itself, not by the kernel's hand.
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
