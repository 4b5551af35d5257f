"""The command line: `tinycdp COMMAND`.

Shape   every command reads settings from the environment; options override them
Errors  exit status 0: done · 1: failed, stderr says why and what to do · 2: the command line or a setting is wrong, or
        `plan` found changes
Source  docs/reference/cli.md documents every command; a test holds the two together
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence

from tinycdp import __version__
from tinycdp import settings as settings_module
from tinycdp.cli import bulk, definitions, doctor, environments, keys, language, profiles, segments, server
from tinycdp.cli.analytics import query, report
from tinycdp.cli.codegen import command as codegen
from tinycdp.cli.options import Misuse, Run, check_way
from tinycdp.errors import InvalidInput, TinyCDPError
from tinycdp.products import register_products
from tinycdp.server import logs

log = logging.getLogger(__name__)

register_products()

# In the order in which --help lists them.
_GROUPS = (
    server, keys, environments, definitions, bulk, segments, profiles, language, codegen, query, report, doctor,
)  # fmt: skip
# The options that override the setting of their name.
_OPTIONS = ("host", "port", "workers", "data_dir", "environment", "url")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = build_parser().parse_args(argv)
    try:
        settings = settings_module.load(os.environ)
        given = {name: getattr(arguments, name, None) for name in _OPTIONS}
        settings = settings_module.override(settings, **given, key=getattr(arguments, "api_key", None))
        check_way(arguments, settings, os.environ)
    except InvalidInput as wrong:
        return _report(wrong, status=2)
    logs.configure(settings)
    run: Run = arguments.command
    signal.signal(signal.SIGTERM, _exit_cleanly)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return run(arguments, settings)
    except Misuse as wrong:
        return _report(wrong, status=2)
    except TinyCDPError as failure:
        from tinycdp.runtime.processes import report_to_parent

        report_to_parent(f"{failure.message} [{failure.code}]")
        if settings.log_format == "json" and run in server.LONG_RUNNING:  # its standard error is a log
            log.error("%s [%s]", failure.message, failure.code)
            return 1
        return _report(failure, status=1)
    except BrokenPipeError:  # the reader of the output has ended, as in `tinycdp eval … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line.

    Each sub-parser sets `command` to the function that runs it."""
    parser = argparse.ArgumentParser(prog="tinycdp", description="Real-time traits, segments and decisions.")
    parser.add_argument("--version", action="version", version=f"tinycdp {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in _GROUPS:
        group.add_to(commands)
    return parser


def _report(failure: TinyCDPError, status: int) -> int:
    print(f"tinycdp: {failure.message} [{failure.code}]", file=sys.stderr)
    return status


def _exit_cleanly(number: int, frame: object) -> None:
    # Lets `with` blocks end, so that an embedded Postgres of this command stops in order. `serve` and `work`, which run
    # for long, count requests to stop instead.
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
