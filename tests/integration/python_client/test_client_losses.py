"""The Python client against a served TinyCDP: whatever fails, each event is stored, and counts once."""

import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from far_end import far_end
from lossy import losing
from serving import PATIENCE_SECONDS, READ_KEY, WRITE_KEY, Server, define, free_port, served, until
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings
from tinycdp.store.database.pool import Pool, open_pool
from tinycdp_client import AsyncClient, Client, Problem

SDK = Path(__file__).parents[3] / "sdk-py" / "src"
SHOP = {
    "traits": [{"key": "spent", "expression": "events.purchase.sum(amount, 30d)"}],
    "segments": [{"key": "regulars", "rule": "spent >= 100"}],
    "flags": [
        {"key": "free_shipping", "rule": "segments.regulars"},
        {"key": "phone", "rule": 'context.platform == "ios"'},
        {"key": "pro", "rule": 'profile.plan == "pro"'},
    ],
}
QUICK: dict[str, Any] = {"first_retry": 0.05, "longest_retry": 0.2, "flush_interval": 0.2}

#: Sends events without end, and says of each that it is in the queue.
SENDING = """
import sys
from tinycdp_client import Client
name, folder, url, key = sys.argv[1:]
client = Client(key, endpoint=url, queue=folder, flush_at=5, flush_interval=0.05, first_retry=0.05, longest_retry=0.2)
for n in range(100_000):
    print(client.track("ada", name, {"n": n}, message_id=f"{name}-{n}"), flush=True)
"""


@pytest.fixture(scope="module")
async def shop(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One server for all tests that do not stop it."""
    await _prepare(module_dsn)
    with served(tmp_path_factory.mktemp("shop"), dsn=module_dsn, role="api") as running:
        yield running


@pytest.fixture
async def stored(module_dsn: str) -> Any:
    """Asks how often events of a name are stored, by message id."""
    async with await open_pool(module_dsn, 1) as pool:
        yield lambda name: _stored(pool, name)


async def _prepare(dsn: str) -> None:
    await prepare(Settings(database_url=dsn, bootstrap_write_key=WRITE_KEY, bootstrap_read_key=READ_KEY), clock.now())
    await define(dsn, SHOP, clock.now())


async def _stored(pool: Pool, name: str) -> list[str]:
    async with pool.acquire() as connection:
        rows = await connection.fetch("SELECT message_id FROM events WHERE name = $1 ORDER BY message_id", name)
    return [row["message_id"] for row in rows]


def _sending(name: str, folder: Path, url: str) -> subprocess.Popen[str]:
    environ = os.environ | {"PYTHONPATH": str(SDK)}
    argv = [sys.executable, "-c", SENDING, name, str(folder), url, WRITE_KEY]
    return subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, text=True)


def _run(script: str) -> str:
    """What a process that ran this said on its standard error; it must not fail."""
    argv, environ = [sys.executable, "-W", "error", "-c", script], os.environ | {"PYTHONPATH": str(SDK)}
    ended = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def _killed(process: "subprocess.Popen[str]", after: int) -> list[str]:
    """What a process said was in its queue, when it was killed after so many."""
    assert process.stdout is not None
    said = [process.stdout.readline().strip() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    process.wait()
    return said + [line.strip() for line in rest if line.endswith("\n")]


def test_flags_follow_the_clients_own_events(shop: Server) -> None:
    problems: list[Problem] = []
    with Client(WRITE_KEY, READ_KEY, shop.url, on_error=problems.append) as tinycdp:
        before = tinycdp.decide("free_shipping", "linus")
        assert (before.allow, before.value, before.variant, before.reason) == (False, False, "off", "DEFAULT")
        tinycdp.identify("linus", {"plan": "pro"})
        tinycdp.track("linus", "purchase", {"amount": 60}, anonymous_id="tab-1")
        tinycdp.track("linus", "purchase", {"amount": 40.5})
        assert tinycdp.flush()
        after = tinycdp.decide("free_shipping", "linus")
        assert after.allow and after.reason == "TARGETING_MATCH" and after.version >= 1 and after.profile_id
        assert after.valid_until is not None and after.valid_until > dt.datetime.now(dt.UTC)
        assert tinycdp.decide("free_shipping", anonymous_id="tab-1").profile_id == after.profile_id
        assert tinycdp.decide("phone", "linus", context={"platform": "ios"}).allow
        answers = tinycdp.decide_all("linus", context={"platform": "web"})
        assert {key: answer.allow for key, answer in answers.items()} == {
            "free_shipping": True,
            "phone": False,
            "pro": True,
        }
        nope = tinycdp.decide("nope", "linus", default="blue")
        assert (nope.value, nope.error) == ("blue", "FLAG_NOT_FOUND")
        nameless = tinycdp.decide("pro")
        assert (nameless.value, nameless.error) == (False, "MISSING_IDENTIFIER")
    assert [problem.code for problem in problems] == ["MISSING_IDENTIFIER"]


async def test_flags_follow_events_of_asyncio(shop: Server) -> None:
    async with AsyncClient(WRITE_KEY, READ_KEY, shop.url) as tinycdp:
        await tinycdp.identify("mia", {"plan": "pro"})
        assert await tinycdp.flush()
        assert (await tinycdp.decide("pro", "mia")).allow


async def test_what_the_server_rejects_is_said(shop: Server) -> None:
    problems: list[Problem] = []
    with Client(WRITE_KEY, READ_KEY, shop.url, on_error=problems.append) as tinycdp:
        tinycdp.track("null", "a")
        tinycdp.track("ada", "rejected_beside", timestamp="1999-01-01T00:00:00Z")
        assert tinycdp.flush()
        assert tinycdp.stats().lost == {"BLOCKED_IDENTIFIER": 1, "TIMESTAMP_OUT_OF_RANGE": 1}
    with Client("no-such-key", "no-such-key", shop.url, on_error=problems.append) as wrong:
        wrong.track("ada", "a")
        assert wrong.flush() and wrong.decide("pro", "ada").error == "INVALID_KEY"
    assert [p.code for p in problems] == ["BLOCKED_IDENTIFIER", "TIMESTAMP_OUT_OF_RANGE", "INVALID_KEY"]


async def test_an_answer_that_the_network_loses_counts_nothing_twice(shop: Server, stored: Any) -> None:
    with losing(shop, 3) as lossy, Client(WRITE_KEY, endpoint=lossy.url, **QUICK) as tinycdp:
        ids = [tinycdp.track("ada", "lossy", message_id=f"lossy-{n}") for n in range(10)]
        assert tinycdp.flush(PATIENCE_SECONDS)
        assert lossy.lost == 3 and tinycdp.stats().duplicates == 10
    assert await stored("lossy") == ids


@pytest.mark.parametrize("where", ["memory", "disk"])
async def test_a_server_that_was_away_has_everything_afterwards(dsn: str, tmp_path: Path, where: str) -> None:
    await _prepare(dsn)
    port, problems = free_port(), []
    queue = "memory" if where == "memory" else tmp_path / "queue"
    url = f"http://127.0.0.1:{port}"
    with Client(WRITE_KEY, READ_KEY, url, queue=queue, on_error=problems.append, flush_at=5, **QUICK) as tinycdp:
        names = iter(range(1000))
        ids = [tinycdp.track("ada", "away", message_id=f"{next(names):04}") for _ in range(12)]
        until(lambda: [problem.code for problem in problems] == ["UNREACHABLE"])
        with served(tmp_path / "server", dsn=dsn, role="api", port=port) as server:
            ids += [tinycdp.track("ada", "away", message_id=f"{next(names):04}") for _ in range(12)]
            assert tinycdp.flush(PATIENCE_SECONDS)
            ids += [tinycdp.track("ada", "away", message_id=f"{next(names):04}") for _ in range(12)]
            server.kill()
            ids += [tinycdp.track("ada", "away", message_id=f"{next(names):04}") for _ in range(12)]
        assert not tinycdp.flush(0.5)
        with served(tmp_path / "server", dsn=dsn, role="api", port=port):
            assert tinycdp.flush(PATIENCE_SECONDS)
    async with await open_pool(dsn, 1) as pool:
        assert await _stored(pool, "away") == ids
    assert tinycdp.stats().lost == {}


@pytest.mark.parametrize("after", [1, 7, 60, 300])
async def test_what_a_killed_process_queued_is_sent_by_the_next(
    shop: Server, stored: Any, tmp_path: Path, after: int
) -> None:
    name = f"killed-{after}"
    queued = _killed(_sending(name, tmp_path, shop.url), after)
    with Client(WRITE_KEY, endpoint=shop.url, queue=tmp_path, **QUICK) as next_one:
        assert next_one.flush(PATIENCE_SECONDS)
    found = await stored(name)
    # One more may be in the queue than was said.
    assert set(queued) <= set(found) and len(found) <= len(queued) + 1 and len(found) == len(set(found))


async def test_two_processes_on_one_folder_lose_nothing_when_one_is_killed(
    shop: Server, stored: Any, tmp_path: Path
) -> None:
    killed, other = _sending("first", tmp_path, shop.url), _sending("second", tmp_path, shop.url)
    queued = {"first": _killed(killed, 100), "second": _killed(other, 100)}
    with Client(WRITE_KEY, endpoint=shop.url, queue=tmp_path, **QUICK) as next_one:
        assert next_one.flush(PATIENCE_SECONDS)
    for name, ids in queued.items():
        found = await stored(name)
        assert set(ids) <= set(found) and len(found) == len(set(found))


def test_two_processes_on_one_folder_send_nothing_twice(tmp_path: Path) -> None:
    """Counted where it arrives, because a server forgives what is sent twice."""
    with far_end() as server:
        sending = [_sending(name, tmp_path, server.url) for name in ("first", "second", "third")]
        until(lambda: len(server.taken) > 200)
        server.always(503, None)
        until(lambda: server.statuses[-1] == 503)
        for process in sending:
            _killed(process, 1)
        server.always(200)
        with Client(WRITE_KEY, endpoint=server.url, queue=tmp_path, **QUICK) as last:
            assert last.flush(PATIENCE_SECONDS)
        assert len(server.ids) == len(set(server.ids))


@pytest.mark.parametrize("queue", ["memory", "disk"])
async def test_the_end_of_a_process_sends_what_waits(shop: Server, stored: Any, tmp_path: Path, queue: str) -> None:
    """By itself, without a call of shutdown."""
    folder = "memory" if queue == "memory" else str(tmp_path)
    script = f"""
from tinycdp_client import Client
client = Client({WRITE_KEY!r}, endpoint={shop.url!r}, queue={folder!r})
for n in range(7):
    client.track("ada", "ending-{queue}", message_id=f"ending-{queue}-{{n}}")
"""
    _run(script)
    assert await stored(f"ending-{queue}") == [f"ending-{queue}-{n}" for n in range(7)]


def test_the_end_of_a_process_waits_no_longer_than_it_may() -> None:
    script = f"""
from tinycdp_client import Client
client = Client("key", endpoint="http://127.0.0.1:{free_port()}", shutdown_timeout=0.3)
client.track("ada", "a")
"""
    said = _run(script)
    assert "UNREACHABLE" in said and "NOT_SENT" in said
