"""The commands that need no database: what they print, and what they exit with."""

import io
import json
import os
from pathlib import Path

import pytest

from tinycdp.cli.definitions import show_backfill
from tinycdp.cli.main import main
from tinycdp.errors import InvalidInput
from tinycdp.runtime.definitions.files import read_documents
from tinycdp.runtime.definitions.workspace import BackfillProgress


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TINYCDP_")]:
        monkeypatch.delenv(name)


def test_check_passes_the_example_workspace(capsys: pytest.CaptureFixture[str]) -> None:
    examples = Path(__file__).parents[2] / "dsl" / "examples"
    assert main(["check", *map(str, sorted(examples.glob("*.yaml")))]) == 0
    assert "no errors" in capsys.readouterr().out


def test_check_shows_every_problem_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "definitions.yaml"
    file.write_text(
        "traits:\n"
        "  - {key: regular, expression: events.x.count_30d = 3}\n"
        "  - {key: chicken, expression: egg}\n"
        "---\n"
        "traits: [{key: egg, expression: chicken}]\n"
        "segments:\n"
    )
    assert main(["check", str(file)]) == 1
    said = capsys.readouterr().out
    assert "trait regular\nE101" in said
    assert "E601" in said
    assert said.endswith("3 definitions, 3 with errors\n")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.yaml", "traits: 3", "lists of mappings"),
        ("a.yaml", "traits: [a]", "lists of mappings"),
        ("a.yaml", "traits: [{key: a}]", "has no 'expression'"),
        ("a.yaml", "- a", "is a mapping"),
        ("a.yaml", "a: [", "expected"),
        ("a.json", "{", "a.json"),
    ],
)
def test_a_malformed_file_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, complaint: str
) -> None:
    (tmp_path / name).write_text(text)
    assert main(["check", str(tmp_path / name)]) == 1
    said = capsys.readouterr().err
    assert name in said
    assert complaint in said
    assert "FILE_MALFORMED" in said


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.yaml"):
        read_documents(tmp_path / "nowhere.yaml")


def test_an_empty_file_holds_no_documents(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_documents(tmp_path / "empty.yaml") == []


def test_eval_answers_each_line_and_fails_when_one_did(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucketing = {"salt": "new_checkout", "purpose": "rollout", "unit": "u-1"}
    lines = [json.dumps({"id": "one", "hash": bucketing}), "", "nonsense", "[1]", json.dumps({"id": "two"})]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    assert main(["eval"]) == 1
    first, *others = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"id": "one", "bucket": 30685}
    assert ["error" in answer for answer in others] == [True, True, True]


def test_a_wrong_setting_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TINYCDP_PROT", "1")
    assert main(["doctor"]) == 2
    assert "did you mean TINYCDP_PORT" in capsys.readouterr().err


def test_a_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "http"]) == 2
    assert "TINYCDP_PORT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["doctor", "--all"], "need --verify"),
        (["doctor", "--repair"], "need --verify"),
        (["doctor", "--verify", "--sample", "0"], "--sample 0 is too small"),
        (["suppress", "ada"], "'ada' is not KIND:VALUE"),
    ],
)
def test_what_the_parser_cannot_see_is_a_usage_error_too(
    capsys: pytest.CaptureFixture[str], argv: list[str], complaint: str
) -> None:
    assert main(argv) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [["key", "list"], ["registry", "rebuild"], ["work"], ["serve", "--role", "api"], ["doctor", "--verify"]]
)
def test_a_mistyped_data_folder_is_said_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    mistyped = tmp_path / "dta"
    assert main([*argv, "--data-dir", str(mistyped)]) == 1
    said = capsys.readouterr().err
    assert f"no database in {mistyped}" in said
    assert "DATABASE_MISSING" in said
    assert not mistyped.exists()


def test_seeding_without_a_key_says_which_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seed"]) == 1
    assert "--key" in capsys.readouterr().err


def test_check_takes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.yaml").write_text("traits: [{key: n, expression: '1'}]")
    (tmp_path / "b.yml").write_text("segments: [{key: all, rule: n > 0}]")
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "2 definitions, no errors\n"


def test_a_folder_without_definitions_is_no_plan_to_delete_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--prune", str(tmp_path)]) == 1
    assert "FILE_UNREADABLE" in capsys.readouterr().err


def test_a_backfill_shows_a_bar_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show_backfill(BackfillProgress(500, 1000, 250.0, 2.0))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    show_backfill(BackfillProgress(500, 1000, 250.0, 2.0))
    bar = "backfilling [###############               ] 500 of 1,000 profiles"
    assert capsys.readouterr().err.strip() == f"{bar}, 250 a second, 2 s left"
    show_backfill(BackfillProgress(500, 1000, None, None))
    assert capsys.readouterr().err.strip() == bar
