"""Every option of a command works on a database and over HTTP, or is refused where it means nothing."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinycdp.cli.main import build_parser, main
from tinycdp.cli.options import DatabaseOption


def _commands() -> Iterator[tuple[list[str], argparse.ArgumentParser]]:
    """All commands, with their parsers."""
    pending: list[tuple[list[str], argparse.ArgumentParser]] = [([], build_parser())]
    while pending:
        name, parser = pending.pop()
        groups = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
        pending += [([*name, key], sub) for group in groups for key, sub in group.items()]
        if not groups:
            yield name, parser


def _has(parser: argparse.ArgumentParser, dest: str) -> bool:
    return any(action.dest == dest for action in parser._actions)


def _needed(parser: argparse.ArgumentParser) -> list[str]:
    """Values for the arguments that a command requires."""
    required = [action for action in parser._actions if action.required]
    return [text for action in required for text in (*action.option_strings[:1], _value_of(action))]


def _value_of(action: argparse.Action) -> str:
    return "1" if action.type is int else str(next(iter(action.choices or "x")))


def test_a_command_that_needs_the_database_refuses_a_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYCDP_URL", "http://127.0.0.1:9")
    refused = set()
    for name, parser in _commands():
        if (
            name[0] in {"serve", "init", "work", "migrate", "analytics"}
            or _has(parser, "api_key")
            or not _has(parser, "data_dir")
        ):
            continue
        assert main([*name, *_needed(parser)]) == 2, name
        assert capsys.readouterr().err.endswith("[DATABASE_NEEDED]\n"), name
        refused.add(name[0])
    assert refused == {"doctor", "forget", "registry", "suppress"}


def test_every_option_works_on_a_server_or_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What test_both_ways.py does not run both ways has to be refused."""
    tried = (Path(__file__).parent / "test_both_ways.py").read_text()
    commands = [(name, parser) for name, parser in _commands() if _has(parser, "api_key")]
    assert len(commands) == 23
    for name, parser in commands:
        needed = _needed(parser)
        way = ["--url", "http://127.0.0.1:9", "--key", "k"]
        for action in parser._actions:
            if action.dest == "help" or not action.option_strings:
                continue
            (option,) = action.option_strings
            if not isinstance(action, DatabaseOption):
                assert f'"{option}"' in tried, (name, option)
                continue
            assert main([*name, *needed, *way, option, "x"]) == 2
            err = capsys.readouterr().err
            assert err.startswith(f"tinycdp: {option} needs the database."), err
            assert err.endswith("[OPTION_NEEDS_DATABASE]\n"), err
        with monkeypatch.context() as environ:
            environ.setenv("TINYCDP_ENVIRONMENT", "dev")
            assert main([*name, *needed, *way]) == 2
            assert capsys.readouterr().err.startswith("tinycdp: TINYCDP_ENVIRONMENT needs the database.")
        assert main([*name, *needed, "--key", "k"]) == 2
        assert capsys.readouterr().err.endswith("[URL_MISSING]\n")
