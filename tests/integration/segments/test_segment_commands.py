"""Static segments in files of definitions, and `tinycdp segment`, on a real database through the command line."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tinycdp.cli.main import main
from tinycdp.store.database.pool import Pool

Run = Callable[..., "asyncio.Future[tuple[int, str, str]]"]


@pytest.fixture
async def run(dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a command to its end, in a thread because it has a loop of its own; a static segment is published."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setattr("signal.signal", lambda *_: None)

    async def command(*argv: object) -> tuple[int, str, str]:
        status = await asyncio.to_thread(main, [str(argument) for argument in argv])
        said = capsys.readouterr()
        return status, said.out, said.err

    (tmp_path / "shop.yaml").write_text(
        "segments:\n"
        "  - {key: vip, static: true, description: invited}\n"
        "  - {key: crew, static: true}\n"
        "  - {key: guests, rule: segments.vip}\n"
    )
    assert (await command("migrate"))[0] == 0
    assert (await command("check", tmp_path / "shop.yaml"))[0] == 0
    assert (await command("plan", tmp_path / "shop.yaml"))[0] == 2
    assert (await command("apply", "--wait", tmp_path / "shop.yaml"))[0] == 0
    return command  # type: ignore[return-value]


async def test_a_file_declares_a_static_segment_and_never_its_list(run: Run, tmp_path: Path) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("userId\nada\n")
    assert (await run("segment", "add", "vip", ids))[0] == 0
    assert (await run("pull", tmp_path / "pulled"))[0] == 0
    assert "static: true" in (tmp_path / "pulled" / "segments.yaml").read_text()
    status, out, _ = await run("plan", "--prune", tmp_path / "pulled")
    assert (status, out.startswith("nothing to change")) == (0, True), out
    wrong = tmp_path / "wrong.yaml"
    for text, said in (("static: true, rule: 'true'", "has no rule"), ("static: yes please", "true or false")):
        wrong.write_text(f"segments: [{{key: vip, {text}}}]")
        for command in ("check", "plan"):
            status, out, err = await run(command, wrong)
            assert status == 1 and said in out + err, out + err


async def test_the_commands_edit_a_list(run: Run, pool: Pool, tmp_path: Path) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("mail\nx@y\nz@y\n")
    status, out, _ = await run("segment", "add", "vip", ids, "--kind", "email", "--column", "mail")
    assert (status, out.splitlines()[0]) == (0, "vip: 2 identifiers, 2 added, 0 removed")
    ids.write_text("kind,value\nemail,x@y\nuserId,ada\n")
    status, out, _ = await run("segment", "replace", "vip", ids, "--dry-run")
    assert (status, out) == (0, "vip: 2 identifiers, 1 would be added, 1 would be removed\n")
    assert (await run("segment", "replace", "vip", ids))[0] == 0
    assert (await run("segment", "remove", "vip", ids))[0] == 0
    assert await pool.fetchval("SELECT count(*) FROM listed_identifiers WHERE unlisted_at IS NULL") == 0
    for argv, status in (
        (("add", "vip"), 2),
        (("add", "vip", ids, "--copy", "crew"), 2),
        (("add", "vip", ids, "--column", "x"), 2),
        (("add", "guests", ids), 1),
        (("add", "nosuch", ids), 1),
        (("add", "vip", tmp_path / "nothing.csv"), 1),
    ):
        found, _, err = await run("segment", *argv)
        assert (found, err.startswith("tinycdp: ")) == (status, True), (argv, err)


@pytest.mark.slow
async def test_a_hundred_thousand_identifiers(run: Run, pool: Pool, tmp_path: Path) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("userId\n" + "".join(f"u{n}\n" for n in range(100_000)))
    status, out, _ = await run("segment", "add", "vip", ids)
    assert (status, out.splitlines()[0]) == (0, "vip: 100,000 identifiers, 100,000 added, 0 removed")
    ids.write_text("userId\n" + "".join(f"u{n}\n" for n in range(50_000, 150_000)))
    status, out, _ = await run("segment", "replace", "vip", ids)
    assert out.splitlines()[0] == "vip: 100,000 identifiers, 50,000 added, 50,000 removed"
    assert await pool.fetchval("SELECT count(*) FROM listed_identifiers WHERE unlisted_at IS NULL") == 100_000
