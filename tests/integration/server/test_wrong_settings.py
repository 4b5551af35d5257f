"""Each part of DATABASE_URL that may be wrong, for each command that opens a database: one line, which names it."""

import argparse
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import asyncpg
import pytest

from serving import BINARIES, free_port
from tinycdp.cli.main import build_parser, main
from tinycdp.resources import folder
from tinycdp.runtime import clock
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.settings import Settings, variable
from tinycdp.store.database.migrations import migrate

EXAMPLE = str(folder("dsl") / "examples" / "shop.yaml")
#: Every command that opens a database, with the least that it needs to begin.
COMMANDS = {
    "serve": ["serve"],
    "serve --role api": ["serve", "--role", "api"],
    "work": ["work"],
    "init": ["init"],
    "migrate": ["migrate"],
    "doctor": ["doctor"],
    "doctor --verify": ["doctor", "--verify"],
    "key create": ["key", "create", "--scope", "read", "--name", "n"],
    "key list": ["key", "list"],
    "key rotate": ["key", "rotate", "tcdp_"],
    "key revoke": ["key", "revoke", "tcdp_"],
    "environment list": ["environment", "list"],
    "environment create": ["environment", "create", "staging"],
    "environment rename": ["environment", "rename", "prod", "live"],
    "promote": ["promote", "--from", "dev", "--to", "prod"],
    "plan": ["plan", "FILE"],
    "apply": ["apply", "FILE"],
    "pull": ["pull", "FOLDER"],
    "export segment": ["export", "segment", "vips"],
    "export run": ["export", "run", "profiles"],
    "export list": ["export", "list"],
    "export cancel": ["export", "cancel", "1"],
    "registry rebuild": ["registry", "rebuild"],
    "import": ["import", "ROWS"],
    "forget": ["forget", "userId:ada"],
    "segment add": ["segment", "add", "vips", "ROWS", "--kind", "userId", "--column", "userId"],
    "segment remove": ["segment", "remove", "vips", "ROWS", "--kind", "userId", "--column", "userId"],
    "segment replace": ["segment", "replace", "vips", "ROWS", "--kind", "userId", "--column", "userId"],
    "suppress": ["suppress", "userId:ada"],
    "analytics": ["analytics", "rebuild"],
    "query": ["query", "purchases last week"],
    "report run": ["report", "run", "weekly"],
    "codegen": ["codegen", "ts"],
}
#: What is wrong → the code, and what the line names.
WRONG = {
    "password": ("DATABASE_LOGIN_REFUSED", "the password of user 'app'"),
    "user": ("DATABASE_LOGIN_REFUSED", "user 'stranger'"),
    "name": ("DATABASE_UNKNOWN", "no database 'nowhere'"),
    "host": ("DATABASE_AWAY", "the host in no-such-host.invalid"),
    "port": ("DATABASE_AWAY", "No Postgres listens at 127.0.0.1:1"),
    "port, not a number": ("SETTING_INVALID", "DATABASE_URL has a port that is not a number"),
    "scheme": ("SETTING_INVALID", "DATABASE_URL has the scheme 'mysql'"),
    "permission to connect": ("DATABASE_FORBIDDEN", "User 'app' may not use the database 'closed'"),
    "permission to read": ("DATABASE_FORBIDDEN", "User 'app' may not use the database 'tinycdp'"),
    "unmigrated": ("DATABASE_UNMIGRATED", "run `tinycdp migrate`"),
    "newer": ("DATABASE_NEWER", "9999_future.sql"),
}
#: These bring the schema up to date instead.
MIGRATING = {"serve", "init", "migrate"}


@pytest.fixture(scope="module")
async def addresses(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """What is wrong → a DATABASE_URL with that fault, on a server that asks for passwords."""
    data = tmp_path_factory.mktemp("postgres")
    with EmbeddedPostgres(data, binaries=BINARIES or None, durable=False) as server:
        await migrate(server.dsn, clock.now())
        connection = await asyncpg.connect(server.dsn)
        for statement in (
            "CREATE ROLE app LOGIN PASSWORD 'right'",
            "CREATE DATABASE empty OWNER app",
            "CREATE DATABASE closed",
            "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
            "CREATE DATABASE newer TEMPLATE template0 OWNER app",
        ):
            await connection.execute(statement)
        (data / "postgres" / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()

        def at(database: str, user: str = "app", password: str = "right") -> str:
            return server.dsn.replace("postgres@/tinycdp", f"{user}:{password}@/{database}")

        await migrate(server.dsn.replace("/tinycdp?", "/newer?"), clock.now())
        newer = await asyncpg.connect(server.dsn.replace("/tinycdp?", "/newer?"))
        await newer.execute("INSERT INTO migrations VALUES ('9999_future.sql', '', now())")
        await newer.execute("GRANT SELECT ON migrations TO app")
        await newer.close()
        yield {
            "password": at("tinycdp", password="wr0ng"),
            "user": at("tinycdp", user="stranger"),
            "name": at("nowhere", user="postgres"),
            "host": "postgresql://app:right@no-such-host.invalid/tinycdp",
            "port": "postgresql://app:right@127.0.0.1:1/tinycdp",
            "port, not a number": "postgresql://app:right@127.0.0.1:http/tinycdp",
            "scheme": "mysql://app:right@127.0.0.1/tinycdp",
            "permission to connect": at("closed"),
            "permission to read": at("tinycdp"),
            "unmigrated": at("empty"),
            "newer": at("newer"),
        }


@pytest.fixture
def said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> "Iterator[list[str]]":
    """What a command writes: standard output, standard error and the log, once the test asks."""
    for name in [name for name in os.environ if name.startswith(("TINYCDP_", "DATABASE_", "REDIS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TINYCDP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TINYCDP_PORT", str(free_port()))
    with caplog.at_level(logging.WARNING):
        yield _Said(capsys, caplog)


class _Said:
    def __init__(self, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
        self._capsys, self._caplog = capsys, caplog

    def __str__(self) -> str:
        captured = self._capsys.readouterr()
        return captured.out + captured.err + self._caplog.text


def _argv(command: str, tmp_path: Path) -> list[str]:
    (tmp_path / "rows.csv").write_text("userId,event,timestamp\nada,open,2026-01-01T00:00:00Z\n")
    places = {"FILE": EXAMPLE, "FOLDER": str(tmp_path / "pulled"), "ROWS": str(tmp_path / "rows.csv")}
    return [places.get(part, part) for part in COMMANDS[command]]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_wrong_is_named(
    command: str,
    wrong: str,
    addresses: dict[str, str],
    said: _Said,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if wrong == "unmigrated" and command in MIGRATING:
        return
    monkeypatch.setenv("DATABASE_URL", addresses[wrong])
    code, named = WRONG[wrong]
    status = main(_argv(command, tmp_path))
    text = str(said)
    assert named in text, text
    assert (code in text) or command == "doctor", text
    assert status == (2 if code == "SETTING_INVALID" else 1)
    assert "Traceback" not in text
    assert "right" not in text and "wr0ng" not in text, "never the password"


def test_every_command_that_opens_a_database_is_in_the_table() -> None:
    found = {name for name, parser in _leaves(build_parser()) if "--data-dir" in parser._option_string_actions}
    assert found == {name.partition(" --")[0] for name in COMMANDS}


def _leaves(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield name, parser
    for group in groups:
        for word, child in group.choices.items():
            yield from _leaves(child, f"{name} {word}".strip())


#: Settings that are a file, a folder or an address, with a value that cannot be right.
PLACES = {
    "database_url": "nonsense",
    "redis_url": "nonsense",
    "clickhouse_url": "nonsense",
    "geoip_file": "/nonexistent",
    "postgres_bin": "/nonexistent",
    "data_dir": "/dev/null/data",
    "host": "no such host",
}


@pytest.mark.parametrize("field", PLACES)
def test_a_place_that_does_not_exist_is_refused_at_start(
    field: str, said: _Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable(field), PLACES[field])
    assert main(["serve"]) in (1, 2)
    text = str(said)
    assert variable(field) in text or "DATABASE_URL" in text, text
    assert "Traceback" not in text


def test_a_file_of_another_kind_is_refused_at_start(
    said: _Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "not.mmdb").write_text("nothing of the kind")
    monkeypatch.setenv("TINYCDP_GEOIP_FILE", str(tmp_path / "not.mmdb"))
    assert main(["serve"]) == 1
    assert "is not a MaxMind database" in str(said)


def test_every_setting_that_is_a_place_is_in_the_table() -> None:
    hints = get_type_hints(Settings)
    found = {name for name in Settings.__struct_fields__ if Path in (hints[name], *get_args(hints[name]))}
    found |= {name for name in Settings.__struct_fields__ if name.endswith(("_url", "_bin", "host"))}
    assert found == PLACES.keys()
