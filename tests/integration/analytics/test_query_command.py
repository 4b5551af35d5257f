"""`tinycdp query` and `report run` against a server with its analytics: on the database, and over HTTP."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickhouse_engine import need_chdb
from serving import ADMIN_KEY, KEYS, Server, served, until
from tinycdp.cli.main import main

QUESTION = """
kind: trend
from: 2026-03-01
to: 2026-03-03
series: [{event: purchase, measure: sum, property: amount}]
"""
DAYS = [f"2026-03-0{day}T00:00:00+00:00" for day in (1, 2, 3)]
NUMBERS = f"""part,series,name,start,end,complete,value
bucket,A,purchase: sum of amount,{DAYS[0]},{DAYS[1]},true,12.5
bucket,A,purchase: sum of amount,{DAYS[1]},{DAYS[2]},true,30
total,A,purchase: sum of amount,,,,42.5
""".replace("\n", "\r\n")
BUYERS = f"days,start,end,complete,people\n1,{DAYS[0]},{DAYS[1]},true,1\n1,{DAYS[1]},{DAYS[2]},true,1\n".replace(
    "\n", "\r\n"
)
EVENTS = [
    {"userId": "ada", "event": "purchase", "timestamp": "2026-03-01T10:00:00Z", "properties": {"amount": 12.5}},
    {"userId": "bob", "event": "purchase", "timestamp": "2026-03-02T10:00:00Z", "properties": {"amount": 30}},
]


SAVED = """
reports:
  - {key: revenue, name: Revenue, question: QUESTION}
dashboards:
  - key: week
    tiles:
      - {text: All of it}
      - {report: revenue}
      - {title: Buyers, question: {kind: active, from: 2026-03-01, to: 2026-03-03, event: purchase, days: [1]}}
"""


@pytest.fixture
def analysed(dsn: str, tmp_path: Path) -> Iterator[Server]:
    need_chdb()
    with served(tmp_path, dsn=dsn, analytics="true") as server:
        for event in EVENTS:
            assert server.track(event).status_code == 200
        yield server


def test_the_answer_is_the_same_both_ways(
    analysed: Server, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)

    def run(*argv: str, remote: bool) -> tuple[int, str, str]:
        with monkeypatch.context() as environ:
            if remote:
                environ.setenv("TINYCDP_URL", analysed.url)
                environ.setenv("TINYCDP_KEY", ADMIN_KEY)
            else:
                environ.setenv("DATABASE_URL", dsn)
                environ.setenv("TINYCDP_DATA_DIR", str(tmp_path / "data"))
            status = main(list(argv))
        return status, *capsys.readouterr()

    file = tmp_path / "revenue.yaml"
    file.write_text(QUESTION)

    def answered() -> bool:
        return run("query", str(file), "--format", "csv", remote=True)[1] == NUMBERS

    until(answered, said=analysed.said)
    for argv in (["query", str(file), "--format", "csv"], ["query", "revenue", "per", "day", "in", "March", "2026"]):
        assert run(*argv, remote=True)[:2] != (1, "")
        over_http, on_database = (
            [line for text in run(*argv, remote=remote)[1:] for line in text.splitlines() if "as of" not in line]
            for remote in (True, False)
        )
        assert over_http == on_database

    status, out, err = run("query", "revenue from 2026-03-01 until 2026-03-03", remote=False)
    assert (status, "42.5" in out) == (0, True)
    assert "assumed: the sum of amount\n" in err

    monkeypatch.setattr("sys.stdin", io.StringIO(QUESTION))
    status, out, _ = run("query", "-", "--format", "json", remote=True)
    assert (status, json.loads(out)["lines"][0]["total"]) == (0, 42.5)

    file.write_text(QUESTION.replace("trend", "trent"))
    assert run("query", str(file), remote=True) == run("query", str(file), remote=False)
    assert run("query", str(file), remote=False)[0] == 1
    file.write_text("- a\n")
    assert run("query", str(file), remote=False)[0] == 2

    file = tmp_path / "saved.yaml"
    file.write_text(SAVED.replace("QUESTION", "{" + ", ".join(QUESTION.strip().splitlines()) + "}"))
    assert run("apply", str(file), remote=True)[0] == 0
    for remote in (True, False):
        assert run("report", "run", "revenue", "--format", "csv", remote=remote)[:2] == (0, NUMBERS)
        status, out, _ = run("report", "run", "--dashboard", "week", "--format", "csv", remote=remote)
        assert (status, out) == (0, f"All of it\n\n# Revenue\n{NUMBERS}\n# Buyers\n{BUYERS}")
        status, out, err = run("report", "run", "revenu", remote=remote)
        assert (status, out, "'revenue'" in err, "NOT_FOUND" in err) == (1, "", True, True)
    status, out, _ = run("report", "run", "--dashboard", "week", "--format", "json", remote=False)
    assert [tile["title"] for tile in json.loads(out)["tiles"]] == ["", "Revenue", "Buyers"]
