"""Local evaluation of the Python client against a served TinyCDP: fresh, exact, sparing, and through an outage."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving import ADMIN_KEY, READ_KEY, WRITE_KEY, Server, bearer, define, free_port, served, until
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings
from tinycdp_client import Client, Problem
from tinycdp_client.transport import Transport

FLAGS: dict[str, Any] = {
    "segments": [{"key": "buyers", "rule": "events.purchase.exists(30d)"}],
    "flags": [
        {"key": "buyer", "rule": "segments.buyers"},
        {
            "key": "phones",
            "evaluation": "client",
            "metadata": {"owner": "growth"},
            "rules": [{"id": "ios", "when": 'segments.buyers && context.platform == "ios"', "serve": "on"}],
        },
        {"key": "hidden", "rule": 'context.platform == "ios"'},
        {
            "key": "half",
            "evaluation": "client",
            "rules": [{"id": "ramp", "when": "true", "rollout": 50, "serve": "on"}],
        },
        {"key": "counted", "rule": "segments.buyers"},
    ],
}


@pytest.fixture(scope="module")
async def shop(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    await _prepare(module_dsn)
    with served(tmp_path_factory.mktemp("shop"), dsn=module_dsn, role="api") as running:
        yield running


async def _prepare(dsn: str) -> None:
    keys = {"bootstrap_write_key": WRITE_KEY, "bootstrap_read_key": READ_KEY, "bootstrap_admin_key": ADMIN_KEY}
    await prepare(Settings(database_url=dsn, **keys), clock.now())
    await define(dsn, FLAGS, clock.now())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that clients asked for, in order."""
    paths: list[str] = []
    request = Transport.request

    def counted(self: Transport, path: str, **more: Any) -> Any:
        paths.append(path)
        return request(self, path, **more)

    monkeypatch.setattr(Transport, "request", counted)
    return paths


@contextmanager
def local(url: str, **options: Any) -> Iterator[Client]:
    problems: list[Problem] = []
    quiet = {"evaluation": "local", "snapshot_age": 3600.0, "on_error": problems.append}
    with Client(WRITE_KEY, READ_KEY, url, **(quiet | options)) as client:
        yield client
    assert [problem for problem in problems if problem.lost] == []


def test_decisions_are_the_servers_and_need_no_request_each(shop: Server, asked: list[str]) -> None:
    with local(shop.url) as here, Client(None, READ_KEY, shop.url) as there:
        for user in ("l1", "l2", "l3", "l4"):
            for context in ({}, {"platform": "ios"}, {"platform": "web"}):
                ours = here.decide_all(user, context=context, exposure=False)
                theirs = there.decide_all(user, context=context, exposure=False)
                assert ours.keys() == theirs.keys()
                for flag, decision in ours.items():
                    same = ("allow", "value", "variant", "reason", "user_id", "revision", "version", "valid_until")
                    assert [getattr(decision, name) for name in same] == [getattr(theirs[flag], name) for name in same]
        asked.clear()
        for _ in range(100):
            here.decide("phones", "l1", context={"platform": "ios"})
        assert asked == []
        assert here.decide("phones", "l1").metadata == {"owner": "growth"}
        assert here.decide("nope", "l1", default="x").error == "FLAG_NOT_FOUND" and asked == []
        assert here.decide("hidden", "l1", context={"platform": "ios"}).allow
        assert asked == ["/v1/decide"], "the server keeps this flag's rule, and decides it"


def test_own_events_are_included_and_others_by_polling(shop: Server, asked: list[str]) -> None:
    with local(shop.url) as here, local(shop.url, snapshot_age=0.0) as polling:
        assert not here.decide("buyer", "own").allow and not polling.decide("buyer", "own").allow
        here.track("own", "purchase")
        assert here.flush()
        assert here.decide("buyer", "own").allow
        assert here.decide("phones", "own", context={"platform": "ios"}).rule == "ios"
        assert polling.decide("buyer", "own").allow, "it asks each time"
        asked.clear()
        assert here.decide("buyer", "own").allow
        assert asked == [], "what was fetched for the own event holds"


def test_a_watched_profile_changes_by_itself(shop: Server, asked: list[str]) -> None:
    changes: list[bool] = []
    with local(shop.url) as here, here.watch("seen", on_change=lambda: changes.append(True)) as watch:
        assert watch.connected.wait(60)
        assert not here.decide("buyer", "seen").allow
        shop.track({"userId": "seen", "event": "purchase"})
        until(lambda: here.decide("buyer", "seen").allow)
        until(lambda: changes)
        asked.clear()
        assert here.decide("buyer", "seen").allow and asked == []


def test_uses_are_reported_as_exposures_once_a_day(shop: Server) -> None:
    with local(shop.url) as here:
        for _ in range(5):
            for user in ("e1", "e2", "e3"):
                here.decide("counted", user)
        here.decide("counted", "e4", exposure=False)
        assert here.flush() and here.stats().sent == 3
    address = f"{shop.url}/v1/admin/flags/counted/exposures"
    until(lambda: httpx.get(address, headers=bearer(ADMIN_KEY)).json()["units"] == 3)


async def test_an_outage_is_bridged_with_what_is_known(dsn: str, tmp_path: Path) -> None:
    await _prepare(dsn)
    port = free_port()
    with local(f"http://127.0.0.1:{port}", snapshot_age=0.0, first_retry=0.05, longest_retry=0.1) as here:
        with served(tmp_path / "shop", dsn=dsn, role="api", port=port):
            here.track("ada", "purchase")
            assert here.flush()
            assert here.decide("phones", "ada", context={"platform": "ios"}).reason == "TARGETING_MATCH"
        away = here.decide("phones", "ada", context={"platform": "ios"})
        assert away.allow and away.reason == "STALE" and away.error is None
        unknown = here.decide("phones", "stranger", default=True)
        assert unknown.value is True and unknown.error == "UNREACHABLE"
        with served(tmp_path / "shop", dsn=dsn, role="api", port=port):
            assert here.decide("phones", "ada", context={"platform": "ios"}).reason == "TARGETING_MATCH"
            assert here.flush(60)
