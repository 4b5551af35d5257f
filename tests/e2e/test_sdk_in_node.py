"""The TypeScript SDK in Node, beside a real server: asked for, and decided in the process.

Laws    both ways give the same value, variant, reason and rule, for every context
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from javascript import JavaScript, Package, Script
from serving import ADMIN_KEY, KEYS, READ_KEY, WRITE_KEY, Server, bearer, define, served, until
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings

SDK = Path(__file__).parents[2] / "sdk-ts"
FLAGS = {
    "flags": [
        {"key": "opened", "rule": "events.open.count(1h) >= 1"},
        {
            "key": "offer",
            "type": "string",
            "evaluation": "client",
            "variants": {"none": "", "phone": "10 % off", "big": "20 % off"},
            "offVariant": "none",
            "default": {"serve": "none"},
            "rules": [
                {"id": "phones", "when": 'context.platform == "ios" && events.open.exists(1h)', "serve": "phone"},
                {"id": "ramp", "when": "context.total >= 49.9", "rollout": 50, "serve": "big"},
            ],
        },
        {"key": "secret", "rule": 'context.platform == "ios"'},
    ]
}
CONTEXTS: list[dict[str, Any]] = [
    {},
    {"platform": "ios"},
    {"platform": "web", "total": 50},
    {"total": 49.9},
    {"total": "x"},
]


@pytest.fixture(scope="module")
async def shop(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    keys = {name[8:].lower(): key for name, key in KEYS.items()}
    await prepare(Settings(database_url=module_dsn, **keys), clock.now())
    await define(module_dsn, FLAGS, clock.now())
    with served(tmp_path_factory.mktemp("shop"), dsn=module_dsn, role="api") as running:
        yield running


@pytest.fixture
def node(javascript: JavaScript, tmp_path: Path) -> Iterator[Script]:
    Package(SDK).build()
    with javascript.script("sdk_node.mjs", tmp_path) as running:
        yield running


def start(node: Script, shop: Server, *, local: bool) -> None:
    node.ask("start", endpoint=shop.url, writeKey=WRITE_KEY, readKey=READ_KEY, local=local)


def answer(decision: dict[str, Any]) -> dict[str, Any]:
    rule = decision.get("metadata", {}).get("rule")
    return {name: decision.get(name) for name in ("value", "variant", "reason")} | {"rule": rule}


def test_decisions_made_here_are_those_of_the_server(node: Script, shop: Server) -> None:
    asked = []
    for local in (False, True):
        start(node, shop, local=local)
        node.ask("track", event="open", userId="ada")
        asked.append(
            [
                answer(node.ask("decide", key=flag, userId=user, context=context))
                for user in ("ada", "bob", "cyd")
                for flag in ("opened", "offer", "secret")
                for context in CONTEXTS
            ]
        )
    assert asked[0] == asked[1]
    assert len({str(one) for one in asked[0]}) >= 4, "the answers differ"
    paths = node.ask("requests")
    assert paths.count("/v1/snapshot") == 3, "one for each user"
    assert {path for path in paths if path.startswith("/ofrep/")} == {"/ofrep/v1/evaluate/flags/secret"}


@pytest.mark.parametrize("local", [False, True], ids=["asked", "local"])
def test_a_decision_includes_what_was_sent_before(node: Script, shop: Server, local: bool) -> None:
    user = f"writer-{local}"
    start(node, shop, local=local)
    assert node.ask("decide", key="opened", userId=user)["value"] is False
    node.ask("track", event="open", userId=user)
    assert node.ask("decide", key="opened", userId=user)["value"] is True
    assert node.ask("decideAll", userId=user)["opened"]["value"] is True


@pytest.mark.parametrize("local", [False, True], ids=["asked", "local"])
def test_a_decision_counts_as_an_exposure(node: Script, shop: Server, local: bool) -> None:
    def exposed() -> int:
        found = shop.http.get("/v1/admin/flags/offer/exposures", headers=bearer(ADMIN_KEY)).json()
        return int(found["units"])

    start(node, shop, local=local)
    before = exposed()
    for _ in range(3):
        node.ask("decide", key="offer", userId=f"seen-{local}")
    node.ask("stop")
    until(lambda: exposed() == before + 1)
