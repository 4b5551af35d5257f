"""What a process loads at its start: no package that it does not use."""

import subprocess
import sys

import pytest

LANGUAGE = {"lark", "tinycdp.dsl.parser"}
DATABASE = {"asyncpg"}
WEB = {"litestar", "granian"}
ANALYTICS = {"clickhouse_connect", "chdb", "aiohttp"}


@pytest.mark.parametrize(
    ("module", "unused"),
    [
        # Every command, and every process that `serve` starts, begins with this one.
        ("tinycdp.cli.main", LANGUAGE | DATABASE | WEB | ANALYTICS | {"asyncio", "ssl", "http.client", "yaml"}),
        ("tinycdp.server.supervisor", LANGUAGE | ANALYTICS | {"litestar", "yaml"}),
        # The worker, and commands on a database.
        ("tinycdp.app", WEB | ANALYTICS),
        ("tinycdp.api.application", ANALYTICS),
        ("tinycdp.products.analytics.engine.server", LANGUAGE | DATABASE | WEB | {"clickhouse_connect"}),
    ],
)
def test_a_process_starts_without_what_it_does_not_use(module: str, unused: set[str]) -> None:
    program = "import sys, importlib; importlib.import_module(sys.argv[1]); print(*sys.modules)"
    asked = [sys.executable, "-c", program, module]
    loaded = set(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split())
    assert module in loaded
    assert not unused & loaded
