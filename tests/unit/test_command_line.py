"""The commands that need no database: what they print, and what they exit with."""

import contextlib
import http.server
import io
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinycdp import __version__
from tinycdp.cli.definitions import show_backfill
from tinycdp.cli.main import main
from tinycdp.cli.terminal import Progress
from tinycdp.errors import InvalidInput
from tinycdp.runtime.definitions.sources import documents_of
from tinycdp.runtime.definitions.workspace import BackfillProgress


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TINYCDP_")]:
        monkeypatch.delenv(name)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"tinycdp {__version__}\n"


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
        ("a.yaml", "traits: 3", "1:9: $.traits: `traits` is a list"),
        ("a.yaml", "traits: [a]", "a trait is an object"),
        ("a.yaml", "traits: [{key: a}]", "trait 'a', $.traits[0].expression: the expression is missing"),
        ("a.yaml", "- a", "is a mapping"),
        ("a.yaml", "a: [", "not YAML"),
        ("a.json", "{", "a.json:1:2: not JSON"),
        ("a.json", '{"traits": [], "traits": []}', "twice"),
        ("a.json", '{"flags": [{"key": "f", "rule": NaN}]}', "NaN is not a number"),
        ("a.yaml", "segment: []", "unknown key `segment`. Did you mean `segments`? Valid are: segments"),
        ("a.yaml", "traits: [{key: a, expresion: b}]", "Valid are: expression"),
        ("a.yaml", "traits: [{key: a, expression: 5}]", 'found the number 5. YAML reads 5 as a number; quote it: "5"'),
        ("a.yaml", "segments: [{key: a, rule: true}]", 'quote it: "true"'),
        (
            "a.yaml",
            "flags:\n  - {key: f, rules: [{when: 'true', serve: on}]}",
            "2:44: flag 'f', $.flags[0].rules[0].serve",
        ),
        ("a.yaml", "flags:\n  - {key: f, rules: [{when: 'true', serve: on}]}", 'YAML reads on as true; quote it: "on"'),
        (
            "a.yaml",
            "flags: [{key: f, rule: 'true', variants: {on: true, off: false}}]",
            "YAML reads the key on as true",
        ),
        (
            "a.yaml",
            "segments:\n  - key: a\n    rule: !segments.x",
            "3:11: `!` begins a tag of YAML. Quote the expression: '!segments.x'",
        ),
        ("a.yaml", "segments:\n  - key: a\n    rule: &x true", "`&` begins an anchor"),
        ("a.yaml", "segments:\n  - key: a\n    rule: *x", "`*` begins an alias"),
        ("a.yaml", "segments:\n\t- key: a", "2:1: a tab is no indentation"),
        (
            "a.yaml",
            "segments:\n  - key: a\n    key: b\n    rule: 'true'",
            "3:5: $.segments[0].key: the key `key` is here twice",
        ),
        ("a.yaml", 'segments:\n  - key: a\n    rule: "a" == b', "Quote the expression: '\"a\" == b'"),
        ("a.yaml", "segments:\n  - key: a\n    rule: x: y", "a second `: ` in one line"),
        ("a.yaml", "# nothing\n", "the file is empty"),
        ("a.yaml", "traits: [{key: spent.30d, expression: '1'}]", "A dot leads to a member"),
        ("a.yaml", "traits: [{key: a, expression: '1'}, {key: a, expression: '1'}]", "defined twice; it is in"),
        ("a.yaml", "traits: [{key: a, expression: .inf}]", "is not a number of JSON"),
        ("a.yaml", "traits: [{key: a, expression: " + "[" * 500 + "]" * 500 + "}]", "nest too deeply"),
        ("a.yaml", 'traits: [{key: a, expression: "\\0"}]', "cannot be stored"),
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
    assert said.rstrip().endswith(("[FILE_MALFORMED]", "[INVALID_DOCUMENT]", "[INVALID_KEY]", "[INVALID_FLAG]"))


def test_every_mistake_of_every_file_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("traits:\n  - {key: a, expression: 5, colour: red}\nflag: []\n")
    (tmp_path / "b.yaml").write_bytes(b"\xff")
    (tmp_path / "c.yaml").write_text("segments: [{key: s, rule: true}]")
    assert main(["check", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    for part in ("a.yaml:2:26", "a.yaml:2:37", "a.yaml:3:7", "b.yaml:1:1: the file is not UTF-8", "c.yaml:1:27"):
        assert part in said, said


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.yaml"):
        documents_of(tmp_path / "nowhere.yaml")


def test_warnings_fail_a_strict_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("segments: [{key: s, rule: profile.country != 'US'}]")
    assert main(["check", str(tmp_path / "a.yaml")]) == 0
    said = capsys.readouterr()
    assert said.out.endswith("1 definitions, no errors, 1 warning\n")
    assert "not checked: name a tracking plan with --plan, or a server with --url" in said.err
    assert main(["check", "--strict", str(tmp_path / "a.yaml")]) == 1


def test_check_compares_names_with_a_tracking_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is declared is no warning; what is misspelt is one, of events, their properties, profiles and groups."""
    declared = [
        {"event": "purchase", "version": 1, "entry": {"properties": {"amount": {"type": "number"}, "cart.size": {}}}},
        {"event": "$identify", "version": 2, "entry": {"properties": {"country": {}}}},
        {"event": "$group", "version": 1, "entry": {"properties": {"seats": {}}}},
        {"event": "removed", "version": 2, "entry": None},
    ]
    plan, good, bad = tmp_path / "plan.json", tmp_path / "good.yaml", tmp_path / "bad.yaml"
    plan.write_text(json.dumps({"entries": declared}))
    right = {
        "spent": "events.purchase.sum(amount, 30d)", "size": "events.purchase.max(cart.size, 30d)",
        "home": "profile.country", "large": "group.seats",
    }  # fmt: skip
    wrong = {
        "spent": "events.purchase.sum(amout, 30d)", "size": "events.purchse.count_7d", "home": "profile.contry",
        "large": "group.seets", "gone": "events.removed.count_7d",
    }  # fmt: skip
    for file, traits in ((good, right), (bad, wrong)):
        file.write_text(json.dumps({"traits": [{"key": k, "expression": text} for k, text in traits.items()]}))
    assert main(["check", "--strict", "--plan", str(plan), str(good)]) == 0
    assert capsys.readouterr().err == ""
    assert main(["check", "--plan", str(plan), str(bad)]) == 0
    said = capsys.readouterr().out
    assert said.endswith("5 definitions, no errors, 5 warnings\n")
    for near in ("'amount'", "'purchase'", "'profile.country'", "'group.seats'"):
        assert f"did you mean {near}?" in said
    assert main(["check", "--strict", "--plan", str(plan), str(bad)]) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "No such file or directory. Save the answer of GET /v1/registry/plan there."),
        ("{", "the file is not JSON. It is what GET /v1/registry/plan answers."),
        ("{}", "$.entries: this field is missing; give a list. The file is what GET /v1/registry/plan answers."),
        ('{"entries": [{"event": "a", "entry": {"propertys": {}}}]}', "$.entries[0].entry.propertys: unknown field."),
    ],
)
def test_a_plan_that_is_none_is_refused(
    text: str | None, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("traits: [{key: n, expression: '1'}]")
    if text is not None:
        (tmp_path / "plan.json").write_text(text)
    assert main(["check", "--plan", str(tmp_path / "plan.json"), str(file)]) == 1
    said = capsys.readouterr().err
    assert complaint in said and said.endswith("[PLAN_UNREADABLE]\n")


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


@pytest.mark.parametrize(
    ("options", "environ", "named"),
    [
        (["--port", "{}"], {"TINYCDP_PORT": "1"}, "another --port,"),
        ([], {"TINYCDP_PORT": "{}"}, "another TINYCDP_PORT,"),
        ([], {"TINYCDP_PORT": "{}", "PORT": "{}", "MAKELEVEL": "1"}, "another PORT,"),
        ([], {"TINYCDP_PORT": "{}", "PORT": "{}"}, "another TINYCDP_PORT,"),
        (["--role", "api", "--port", "{}"], {}, "another --port,"),
    ],
)
def test_a_taken_port_names_what_chose_it(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    environ: dict[str, str],
    named: str,
) -> None:
    for name in ("PORT", "MAKELEVEL"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as another server of this program does
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for name, value in environ.items():
            monkeypatch.setenv(name, value.format(port))
        assert main(["serve", *(option.format(port) for option in options)]) == 1
    said = capsys.readouterr().err
    assert f"Cannot listen on 127.0.0.1:{port}" in said
    assert f"Choose {named}" in said
    assert "[PORT_TAKEN]" in said


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


def test_progress_in_a_pipe_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    often, seldom = Progress(seconds=0), Progress(seconds=3_600)
    for n in range(3):
        often.show(f"{n} rows")
        seldom.show(f"{n} of them")
    assert capsys.readouterr().err == "0 rows\n1 rows\n2 rows\n"


@contextlib.contextmanager
def _breaking_off(job: bytes, file: bytes, size: int) -> Iterator[str]:
    """A server whose exports are done at once, and whose files end before their size."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body, length = (file, size) if self.command == "GET" else (job, len(job))
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_download_that_breaks_off_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = b'{"id": 1, "status": "done", "rows": 2, "asOf": "2026-01-01T00:00:00.000Z", "note": "", "error": null}'
    target = tmp_path / "people.jsonl"
    argv = ["export", "run", "profiles", "--output", str(target), "--key", "tcdp_k", "--url"]
    with _breaking_off(job, b"{}\n{}\n", 6) as url:
        assert main([*argv, url]) == 0, capsys.readouterr().err
    target.unlink()
    with _breaking_off(job, b"{}\n", 6) as url:
        assert main([*argv, url]) == 1
    assert capsys.readouterr().err.endswith("[SERVER_UNREACHABLE]\n")
    assert not list(tmp_path.iterdir())
