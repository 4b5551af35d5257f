"""`doctor`: checks an installation, or its profiles."""

import argparse
import sys
from typing import TYPE_CHECKING

from tinycdp.cli.database import on_database
from tinycdp.cli.options import SCOPED, Misuse, command
from tinycdp.cli.terminal import end_progress, show_progress
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.runtime.environment import Environment


def add_to(commands: "Commands") -> None:
    doctor = command(commands, "doctor", run_doctor, "check this installation, or verify its profiles", SCOPED)
    doctor.add_argument("--verify", action="store_true", help="compare traits and segments with the raw events")
    which = doctor.add_mutually_exclusive_group()
    which.add_argument("--sample", type=int, metavar="N", help="verify N random profiles; default: 1000")
    which.add_argument("--all", action="store_true", help="verify all profiles")
    doctor.add_argument("--repair", action="store_true", help="rebuild profiles that differ from raw events")
    doctor.add_argument("--json", action="store_true", help="print the report as JSON")


def run_doctor(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.verify:
        return _verify(arguments, settings)
    if arguments.sample is not None or arguments.all or arguments.repair:
        raise Misuse("OPTION_MISPLACED", "--sample, --all and --repair need --verify; add it.")
    return _examine(arguments, settings)


def _examine(arguments: argparse.Namespace, settings: Settings) -> int:
    import msgspec

    from tinycdp.server.doctor import examine

    findings = examine(settings)
    if arguments.json:
        print(msgspec.json.encode(findings).decode())
    else:
        print("\n".join(f"{finding.verdict:5}{finding.subject:12}{finding.detail}" for finding in findings))
    return 1 if any(finding.verdict == "FAIL" for finding in findings) else 0


def _verify(arguments: argparse.Namespace, settings: Settings) -> int:
    import msgspec

    from tinycdp.api.http.encoding import as_schema, encode
    from tinycdp.api.profiles.schemas import VerificationReport
    from tinycdp.runtime.profiles import verify

    sample = None if arguments.all else verify.SAMPLE if arguments.sample is None else arguments.sample
    if sample is not None and sample < 1:
        raise Misuse("OPTION_MISPLACED", f"--sample {sample} is too small; use 1 or more.")
    report = on_database(
        settings,
        lambda environment: verify.verify(
            environment,
            sample=sample,
            repair=arguments.repair,
            progress=lambda done, total: show_progress(f"verified {done:,} of {total:,} profiles"),
        ),
    )
    end_progress()
    copy = _compare_analytics(settings)
    if arguments.json:
        document = msgspec.to_builtins(as_schema(report, VerificationReport))
        print(encode({**document, "analytics": copy}).decode())
    else:
        print(verify.as_text(report))
        if copy is not None:
            print("\n".join(f"analytics: {line}" for line in copy or ["has what Postgres has"]))
    return 1 if report.differences or copy else 0


def _compare_analytics(settings: Settings) -> list[str] | None:
    """What ClickHouse has otherwise than Postgres, in sentences; None if this installation has no copy that answers."""
    from tinycdp.errors import Unavailable
    from tinycdp.products.analytics.packages import has_client
    from tinycdp.runtime.definitions.catalogs import Catalogs

    if not has_client() or not (settings.clickhouse_url or settings.analytics):
        return None
    from tinycdp.products.analytics.feed.verify import in_words, verify
    from tinycdp.products.analytics.store.clickhouse import ClickHouse

    async def compare(environment: "Environment") -> list[str]:
        async with ClickHouse(settings) as clickhouse:
            return in_words(await verify(clickhouse, environment, Catalogs()))

    try:
        return on_database(settings, compare)
    except Unavailable as away:
        print(f"analytics: not compared. {away.message}", file=sys.stderr)
        return None
