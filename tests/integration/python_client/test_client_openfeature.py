"""OpenFeature's own SDK with the Python client's provider, against a served TinyCDP."""

from collections.abc import Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.track import TrackingEventDetails

from serving import READ_KEY, WRITE_KEY, Server, define, free_port, served
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings
from tinycdp_client import Client
from tinycdp_client.openfeature import TinyCDPProvider


def _plain(key: str, type: str, off: Any, value: Any) -> dict[str, Any]:
    """A flag that serves one value to all."""
    variants = {"off": off, "on": value}
    return {
        "key": key,
        "type": type,
        "variants": variants,
        "offVariant": "off",
        "rules": [{"id": "all", "when": "true", "serve": "on"}],
    }


FLAGS = {
    "flags": [
        {"key": "buyer", "rule": "events.purchase.exists(30d)"},
        {"key": "spender", "rule": "events.purchase.sum(value, 30d) >= 10"},
        {"key": "ios", "rule": 'context.platform == "ios"'},
        {"key": "half", "rules": [{"id": "ramp", "when": "true", "rollout": 50, "serve": "on"}]},
        _plain("color", "string", "r", "b"),
        _plain("limit", "integer", 10, 20),
        _plain("share", "float", 0.5, 1.0),
        _plain("theme", "object", {"ink": []}, {"ink": ["white"]}),
    ]
}


@pytest.fixture(scope="module")
async def shop(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    await prepare(
        Settings(database_url=module_dsn, bootstrap_write_key=WRITE_KEY, bootstrap_read_key=READ_KEY), clock.now()
    )
    await define(module_dsn, FLAGS, clock.now())
    with served(tmp_path_factory.mktemp("server"), dsn=module_dsn, role="api") as running:
        yield running


@pytest.fixture
def tinycdp(shop: Server) -> Iterator[Client]:
    with Client(WRITE_KEY, READ_KEY, shop.url) as made:
        api.set_provider(TinyCDPProvider(made))
        yield made
        api.clear_providers()


@pytest.fixture
def flags(tinycdp: Client) -> OpenFeatureClient:
    return api.get_client()


def test_values_of_every_type(flags: OpenFeatureClient) -> None:
    ada = EvaluationContext("ada", {"platform": "ios"})
    assert flags.get_boolean_value("ios", False, ada) is True
    assert flags.get_string_value("color", "?", ada) == "b"
    assert flags.get_integer_value("limit", 0, ada) == 20
    share = flags.get_float_value("share", 0.0, ada)
    assert share == 1.0 and type(share) is float
    assert flags.get_object_value("theme", {}, ada) == {"ink": ["white"]}
    details = flags.get_boolean_details("ios", False, ada)
    assert (details.reason, details.variant) == (Reason.TARGETING_MATCH, "on")
    assert details.flag_metadata["revision"] == 1


def test_errors_are_openfeatures(flags: OpenFeatureClient) -> None:
    ada = EvaluationContext("ada")
    for details, code in (
        (flags.get_boolean_details("nope", True, ada), ErrorCode.FLAG_NOT_FOUND),
        (flags.get_boolean_details("color", True, ada), ErrorCode.TYPE_MISMATCH),
        (flags.get_integer_details("ios", 7, ada), ErrorCode.TYPE_MISMATCH),
        (flags.get_boolean_details("half", True, EvaluationContext()), ErrorCode.TARGETING_KEY_MISSING),
    ):
        assert details.error_code == code and details.reason == Reason.ERROR and details.value in (True, 7)
    assert flags.get_boolean_value("ios", False, EvaluationContext(attributes={"platform": "ios"}))


def test_a_server_that_is_away_is_the_default() -> None:
    with Client("write", "read", f"http://127.0.0.1:{free_port()}", on_error=lambda problem: None) as away:
        api.set_provider(TinyCDPProvider(away))
        details = api.get_client().get_boolean_details("ios", True, EvaluationContext("ada"))
        assert details.value is True and details.error_code == ErrorCode.GENERAL
        api.clear_providers()


def test_what_is_tracked_changes_what_is_evaluated(tinycdp: Client, flags: OpenFeatureClient) -> None:
    mia = EvaluationContext("mia")
    assert not flags.get_boolean_value("buyer", True, mia)
    flags.track("purchase", mia, TrackingEventDetails(12.5, {"currency": "EUR"}))
    visitor = EvaluationContext(attributes={"anonymousId": "tab-7"})
    flags.track("purchase", visitor)
    assert tinycdp.flush()
    assert flags.get_boolean_value("buyer", False, mia) and flags.get_boolean_value("spender", False, mia)
    assert flags.get_boolean_value("buyer", False, visitor) and not flags.get_boolean_value("spender", True, visitor)
    # The targeting key may be an identifier of any kind.
    assert flags.get_boolean_value("buyer", False, EvaluationContext("tab-7"))


async def test_the_same_for_asyncio(flags: OpenFeatureClient) -> None:
    ada = EvaluationContext("ada", {"platform": "ios"})
    assert await flags.get_boolean_value_async("ios", False, ada)
    assert await flags.get_string_value_async("color", "?", ada) == "b"
    assert await flags.get_integer_value_async("limit", 0, ada) == 20
    assert await flags.get_float_value_async("share", 0.0, ada) == 1.0
    assert await flags.get_object_value_async("theme", {}, ada) == {"ink": ["white"]}
