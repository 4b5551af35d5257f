"""Definitions kept in files: plan, apply, pull, on a real database through the command line."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from application import running
from tinycdp.cli.main import main
from tinycdp.resources import folder

SHOP = folder("dsl") / "examples" / "shop.yaml"

Run = Callable[..., "asyncio.Future[tuple[int, str, str]]"]


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command to its end, in a thread because it has a loop of its own; its status and what it said."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    # Only a main thread may set it; a command in a thread keeps the one of the tests.
    monkeypatch.setattr("signal.signal", lambda *_: None)

    async def command(*argv: object) -> tuple[int, str, str]:
        status = await asyncio.to_thread(main, [str(argument) for argument in argv])
        said = capsys.readouterr()
        return status, said.out, said.err

    return command  # type: ignore[return-value]


@pytest.fixture
async def prepared(run: Run) -> Run:
    assert (await run("migrate"))[0] == 0
    return run


async def test_pull_then_plan_finds_nothing_to_change(prepared: Run, tmp_path: Path) -> None:
    run = prepared
    assert (await run("apply", SHOP))[0] == 0
    extra = tmp_path / "extra.yaml"
    extra.write_text(
        "flags:\n"
        "  - {key: shares, type: float, variants: {low: 0.1, high: 2}, rules:\n"
        "      [{when: 'true', split: {low: 33333, high: 66667}, rollout: 12.345}]}\n"
        "  - {key: layout, type: object, variants: {a: {n: 1.50, list: [on, 'on', 1e2, 2026-01-01T00:00:00]}}}\n"
        "traits:\n"
        "  - key: commented\n    expression: |\n      1 // one\n        + 2\n    description: 'yes: no'\n"
    )
    extra.write_text(extra.read_text().replace("2026-01-01T00:00:00", "'2026-01-01T00:00:00'"))
    assert (await run("apply", extra))[0] == 0
    status, out, err = await run("pull", tmp_path / "pulled")
    assert (status, err) == (0, "")
    assert [Path(line).name for line in out.split()] == ["traits.yaml", "segments.yaml", "flags.yaml"]
    assert "salt:" in (tmp_path / "pulled" / "flags.yaml").read_text()

    status, out, err = await run("plan", "--prune", tmp_path / "pulled")
    assert (status, out.splitlines()[0][:18], err) == (0, "nothing to change,", "")
    before = {path: path.read_text() for path in (tmp_path / "pulled").iterdir()}
    assert (await run("pull", tmp_path / "pulled"))[0] == 0
    assert {path: path.read_text() for path in (tmp_path / "pulled").iterdir()} == before


async def test_plan_shows_the_difference_with_status_2_and_saves_nothing(prepared: Run, tmp_path: Path) -> None:
    run, file = prepared, tmp_path / "a.yaml"
    file.write_text("traits: [{key: opens, expression: events.app_open.count_7d}]")
    assert (await run("apply", file))[0] == 0
    file.write_text("traits: [{key: opens, expression: events.app_open.count_30d}, {key: n, expression: '1'}]")
    for _ in range(2):
        status, out, _ = await run("plan", file)
        assert status == 2
        assert "~ trait opens" in out and "+ trait n" in out
        assert "    -expression: events.app_open.count_7d\n    +expression: events.app_open.count_30d" in out
        assert "1 to create, 1 to update, 0 unchanged" in out
    assert (await run("apply", file))[0] == 0
    assert (await run("plan", file))[0] == 0


async def test_plan_refuses_what_apply_would_refuse(prepared: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("traits: [{key: opens, expression: nowhere}]")
    for command in ("plan", "apply"):
        status, out, err = await prepared(command, file)
        assert (status, out) == (1, "")
        assert "nowhere" in err


async def test_what_files_do_not_name_stays_unless_it_is_pruned(prepared: Run, tmp_path: Path) -> None:
    run = prepared
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("traits: [{key: base, expression: '1'}]\nsegments: [{key: all, rule: base > 0}]")
    two.write_text("segments: [{key: all, rule: 'true'}]")
    assert (await run("apply", one))[0] == 0
    status, out, _ = await run("apply", two)
    assert status == 0 and "trait base" not in out
    assert "- trait base" in (await run("plan", "--prune", two))[1]
    # What is left no longer names it: both changes are one revision.
    assert (await run("apply", one))[0] == 0
    status, out, _ = await run("apply", "--prune", two)
    assert status == 0 and "- trait base" in out
    assert (await run("plan", "--prune", two))[0] == 0
    two.write_text("segments: [{key: other, rule: segments.all}]")
    status, _, err = await run("apply", "--prune", two)
    assert status == 1 and "used by segment other" in err


async def test_a_whole_folder_is_one_revision(prepared: Run, tmp_path: Path) -> None:
    run, files = prepared, tmp_path / "definitions"
    (files / "deep").mkdir(parents=True)
    (files / "segments.yml").write_text("segments: [{key: few, rule: opens < 3}]")
    (files / "deep" / "traits.json").write_text('{"traits": [{"key": "opens", "expression": "events.x.count_7d"}]}')
    status, out, _ = await run("apply", files)
    assert status == 0 and "2 to change, revision 1" in out
    status, _, err = await run("apply", files / "deep", files / "deep" / ".." / "deep" / "traits.json")
    assert status == 1 and "defined twice" in err


async def test_apply_reports_a_backfill_and_waits_for_it_with_wait(
    prepared: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dsn: str
) -> None:
    run, file = prepared, tmp_path / "a.yaml"
    await _one_profile(dsn)
    file.write_text("segments: [{key: openers, rule: events.app_open.exists(30d)}]")
    assert "before they serve" in (await run("plan", file))[1]
    status, _, err = await run("apply", file)
    assert status == 0 and "revision 1 backfills" in err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    # No worker runs here: the command that waits does its part.
    status, out, err = await run("apply", "--wait", file)
    assert (status, out.splitlines()[-1]) == (0, "revision 1 is live")
    assert "] 0 of 1 profiles" in err and "] 1 of 1 profiles" in err
    assert (await run("apply", "--wait", file))[0] == 0


async def test_a_rename_in_a_file_is_a_rename_here_once(prepared: Run, tmp_path: Path, dsn: str) -> None:
    run, file = prepared, tmp_path / "a.yaml"
    segment = "segments: [{key: few, rule: opens < 3}]\nflags: [{key: f, rule: segments.few}]\n"
    file.write_text("traits: [{key: opens, expression: events.app_open.count_7d}]\n" + segment)
    assert (await run("apply", file))[0] == 0
    file.write_text(
        "traits: [{key: starts, was: opens, expression: events.app_open.count_7d}]\n"
        + segment.replace("opens", "starts")
    )
    for arguments in ([], ["--prune"]):
        status, out, _ = await run("plan", *arguments, file)
        assert status == 2
        assert "> trait opens -> starts" in out and "    -key: opens\n    +key: starts" in out
        assert "1 to update, 1 to rename, 1 unchanged" in out
    assert (await run("apply", "--prune", "--wait", "--note", "shorter", file))[0] == 0
    async with running(dsn) as app:
        newest = (await app.admin.get("/v1/admin/revisions")).json()["revisions"][0]
    assert (newest["author"], newest["note"]) == ("command line", "shorter")
    # Said for ever, done once: also if there is a new one under the old name.
    assert (await run("plan", "--prune", file))[0] == 0
    other = tmp_path / "b.yaml"
    other.write_text("traits: [{key: opens, expression: '1'}]")
    assert (await run("apply", other))[0] == 0
    assert (await run("plan", file))[0] == 0
    # A key that another definition has is not available.
    file.write_text(
        "segments: [{key: opens, was: few, rule: 'true'}]\ntraits: [{key: opens, was: starts, expression: '1'}]"
    )
    status, _, err = await run("plan", file)
    assert status == 1 and "that key is in use" in err


async def test_a_flag_is_renamed_in_a_file(prepared: Run, tmp_path: Path) -> None:
    run, file = prepared, tmp_path / "a.yaml"
    file.write_text("flags: [{key: f, rule: 'true'}]")
    assert (await run("apply", file))[0] == 0
    file.write_text("flags: [{key: g, was: f, rule: 'true'}]")
    assert (await run("check", file))[0] == 0
    status, out, _ = await run("plan", file)
    assert status == 2 and "> flag f -> g" in out and "salt" not in out
    file.write_text("flags: [{key: g, was: 'no key', rule: 'true'}]")
    status, _, err = await run("plan", file)
    assert status == 1 and "$.flags[0].was" in err


async def test_two_definitions_swap_their_names_once(prepared: Run, tmp_path: Path) -> None:
    run, file = prepared, tmp_path / "a.yaml"
    both = "traits: [{key: a, expression: '1'}, {key: b, expression: '2'}]\nsegments: [{key: s, rule: a < b}]"
    file.write_text(both)
    assert (await run("apply", file))[0] == 0
    file.write_text(
        "traits: [{key: b, was: a, expression: '1'}, {key: a, was: b, expression: '2'}]\n"
        "segments: [{key: s, rule: b < a}]"
    )
    status, out, _ = await run("plan", file)
    assert status == 2 and "> trait a -> b" in out and "> trait b -> a" in out
    assert (await run("apply", file))[0] == 0
    assert (await run("plan", file))[0] == 0


async def test_plan_says_how_many_people_would_move(prepared: Run, tmp_path: Path, dsn: str) -> None:
    run, file = prepared, tmp_path / "a.yaml"
    await _one_profile(dsn)
    file.write_text(
        "segments: [{key: openers, rule: events.app_open.exists(30d)}]\nflags: [{key: f, rule: segments.openers}]"
    )
    status, out, _ = await run("plan", "--preview", file)
    assert status == 2
    lines = out.splitlines()[-3:]
    assert lines[0].endswith("1 of 1 profiles sampled")
    assert lines[1] == "segment openers: 0 -> 1 members, +1 -0, 0 unknown"
    assert lines[2] == "flag f: none -> on 1"
    assert (await run("apply", "--wait", file))[0] == 0
    assert (await run("plan", "--preview", file))[1] == "nothing to change, 2 unchanged\n"


async def _one_profile(dsn: str) -> None:
    async with running(dsn) as app:
        await app.track({"userId": "ada", "event": "app_open"})


async def test_an_empty_database_is_no_crash(run: Run) -> None:
    status, out, err = await run("plan", SHOP)
    assert (status, out) == (1, "")
    assert err.startswith("tinycdp: This database has no environment")


async def test_names_that_were_never_seen_are_warnings_until_they_are_seen(
    prepared: Run, tmp_path: Path, dsn: str
) -> None:
    run, file = prepared, tmp_path / "a.yaml"
    file.write_text(
        "traits:\n"
        "  - {key: bought, expression: events.purchse.count_7d}\n"
        "  - {key: spent, expression: 'events.purchase.sum(amout, 30d)'}\n"
        "segments:\n"
        "  - {key: german, rule: profile.contry == 'DE'}\n"
        "  - {key: large, rule: group.seets > 5}\n"
    )
    status, _, err = await run("plan", "--strict", file)
    assert (status, err) == (2, ""), "before the first event nothing is known, so nothing is unknown"
    async with running(dsn) as app:
        known = {"type": "identify", "traits": {"country": "DE"}}
        await app.track({"event": "purchase", "properties": {"amount": 5}, "userId": "a"}, {**known, "userId": "a"})
        await app.track(
            {"type": "group", "userId": "a", "groupId": "acme", "traits": {"seats": 9, "plan": {"name": "x"}}}
        )
        names = (await app.read.get("/v1/registry/names")).json()
        assert names == {
            "events": {"purchase": ["amount"]},
            "profile": ["country"],
            "group": ["plan", "plan.name", "seats"],
        }
    for command, expected in ((("plan",), 2), (("plan", "--strict"), 1), (("apply", "--strict"), 1)):
        status, _, err = await run(*command, file)
        assert status == expected, err
        assert f"{file}:2:31: trait bought\nE301" in err and "did you mean 'purchase'?" in err
        assert f"{file}:3:30: trait spent\nE307" in err and "did you mean 'amount'?" in err
        assert f"{file}:5:25: segment german\nE307" in err and "did you mean 'profile.country'?" in err
        assert f"{file}:6:24: segment large\nE307" in err and "did you mean 'group.seats'?" in err
    assert "nothing was published" in err
    for _ in range(2):  # a saved misspelling silences nothing
        status, _, err = await run("apply", file)
        assert status == 0
        assert err.count("E301") == 1 and err.count("E307") == 3
    assert (await run("plan", "--strict", file))[0] == 1
    async with running(dsn) as app:
        body = {"changes": [{"kind": "trait", "key": "other", "document": {"expression": "events.purchse.count_9d"}}]}
        found = (await app.admin.post("/v1/admin/publish", json=body)).json()
        warned = [(w["kind"], w["key"], w["diagnostics"][0]["code"]) for w in found["warnings"]]
        assert warned == [("trait", "other", "E301")]
        made = await app.admin.post("/v1/admin/segments", json={"key": "s", "rule": "profile.contry == 'DE'"})
        assert [d["code"] for d in made.json()["diagnostics"]] == ["E307"]
        asked = {"kind": "trait", "expression": "events.purchase.sum(amout)"}
        valid = (await app.admin.post("/v1/admin/validate", json=asked)).json()
        assert (valid["valid"], [d["code"] for d in valid["diagnostics"]]) == (True, ["E307"])
