"""Every command that works remotely does the same as on the database: output, errors and exit status."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from serving import ADMIN_KEY, KEYS, READ_KEY, Server, free_port, served, until
from tinycdp.cli.main import main

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
    """Two environments of one server with the same events: prod on the database, dev over HTTP."""

    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    server: Server
    dsn: str
    dev: str

    def run(self, *argv: str, url: str | None = None, key: str | None = None) -> tuple[int, str, str]:
        """One command: on the database, or with a key over HTTP."""
        with self.monkeypatch.context() as environ:
            for name in KEYS:
                environ.delenv(name, raising=False)
            if key is None:
                environ.setenv("DATABASE_URL", self.dsn)
            else:
                environ.setenv("TINYCDP_URL", url or self.server.url)
                environ.setenv("TINYCDP_KEY", key)
            status = main(argv)
        said = self.capsys.readouterr()
        return status, said.out, said.err

    def same(self, *argv: str) -> tuple[int, str, str]:
        """What the command says both ways."""
        direct, remote = self.run(*argv), self.run(*argv, key=self.dev)
        assert [_plain(part) for part in remote] == [_plain(part) for part in direct], argv
        return direct


def _plain(part: str | int) -> str:
    """Without what differs between any two runs: instants, and the random parts of keys and salts."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "…", str(part))
    text = re.sub(r"salt: .*", "salt: …", text)
    return re.sub(r"tcdp_[\w-]+", "tcdp_…", text)


@pytest.fixture
def both(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Both]:
    monkeypatch.chdir(tmp_path)
    with served(tmp_path / "server", dsn=dsn) as server:
        both = Both(capsys, monkeypatch, server, dsn, "")
        for environment in ("prod", "dev"):
            made = both.run("key", "create", "--scope", "admin", "--name", "ci", "--environment", environment)
            both.dev = made[1].strip()
            for n, amount in enumerate((0.1, 0.2, 25)):
                event = {"userId": f'u"{n}\n', "event": "purchase", "properties": {"amount": amount}}
                # The server learns of the key by a notification, within moments.
                until(lambda event=event, key=both.dev: server.track(event, key).status_code == 200)
        yield both


def test_definitions_from_the_first_plan_to_the_pull(both: Both, tmp_path: Path) -> None:
    for name, text in {"a": FIRST, "b": SECOND, "typo": TYPO, "wrong": WRONG, "flag": WRONG_FLAG}.items():
        (tmp_path / f"{name}.yaml").write_text(text.lstrip())
    assert both.same("check", "a.yaml")[0] == 0
    assert both.same("plan", "a.yaml")[0] == 2
    assert "backfills; the live revision serves until then" in both.same("apply", "a.yaml")[2]
    assert both.same("apply", "--wait", "a.yaml")[1].endswith("is live\n")
    assert both.same("plan", "a.yaml")[0] == 0
    assert "> flag archive -> vault" in both.same("plan", "--preview", "b.yaml")[1]
    assert both.same("apply", "--wait", "--note", "more", "b.yaml")[0] == 0
    status, out, _ = both.same("plan", "--prune", "typo.yaml")
    assert (status, "- flag vault" in out) == (2, True)
    assert both.same("plan", "--strict", "typo.yaml")[0] == both.same("apply", "--strict", "typo.yaml")[0] == 1
    for name in ("wrong", "flag"):
        status, _, err = both.same("plan", f"{name}.yaml")
        assert (status, "nothing was published" in err) == (1, True)
        assert both.same("apply", f"{name}.yaml")[0] == 1
    assert both.same("plan", "absent.yaml")[0] == 1
    pulled = []
    for key in (None, both.dev):
        assert both.run("pull", "pulled", key=key)[0] == 0
        texts = {file.name: file.read_text() for file in Path("pulled").iterdir()}
        pulled.append({name: re.sub(r"salt: .*", "salt: …", text) for name, text in texts.items()})
    assert pulled[0] == pulled[1]
    assert both.run("plan", "--prune", "pulled", key=both.dev)[0] == 0


def test_exports_and_keys(both: Both, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FIRST)
    both.same("apply", "--wait", "a.yaml")
    for options in (["--columns", ""], ["--traits", "spent_30d", "--raw"], ["--output", "x.jsonl"]):
        shown = []
        for way in ({"key": None}, {"key": both.dev}):
            environment = ["--environment", "dev"] if way["key"] is None else []
            status, out, err = both.run("export", "segment", "buyers", *options, *environment, **way)
            text = Path("x.jsonl").read_text() if "x.jsonl" in options else out
            shown.append((status, _plain(text), _plain(err)))
        assert shown[0] == shown[1]
        assert shown[0][2] == "3 profiles as of …\n"
    assert both.same("export", "segment", "nosuch")[0] == 1
    assert both.same("key", "create", "--scope", "read", "--name", "spare")[0] == 0
    assert both.same("key", "create", "--scope", "nosuch")[0] == 1
    limited = ["--expires", "2099-01-01T00:00:00Z", "--origin", "https://shop.example"]
    assert both.same("key", "create", "--scope", "write", "--name", "page", *limited)[0] == 0
    for wrong in (["--expires", "soon"], ["--expires", "2020-01-01T00:00:00Z"], ["--origin", "shop"]):
        assert both.same("key", "create", "--scope", "write", *wrong)[0] in {1, 2}
    assert both.same("key", "rotate", "nosuch")[0] == 1
    assert both.same("key", "rotate", "tcdp_", "--overlap", "soon")[0] == 2
    assert both.same("key", "revoke", "nosuch")[0] == 1
    listed = both.run("key", "list", key=both.dev)[1]
    assert listed == both.run("key", "list", "--environment", "dev")[1]
    assert "page (until 2099-01-01T00:00:00.000Z; only https://shop.example)" in listed
    for way in ({"key": None}, {"key": both.dev}):
        environment = ["--environment", "dev"] if way["key"] is None else []
        prefix = both.run("key", "list", *environment, **way)[1].splitlines()[-1].split()[0]
        status, out, err = both.run("key", "rotate", prefix, "--overlap", "1h", *environment, **way)
        assert (status, out.startswith("tcdp_"), f"{prefix} is valid until 20" in err) == (0, True, True)
    prefix = both.run("key", "list", key=both.dev)[1].splitlines()[-1].split()[0]
    assert both.run("key", "revoke", prefix, key=both.dev) == (0, f"revoked {prefix}\n", "")


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
    status, _, err = both.run("registry", "rebuild", key=both.dev)
    assert (status, "Unset TINYCDP_URL" in err) == (2, True)
