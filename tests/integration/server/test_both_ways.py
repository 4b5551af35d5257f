"""Every command that works remotely does the same as on the database: output, errors and exit status."""

import contextlib
import gzip
import http.server
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from serving import ADMIN_KEY, KEYS, READ_KEY, Server, bearer, free_port, served, until
from tinycdp.cli import remote
from tinycdp.cli.main import main
from tinycdp.errors import Unavailable
from tinycdp.products.exports.running import ExportRuns

FIRST = """
traits:
  - {key: spent_30d, expression: "events.purchase.sum(amount, 30d)"}
segments:
  - {key: buyers, rule: spent_30d >= 0.1}
flags:
  - {key: archive, rule: segments.buyers}
"""
SECOND = FIRST.replace("0.1", "0.25").replace("key: archive", "key: vault, was: archive")
TYPO = "segments:\n  - {key: typo, rule: events.purchse.count_7d > 1}\n"
WRONG = "segments:\n  - {key: wrong, rule: nosuch > 1}\n"
WRONG_FLAG = "flags:\n  - {key: wrong, rule: 'true', prerequisites: [{flag: nosuch, variants: ['on']}]}\n"


@dataclass
class Both:
    """Two environments of one server with the same events: `direct` on the database, `remote` over HTTP."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    server: Server
    dsn: str
    direct: str = ""
    remote: str = ""
    direct_key: str = ""
    remote_key: str = ""

    def run(self, *argv: str, url: str | None = None, key: str | None = None) -> tuple[int, str, str]:
        """One command: on the database, or with a key over HTTP."""
        with self.monkeypatch.context() as environ:
            for name in KEYS:
                environ.delenv(name, raising=False)
            if key is None:
                environ.setenv("DATABASE_URL", self.dsn)
                if self.direct and "--environment" not in argv and argv[0] != "environment":
                    environ.setenv("TINYCDP_ENVIRONMENT", self.direct)
            else:
                environ.setenv("TINYCDP_URL", url or self.server.url)
                environ.setenv("TINYCDP_KEY", key)
            status = main(argv)
        said = self.capsys.readouterr()
        return status, said.out, said.err

    def same(self, *argv: str) -> tuple[int, str, str]:
        """What the command says both ways."""
        direct, remote = self.run(*argv), self.run(*argv, key=self.remote_key)
        assert [_plain(part) for part in remote] == [_plain(part) for part in direct], argv
        return direct


def _plain(part: str | int) -> str:
    """Without what differs between any two runs: instants, and the random parts of keys and salts."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "…", str(part))
    text = re.sub(r"salt: .*", "salt: …", text)
    return re.sub(r"tcdp_[\w-]+", "tcdp_…", text)


@pytest.fixture(scope="module")
def shared(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for the tests that do not stop it; each has environments of its own."""
    with served(tmp_path_factory.mktemp("server"), dsn=module_dsn) as server:
        yield server


@pytest.fixture
def both(
    shared: Server,
    module_dsn: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Both:
    monkeypatch.chdir(tmp_path)
    return _prepared(Both(capsys, monkeypatch, shared, module_dsn))


def _prepared(both: Both) -> Both:
    """With two new environments, and three events in each."""
    n = next(_numbers)
    for name in (f"direct-{n}", f"remote-{n}"):
        status, out, err = both.run("environment", "create", name)
        assert status == 0, err
        key = out.strip()
        for number, amount in enumerate((0.1, 0.2, 25)):
            event = {"userId": f'u"{number}\n', "event": "purchase", "properties": {"amount": amount}}
            # The server learns of the key by a notification, within moments.
            until(lambda event=event, key=key: both.server.track(event, key).status_code == 200)
        both.direct, both.direct_key, both.remote, both.remote_key = both.remote, both.remote_key, name, key
    return both


_numbers = itertools.count(1)


def test_generated_types(both: Both, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FIRST.lstrip())
    assert both.same("apply", "--wait", "a.yaml")[0] == 0
    entry = {"properties": {"amount": {"type": "number", "required": True}}}
    for key in (both.direct_key, both.remote_key):
        headers = bearer(key) | {"If-Match": '"0"'}
        assert both.server.http.put("/v1/registry/plan/purchase", json=entry, headers=headers).is_success
    assert "amount: number" in both.same("codegen", "ts")[1]
    assert '"amount": float' in both.same("codegen", "py")[1]
    assert both.same("codegen", "ts", "--output", "types.d.ts")[0] == 0
    assert both.same("codegen", "ts", "--output", "types.d.ts", "--check")[0] == 0
    (tmp_path / "plan.json").write_text('{"entries": [{"event": "other", "entry": {}}]}')
    assert both.same("codegen", "ts", "--plan", "plan.json", "--output", "types.d.ts", "--check")[0] == 1


def test_a_report_that_cannot_be_answered(both: Both) -> None:
    """Analytics is off on this server; tests/integration/analytics runs reports both ways."""
    assert both.same("report", "run", "weekly")[0] == 1
    assert both.same("report", "run", "home", "--dashboard", "--format", "json")[0] == 1


def test_definitions_from_the_first_plan_to_the_pull(both: Both, tmp_path: Path) -> None:
    for name, text in {"a": FIRST, "b": SECOND, "typo": TYPO, "wrong": WRONG, "flag": WRONG_FLAG}.items():
        (tmp_path / f"{name}.yaml").write_text(text.lstrip())
    assert both.run("check", "--strict", "a.yaml", key=both.remote_key)[0] == 0
    assert both.same("plan", "a.yaml")[0] == 2
    assert "backfills; the live revision serves until then" in both.same("apply", "a.yaml")[2]
    assert both.same("apply", "--wait", "a.yaml")[1].endswith("is live\n")
    assert both.same("plan", "a.yaml")[0] == 0
    assert "> flag archive -> vault" in both.same("plan", "--preview", "b.yaml")[1]
    assert both.same("apply", "--wait", "--note", "more", "b.yaml")[0] == 0
    status, out, err = both.run("check", "--strict", "typo.yaml", key=both.remote_key)
    assert (status, err, "did you mean 'purchase'?" in out) == (1, "", True)
    (tmp_path / "plan.json").write_text('{"entries": [{"event": "purchse", "entry": {}}]}')
    assert both.run("check", "--strict", "--plan", "plan.json", "typo.yaml", key=both.remote_key)[0] == 0
    assert both.run("check", "typo.yaml", url="http://127.0.0.1:9", key="x")[2].endswith("[SERVER_UNREACHABLE]\n")
    status, out, _ = both.same("plan", "--prune", "typo.yaml")
    assert (status, "- flag vault" in out) == (2, True)
    assert both.same("plan", "--strict", "typo.yaml")[0] == both.same("apply", "--strict", "typo.yaml")[0] == 1
    for name in ("wrong", "flag"):
        status, _, err = both.same("plan", f"{name}.yaml")
        assert (status, "nothing was published" in err) == (1, True)
        assert both.same("apply", f"{name}.yaml")[0] == 1
    assert both.same("plan", "absent.yaml")[0] == 1
    pulled = []
    for key in (None, both.remote_key):
        assert both.run("pull", "pulled", key=key)[0] == 0
        texts = {file.name: file.read_text() for file in Path("pulled").iterdir()}
        pulled.append({name: re.sub(r"salt: .*", "salt: …", text) for name, text in texts.items()})
    assert pulled[0] == pulled[1]
    assert both.run("plan", "--prune", "pulled", key=both.remote_key)[0] == 0


SAVED = """\
segments:
  - {key: vip, rule: profile.plan == 'pro'}
events:
  - key: activation
    any:
      - {event: purchase}
      - {event: purchase, where: amount >= 7}
metrics:
  - {key: revenue, name: Revenue, event: purchase, measure: sum, property: amount, where: amount >= 0.50}
reports:
  - key: weekly
    name: Weekly buyers
    description: |
      Of the last weeks.
      By amount.
    question:
      kind: trend
      last: 12w
      bucket: week
      people: segments.vip
      sample: 0.1
      series:
        - {event: {derived: activation}, measure: people}
        - {metric: revenue}
      breakdown: {property: amount, bins: [0, 10, 99.5]}
      formula: B / A
dashboards:
  - key: home
    tiles:
      - {text: "# Home", width: 12, height: 1}
      - {report: weekly, title: Buyers}
"""


def test_saved_definitions_of_analytics(both: Both, tmp_path: Path) -> None:
    """What is pulled changes nothing when it is applied, and mistakes have their line."""
    (tmp_path / "saved.yaml").write_text(SAVED)
    assert both.run("check", "saved.yaml")[:2] == (0, "5 definitions, no errors\n")
    status, out, err = both.same("plan", "saved.yaml")
    assert (status, "5 to create, 0 unchanged" in out) == (2, True), err
    assert both.same("apply", "--wait", "--note", "first", "saved.yaml")[0] == 0
    for key in (None, both.remote_key):
        assert both.run("pull", "pulled", key=key)[0] == 0
        assert sorted(file.name for file in Path("pulled").iterdir()) == sorted(
            f"{kind}.yaml" for kind in ("traits", "segments", "flags", "events", "metrics", "reports", "dashboards")
        )
        assert both.run("plan", "--prune", "pulled", key=key)[:2] == (0, "nothing to change, 5 unchanged\n")
        assert "0 to change" in both.run("apply", "--prune", "pulled", key=key)[1]
        report = (tmp_path / "pulled" / "reports.yaml").read_text()
        assert "sample: 0.1\n" in report and "description: |" in report and "unit" not in report

    renamed = SAVED.replace("{key: revenue, ", "{key: income, was: revenue, ")
    (tmp_path / "renamed.yaml").write_text(renamed.replace("{metric: revenue}", "{metric: income}"))
    assert "> metric revenue -> income" in both.same("plan", "renamed.yaml")[1]
    assert both.same("apply", "renamed.yaml")[0] == both.same("plan", "renamed.yaml")[0] == 0

    wrong = SAVED.replace("people: segments.vip", "people: segments.vips").replace("report: weekly", "report: weakly")
    (tmp_path / "wrong.yaml").write_text(wrong)
    status, out, _ = both.run("check", "wrong.yaml")
    assert (status, "wrong.yaml:20:15: report weekly, question.people: " in out) == (1, True), out
    assert "wrong.yaml:31:18: dashboard home, tiles[1].report: there is no report 'weakly'" in out, out
    for command in ("plan", "apply"):
        status, _, err = both.same(command, "wrong.yaml")
        assert (status, "nothing was published\nwrong.yaml:" in err) == (1, True), err
    (tmp_path / "malformed.yaml").write_text("reports:\n  - {key: r, question: {kind: trend, seris: []}}\n")
    for command in ("check", "plan"):
        status, _, err = both.run(command, "malformed.yaml")
        assert (status, "malformed.yaml:2:" in err, "`series`" in err) == (1, True, True), err
    (tmp_path / "typo.yaml").write_text("metrics:\n  - {key: typo, event: purchse}\n")
    status, _, err = both.same("plan", "typo.yaml")
    assert (status, "typo.yaml:2:24: metric typo, event: warning: " in err, "'purchase'" in err) == (2, True, True), err
    assert both.same("apply", "--strict", "typo.yaml")[0] == 1

    (tmp_path / "first.yaml").write_text(FIRST)
    assert "- dashboard home" in both.same("plan", "--prune", "first.yaml")[1]


def test_exports_and_keys(both: Both, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FIRST)
    both.same("apply", "--wait", "a.yaml")
    for options in (["--columns", ""], ["--traits", "spent_30d", "--raw"], ["--output", "x.jsonl"]):
        shown = []
        for way in ({"key": None}, {"key": both.remote_key}):
            environment = ["--environment", both.remote] if way["key"] is None else []
            status, out, err = both.run("export", "segment", "buyers", *options, *environment, **way)
            text = Path("x.jsonl").read_text() if "x.jsonl" in options else out
            shown.append((status, _plain(text), _plain(err)))
        assert shown[0] == shown[1]
        assert shown[0][2] == "3 profiles as of …\n"
    assert both.same("export", "segment", "nosuch")[0] == 1
    # As jobs: the command writes one, and the worker of the server the other.
    shown = []
    for way in ({"key": None}, {"key": both.remote_key}):
        environment = ["--environment", both.remote] if way["key"] is None else []
        job = ["export", "run", "segment", "buyers", "--traits", "spent_30d", "--output", "job.jsonl", *environment]
        status, out, err = both.run(*job, **way)
        assert status == 0, err
        shown.append((out, _plain(err), _plain(Path("job.jsonl").read_text())))
        listed = both.run("export", "list", "--limit", "1", *environment, **way)[1]
        assert len(listed.splitlines()) == 1 and re.search(r"done +3  buyers\.jsonl$", listed.splitlines()[0])
        events = ["export", "run", "events", "--event", "purchase", "--format", "csv", *environment]
        for span in (["--last", "30d"], ["--from", "2020-01-01", "--to", "2020-02-01"]):
            status, _, err = both.run(*events, *span, **way)
            assert status == 0, err
            shown.append((_plain(err),))
        status, number, err = both.run("export", "run", "profiles", "--no-wait", *environment, **way)
        assert (status, number.strip().isdecimal()) == (0, True), err
        assert both.run("export", "cancel", number.strip(), *environment, **way)[0] == 0
    assert shown[: len(shown) // 2] == shown[len(shown) // 2 :]
    assert shown[0][:2] == ("", "3 rows as of …\n")
    assert both.same("export", "run", "segment", "nosuch", "--output", "job.csv")[0] == 1
    assert both.same("export", "run", "profiles", "--output", "job.pdf")[0] == 1

    async def away(*_: object) -> bool:
        raise Unavailable("DATABASE_AWAY", "The database cannot be reached.")

    with both.monkeypatch.context() as patched:  # of the command alone: the server is another process
        patched.setattr(ExportRuns, "write", away)
        assert both.run("export", "run", "profiles", "--output", "job.csv")[2].endswith("[DATABASE_AWAY]\n")
    assert both.same("export", "cancel", "999999")[0] == 1
    assert both.same("key", "create", "--scope", "read", "--name", "spare")[0] == 0
    assert both.same("key", "create", "--scope", "nosuch")[0] == 1
    limited = ["--expires", "2099-01-01T00:00:00Z", "--origin", "https://shop.example"]
    assert both.same("key", "create", "--scope", "write", "--name", "page", *limited)[0] == 0
    for wrong in (["--expires", "soon"], ["--expires", "2020-01-01T00:00:00Z"], ["--origin", "shop"]):
        assert both.same("key", "create", "--scope", "write", *wrong)[0] in {1, 2}
    assert both.same("key", "rotate", "nosuch")[0] == 1
    assert both.same("key", "rotate", "tcdp_", "--overlap", "soon")[0] == 2
    assert both.same("key", "revoke", "nosuch")[0] == 1
    listed = both.run("key", "list", key=both.remote_key)[1]
    assert listed == both.run("key", "list", "--environment", both.remote)[1]
    assert "page (until 2099-01-01T00:00:00.000Z; only https://shop.example)" in listed
    for way in ({"key": None}, {"key": both.remote_key}):
        environment = ["--environment", both.remote] if way["key"] is None else []
        prefix = both.run("key", "list", *environment, **way)[1].splitlines()[-1].split()[0]
        status, out, err = both.run("key", "rotate", prefix, "--overlap", "1h", *environment, **way)
        assert (status, out.startswith("tcdp_"), f"{prefix} is valid until 20" in err) == (0, True, True)
    prefix = both.run("key", "list", key=both.remote_key)[1].splitlines()[-1].split()[0]
    assert both.run("key", "revoke", prefix, key=both.remote_key) == (0, f"revoked {prefix}\n", "")


def test_what_is_wrong_with_the_way_is_one_line(both: Both, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FIRST)
    unused = f"http://127.0.0.1:{free_port()}"
    for url, key, code in (
        (unused, ADMIN_KEY, "SERVER_UNREACHABLE"),
        (None, "a-key-that-does-not-exist", "INVALID_KEY"),
        (None, READ_KEY, "MISSING_SCOPE"),
        (f"{both.server.url}/elsewhere", ADMIN_KEY, "SERVER_TOO_OLD"),
    ):
        status, out, err = both.run("plan", "a.yaml", url=url, key=key)
        assert (status, out, err.count("\n")) == (1, "", 1), err
        assert err.endswith(f"[{code}]\n")
    assert both.run("plan", "a.yaml", key="")[2].endswith("[KEY_MISSING]\n")
    status, _, err = both.run("registry", "rebuild", key=both.remote_key)
    assert (status, "Unset TINYCDP_URL" in err) == (2, True)


def test_files_of_history(both: Both, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("who,sum,zip,at\nh-1,5,007,2026-01-02T03:04:05Z\n,1,2,\nh-2,x,12,never\n")
    options = ("--map", "userId=who", "--map", "timestamp=at", "--set", "event=order", "--text", "zip")
    first = both.same("import", "orders.csv", *options, "--report", "rejected.jsonl")
    reported = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert [(one["file"], one["line"]) for one in reported] == [("orders.csv", 3), ("orders.csv", 4)] * 2
    assert reported[:2] == reported[2:] and all(one["code"] and one["message"] for one in reported)
    assert first == (0, "orders.csv: 3 rows, 1 stored, 0 duplicates, 2 rejected\n", "")
    assert both.same("import", "orders.csv", *options) == first, "a file that was done is not done again"
    (tmp_path / "orders.csv.gz").write_bytes(gzip.compress((tmp_path / "orders.csv").read_bytes()))
    assert both.same("import", "orders.csv.gz", *options) == first
    (tmp_path / "a.jsonl").write_text('{"userId": "h-3", "event": "a"}\nnonsense\n')
    (tmp_path / "b.txt").write_text('{"userId": "h-3", "event": "b"}\n')
    assert both.same("import", "a.jsonl", "b.txt", "--format", "jsonl")[1].count("\n") == 2
    (tmp_path / "empty.jsonl").write_text("")
    assert both.same("import", "empty.jsonl")[0] == 0
    (tmp_path / "torn.csv.gz").write_bytes((tmp_path / "orders.csv.gz").read_bytes()[:-12])
    (tmp_path / "utf16.csv").write_text("userId,event\nu,a\n", encoding="utf-16")
    (tmp_path / "none.csv").write_text("\n")
    for argv, code in (
        (("torn.csv.gz", *options), "FILE_MALFORMED"),
        (("utf16.csv",), "FILE_MALFORMED"),
        (("none.csv",), "FILE_MALFORMED"),
        (("b.txt",), "FILE_MALFORMED"),
        (("absent.csv",), "FILE_UNREADABLE"),
        ((".", "--format", "csv"), "FILE_UNREADABLE"),
        (("orders.csv",), "INVALID_MAPPING"),
        (("orders.csv", "--map", "userId=nosuch"), "INVALID_MAPPING"),
        (("orders.csv", "--map", "=who"), "INVALID_MAPPING"),
        (("a.jsonl", "--set", "event=x"), "INVALID_MAPPING"),
    ):
        status, out, err = both.same("import", *argv)
        assert (status, out, err.endswith(f"[{code}]\n")) == (1, "", True), err


def test_an_import_survives_its_command_and_its_server(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with served(tmp_path / "server", dsn=dsn) as server:
        _survives(_prepared(Both(capsys, monkeypatch, server, dsn)), tmp_path)


def _survives(both: Both, tmp_path: Path) -> None:
    def long(name: str) -> str:
        """A file that is still being imported when its progress is read: its server has just taken events."""
        rows = (
            json.dumps({"userId": f"{name}-{n % 99}", "event": "a", "messageId": f"{name} {n}"}) for n in range(3_000)
        )
        (tmp_path / name).write_text("\n".join(rows))
        return name

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with both.monkeypatch.context() as patched:
        patched.setattr(remote.time, "sleep", interrupted)
        assert both.run("import", long("one.jsonl"), key=both.remote_key) == (130, "", "")
    done = (0, "one.jsonl: 3,000 rows, 3,000 stored, 0 duplicates, 0 rejected\n", "")
    assert both.run("import", "one.jsonl", key=both.remote_key) == done
    sleep, restarts = time.sleep, contextlib.ExitStack()

    def restart(seconds: float) -> None:
        patched.undo()
        both.server.kill()
        restarts.enter_context(served(tmp_path / "server", dsn=both.dsn, port=int(both.server.url.rpartition(":")[2])))
        sleep(seconds)

    with restarts, both.monkeypatch.context() as patched:
        both.server.track({"userId": "u", "event": "a"}, both.remote_key)
        patched.setattr(remote.time, "sleep", restart)
        status, out, err = both.run("import", long("two.jsonl"), key=both.remote_key)
        found = re.fullmatch(r"two.jsonl: 3,000 rows, ([\d,]+) stored, ([\d,]+) duplicates, 0 rejected\n", out)
        assert (status, err) == (0, "") and found, (out, err)
        assert sum(int(count.replace(",", "")) for count in found.groups()) == 3_000


def test_lists_of_static_segments(both: Both, tmp_path: Path) -> None:
    for key in (both.direct_key, both.remote_key):
        assert both.server.track({"userId": "ada", "event": "purchase"}, key).status_code == 200
    (tmp_path / "a.yaml").write_text(
        "segments: [{key: vip, static: true}, {key: crew, static: true},"
        " {key: ruled, rule: events.purchase.count_30d > 0}]"
    )
    assert both.same("apply", "--wait", "a.yaml")[0] == 0
    (tmp_path / "mail.csv").write_text("mail,n\nx@y,1\nz@y,2\nnull,3\n")
    (tmp_path / "ids.csv").write_text("kind,value\nemail,x@y\nuserId,ada\n")
    (tmp_path / "ids.csv.gz").write_bytes(gzip.compress((tmp_path / "ids.csv").read_bytes()))
    (tmp_path / "empty.csv").write_text("userId\n")
    (tmp_path / "wrong.csv").write_text("kind,value\nuserId,a\nno kind,b\n")
    for argv, said in (
        (("add", "vip", "mail.csv", "--kind", "email", "--column", "mail"), "vip: 2 identifiers, 2 added, 0 removed"),
        (("replace", "vip", "ids.csv", "--dry-run"), "vip: 2 identifiers, 1 would be added, 1 would be removed"),
        (("replace", "vip", "ids.csv.gz"), "vip: 2 identifiers, 1 added, 1 removed"),
        (
            ("remove", "vip", "mail.csv", "--kind", "email", "--column", "mail"),
            "vip: 2 identifiers, 0 added, 1 removed",
        ),
        (("add", "crew", "--copy", "ruled"), "crew: 4 identifiers, 4 added, 0 removed\n4 profiles entered, 0 left"),
        (("replace", "crew", "--copy", "vip"), "crew: 1 identifiers, 0 added, 3 removed"),
        (("remove", "vip", "ids.csv"), "vip: 2 identifiers, 0 added, 1 removed\n0 profiles entered, 1 left"),
    ):
        status, out, _ = both.same("segment", *argv)
        assert (status, out.startswith(said)) == (0, True), (argv, out)
    for argv, status, code in (
        (("add", "vip"), 2, "INVALID_REQUEST"),
        (("add", "vip", "ids.csv", "--copy", "crew"), 2, "INVALID_REQUEST"),
        (("add", "vip", "ids.csv", "--column", "x"), 2, "INVALID_REQUEST"),
        (("add", "vip", "ids.csv", "--kind", "no kind"), 1, "INVALID_REQUEST"),
        (("add", "vip", "mail.csv"), 1, "LIST_MALFORMED"),
        (("add", "vip", "wrong.csv"), 1, "LIST_MALFORMED"),
        (("replace", "crew", "empty.csv"), 1, "LIST_EMPTY"),
        (("replace", "crew", "--copy", "vip"), 1, "LIST_EMPTY"),
        (("add", "vip", "absent.csv"), 1, "FILE_UNREADABLE"),
        (("add", "ruled", "ids.csv"), 1, "NOT_STATIC"),
        (("add", "no/such", "ids.csv"), 1, "NOT_FOUND"),
        (("add", "vip", "--copy", "nosuch"), 1, "NOT_FOUND"),
    ):
        found, _, err = both.same("segment", *argv)
        assert (found, err.endswith(f"[{code}]\n")) == (status, True), (argv, err)


def test_environments_and_promotions(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with served(tmp_path / "server", dsn=dsn) as server:
        both = Both(capsys, monkeypatch, server, dsn, direct="dev")
        status, out, err = both.run("key", "create", "--scope", "admin")
        assert status == 0, err
        both.remote_key = out.strip()
        until(lambda: both.run("environment", "list", key=both.remote_key)[0] == 0)
        _promoted(both, tmp_path)


def _promoted(both: Both, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FIRST)
    (tmp_path / "typo.yaml").write_text(TYPO)
    assert both.run("environment", "list")[1].split() == ["prod", "UTC", "revision", "0", "dev", "UTC", "revision", "0"]
    assert both.run("environment", "list", key=both.remote_key)[1].split() == [
        "prod",
        "UTC",
        "dev",
        "UTC",
        "revision",
        "0",
    ]
    ends: dict[str, tuple[str, str]] = {}
    for name, way in (("one", {"key": None}), ("two", {"key": both.remote_key})):
        keys = []
        for end in ("from", "to"):
            status, out, err = both.run("environment", "create", f"{name}-{end}", "--zone", "Asia/Tokyo", **way)
            assert (status, err.startswith(f"This is the admin key of {name}-{end}.")) == (0, True)
            keys.append(out.strip())
            until(lambda key=keys[-1]: both.run("environment", "list", key=key)[0] == 0)
        assert both.run("apply", "a.yaml", key=keys[0])[0] == 0
        assert both.server.track({"userId": "ada", "event": "purchase"}, keys[1]).status_code == 200
        ends[name] = (keys[0], keys[1])
    source, target = ends["two"]

    def promoted(*options: str) -> tuple[int, str, str]:
        direct = both.run("promote", "--from", "one-from", "--to", "one-to", *options)
        remote = both.run("promote", "--source-key", source, *options, key=target)
        assert [_plain(part) for part in remote] == [_plain(part) for part in direct], options
        return direct

    status, out, err = promoted("--dry-run")
    assert (status, "+ flag archive" in out, "backfill before they serve" in out, err) == (2, True, True, "")
    assert promoted("--only", "trait:nosuch")[2].endswith("[NOT_FOUND]\n")
    assert promoted("--only", "traits")[2].endswith("[INVALID_REQUEST]\n")
    assert promoted("--only", "trait", "--only", "segment:buyers", "--note", "first")[0] == 0
    status, out, _ = promoted("--prune", "--wait", "--strict")
    assert (status, out.endswith("is live\n")) == (0, True), out
    assert promoted("--dry-run")[1] == "nothing to change, 3 unchanged\n"
    for key in (ends["one"][0], source):
        assert both.server.track({"userId": "ada", "event": "purchase"}, key).status_code == 200
        assert both.run("apply", "typo.yaml", key=key)[0] == 0
    for options in (["--strict"], ["--strict", "--dry-run"]):
        status, _, err = promoted(*options)
        assert (status, "warning: segment typo" in err) == (1, True), err
    assert promoted("--dry-run")[0] == 2, "--strict has published nothing"
    assert both.run("promote", "--source-key", target, key=target)[2].endswith("[SAME_ENVIRONMENT]\n")
    assert both.run("promote", key=target)[2].endswith("[KEY_MISSING]\n")
    for argv, code in (
        (("promote", "--from", "one-from"), "INVALID_REQUEST"),
        (("promote", "--source-key", "k"), "URL_MISSING"),
    ):
        status, _, err = both.run(*argv)
        assert (status, err.endswith(f"[{code}]\n")) == (2, True)
    with both.monkeypatch.context() as environ:
        environ.setenv("TINYCDP_SOURCE_KEY", source)
        assert both.run("promote", "--dry-run", key=target)[0] == 2
    for wrong in (("dev", "prod"), ("dev", "Not a key")):
        assert both.same("environment", "rename", *wrong)[0] == 1
    assert both.run("environment", "rename", "prod", "live", key=both.remote_key)[2].endswith("[OTHER_ENVIRONMENT]\n")
    assert both.run("environment", "rename", "two-to", "done", key=target) == (0, "renamed two-to to done\n", "")
    assert "done" in both.run("environment", "list")[1]


def test_what_is_no_tinycdp_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FIRST)
    (tmp_path / "a.csv").write_text("userId\na\n")
    answer = (200, b"")

    class Foreign(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        do_POST = do_DELETE = do_GET

        def log_message(self, *arguments: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign) as foreign:
        threading.Thread(target=foreign.serve_forever, daemon=True).start()
        way = ["--url", f"http://127.0.0.1:{foreign.server_port}", "--key", "tcdp_k"]
        for status in (200, 302, 404, 502):
            for text in (b"<h1>Welcome</h1>", b'{"detail": "Not Found"}', b"[1]", b"7", b"", b"\xff"):
                answer = (status, text)
                for argv in (
                    ["plan", "--preview", str(tmp_path / "a.yaml")],
                    ["apply", str(tmp_path / "a.yaml")],
                    ["pull", str(tmp_path / "pulled")],
                    ["key", "list"],
                    ["key", "create", "--scope", "read"],
                    ["export", "segment", "vip"],
                    ["import", str(tmp_path / "a.csv")],
                    ["segment", "add", "vip", str(tmp_path / "a.csv")],
                    ["segment", "add", "vip", "--copy", "crew"],
                    ["environment", "list"],
                    ["environment", "create", "staging"],
                    ["environment", "rename", "staging", "preview"],
                    ["promote", "--source-key", "tcdp_s"],
                ):
                    assert main([*argv, *way]) == 1, (answer, argv)
                    said = capsys.readouterr()
                    assert (said.out, said.err.count("\n")) == ("", 1), (answer, argv, said)
                    assert said.err.endswith("[SERVER_UNEXPECTED]\n"), (answer, argv, said)
        foreign.shutdown()


def test_query_says_what_it_did_not_understand(both: Both) -> None:
    ran = both.same("query", "frobnicated", "xyzzy", "--format", "csv")
    assert ran[0] == 1
    assert ran[2].startswith("not understood: 'frobnicated'")
    assert ran[2].endswith("[INVALID_QUESTION]\n")
