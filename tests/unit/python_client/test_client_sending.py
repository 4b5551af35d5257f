"""What the Python client does with each answer of a server, and with none: nothing lost, nothing double, no loop."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from far_end import FarEnd, far_end
from serving import free_port, until
from tinycdp_client import AsyncClient, Client, Problem
from tinycdp_client.sender import pause

ANSWER_OF_ANOTHER = "<html>It works!</html>"


@pytest.fixture
def far() -> Iterator[FarEnd]:
    with far_end() as running:
        yield running


class Problems(list[Problem]):
    @property
    def codes(self) -> list[str]:
        return [problem.code for problem in self]


@contextmanager
def client(url: str, **options: Any) -> Iterator[tuple[Client, Problems]]:
    """A client that tries again at once, and what it reported."""
    problems = Problems()
    quick = {"first_retry": 0.01, "longest_retry": 0.05, "flush_interval": 0.05, "on_error": problems.append}
    made = Client("write", "read", url, **(quick | options))
    try:
        yield made, problems
    finally:
        made.shutdown(timeout=1)


def test_pauses_double_up_to_a_bound_and_vary() -> None:
    assert [pause(n, 1, 300, 1) for n in range(1, 11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert pause(10_000, 1, 300, 1) == 300
    assert pause(3, 1, 300, 0) == 2


def test_six_calls_arrive_in_order_with_what_they_say(far: FarEnd) -> None:
    with client(far.url) as (tinycdp, problems):
        ids = [
            tinycdp.identify("ada", {"plan": "pro"}),
            tinycdp.track("ada", "purchase", {"amount": 25}, message_id="order-1"),
            tinycdp.page(None, "Home", anonymous_id="tab", category="docs"),
            tinycdp.screen("ada", "Cart"),
            tinycdp.group("ada", "acme", {"seats": 3}),
            tinycdp.alias("ada", "tab"),
        ]
        assert tinycdp.flush()
    assert far.ids == ids and ids[1] == "order-1" and problems == []
    said = [{k: v for k, v in message.items() if k not in {"messageId", "timestamp"}} for message in far.taken]
    assert said == [
        {"type": "identify", "userId": "ada", "traits": {"plan": "pro"}},
        {"type": "track", "userId": "ada", "event": "purchase", "properties": {"amount": 25}},
        {"type": "page", "anonymousId": "tab", "name": "Home", "category": "docs"},
        {"type": "screen", "userId": "ada", "name": "Cart"},
        {"type": "group", "userId": "ada", "groupId": "acme", "traits": {"seats": 3}},
        {"type": "alias", "userId": "ada", "previousId": "tab"},
    ]
    assert far.headers[0]["authorization"] == "Bearer write"
    assert far.asked[0]["sentAt"] and far.asked[0]["context"]["library"]["name"] == "tinycdp-client"


def test_enough_events_are_sent_at_once_and_fewer_when_it_is_time(far: FarEnd) -> None:
    with client(far.url, flush_at=5, flush_interval=3600) as (tinycdp, _):
        for n in range(4):
            tinycdp.track("ada", f"e{n}")
        assert far.statuses == []
        tinycdp.track("ada", "e4")
        until(lambda: len(far.taken) == 5)
        assert far.batches == [5]
    with client(far.url, flush_at=5, flush_interval=0.01) as (tinycdp, _):
        tinycdp.track("ada", "late")
        until(lambda: len(far.taken) == 6)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_busy_server_gets_the_same_again(far: FarEnd, status: int) -> None:
    with client(far.url) as (tinycdp, problems):
        for _ in range(3):
            far.answer(status, {"code": "DATABASE_AWAY", "message": "The database is away."})
        tinycdp.track("ada", "a")
        assert tinycdp.flush()
        assert far.statuses == [status] * 3 + [200] and len(far.taken) == 1
        assert problems.codes == ["DATABASE_AWAY"] and problems[0].status == status and problems[0].lost == 0
        far.answer(status, {"code": "DATABASE_AWAY", "message": "Again."})
        tinycdp.track("ada", "b")
        assert tinycdp.flush()
        assert problems.codes == ["DATABASE_AWAY"] * 2, "an outage after it was over is a new one"


@pytest.mark.parametrize(
    ("status", "body"), [(200, ANSWER_OF_ANOTHER), (200, "{}"), (301, ""), (404, ANSWER_OF_ANOTHER), (204, "")]
)
def test_an_answer_that_is_not_tinycdps_costs_nothing(far: FarEnd, status: int, body: str) -> None:
    with client(far.url) as (tinycdp, problems):
        far.answer(status, body)
        far.answer(status, body)
        tinycdp.track("ada", "a")
        assert tinycdp.flush()
    assert problems.codes == ["WRONG_ENDPOINT"] and len(far.taken) == 1


def test_a_server_that_is_away_gets_everything_when_it_is_back() -> None:
    port = free_port()
    with client(f"http://127.0.0.1:{port}", flush_at=1) as (tinycdp, problems):
        ids = [tinycdp.track("ada", "a", {"n": n}) for n in range(50)]
        assert not tinycdp.flush(0.2)
        assert problems.codes == ["UNREACHABLE"]
        with far_end(port) as back:
            assert tinycdp.flush()
            assert back.ids == ids
    assert tinycdp.stats().sent == 50 and tinycdp.stats().lost == {}


def test_an_answer_that_was_lost_means_a_repeat_with_the_same_ids(far: FarEnd) -> None:
    with client(far.url) as (tinycdp, _):
        id = tinycdp.track("ada", "a")
        far.answer(503, None)  # after the server took it
        far.taken.append({"messageId": id})
        assert tinycdp.flush()
        assert far.ids == [id, id] and tinycdp.stats().duplicates == 1


def test_retry_after_is_obeyed(far: FarEnd) -> None:
    far.answer(429, {"code": "RATE_LIMIT", "message": "Too fast."}, Retry_After="3600")
    with client(far.url) as (tinycdp, problems):
        tinycdp.track("ada", "a")
        until(lambda: problems.codes == ["RATE_LIMIT"])
        began = time.monotonic()
        assert not tinycdp.flush(30), "it is known that nothing will be tried in time"
        assert time.monotonic() - began < 29
        assert far.statuses == [429]
        assert tinycdp.shutdown(5), "at the end it is tried once more"
    assert far.statuses == [429, 200]


@pytest.mark.parametrize(("status", "code"), [(401, "INVALID_KEY"), (403, "MISSING_SCOPE"), (400, "INVALID_BODY")])
def test_what_will_never_be_taken_is_dropped_and_said_once(far: FarEnd, status: int, code: str) -> None:
    far.always(status, {"code": code, "message": "No."})
    with client(far.url, flush_at=1) as (tinycdp, problems):
        for _ in range(3):
            tinycdp.track("ada", "a")
            assert tinycdp.flush()
        assert problems == [Problem(code, "No.", status, 1)]
        assert tinycdp.stats().lost == {code: 3} and tinycdp.stats().waiting == 0


def test_too_large_a_batch_is_halved_and_nothing_of_it_is_sent_twice(far: FarEnd) -> None:
    for _ in range(3):
        far.answer(413, ANSWER_OF_ANOTHER)
    with client(far.url, flush_at=1000, flush_interval=3600) as (tinycdp, problems):
        ids = [tinycdp.track("ada", "a", {"n": n}) for n in range(100)]
        assert tinycdp.flush()
    assert far.batches[:4] == [100, 50, 25, 13] and far.ids == ids and problems == []


def test_one_message_that_is_too_large_goes_alone(far: FarEnd) -> None:
    far.answer(413, {"code": "BODY_TOO_LARGE", "message": "Too large."})
    far.answer(413, {"code": "BODY_TOO_LARGE", "message": "Too large."})
    with client(far.url, flush_at=1000, flush_interval=3600) as (tinycdp, problems):
        ids = [tinycdp.track("ada", "a"), tinycdp.track("ada", "b")]
        assert tinycdp.flush()
    assert far.ids == ids[1:] and problems == [Problem("BODY_TOO_LARGE", "Too large.", 413, 1)]


def test_messages_that_the_server_rejects_are_counted_by_code(far: FarEnd) -> None:
    rejected = [{"code": "BLOCKED_IDENTIFIER", "message": "null is no id."}] * 20
    far.answer(200, {"success": True, "accepted": 5, "duplicates": 0, "version": 7, "rejected": rejected})
    with client(far.url, flush_at=1000, flush_interval=3600) as (tinycdp, problems):
        for _ in range(30):
            tinycdp.track("null", "a")
        assert tinycdp.flush()
        assert problems.codes == ["BLOCKED_IDENTIFIER"]
        assert tinycdp.stats().lost == {"BLOCKED_IDENTIFIER": 25} and tinycdp.stats().sent == 5


def test_what_cannot_be_sent_is_said_and_not_raised(far: FarEnd) -> None:
    with client(far.url) as (tinycdp, problems):
        assert tinycdp.track(None, "a") is None
        assert tinycdp.track("ada", "a", {"v": object()}) is None
        assert tinycdp.track("ada", "a", {"v": "x" * 40_000}) is None
        assert problems.codes == ["MISSING_IDENTIFIER", "NOT_JSON", "EVENT_TOO_LARGE"]
        tinycdp.shutdown()
        tinycdp.track("ada", "a")
        assert problems.codes[3:] == ["CLIENT_STOPPED"]
    with Client(endpoint=far.url, on_error=problems.append) as keyless:
        assert keyless.track("ada", "a") is None and keyless.decide("x", "ada").error == "MISSING_KEY"
        assert keyless.flush() and problems.codes[4:] == ["MISSING_KEY"]
    assert far.statuses == []


def test_a_call_that_is_spelled_wrong_is_an_error_at_once(far: FarEnd) -> None:
    with client(far.url) as (tinycdp, _), pytest.raises(TypeError):
        tinycdp.track("ada", "a", anonymousId="tab")  # type: ignore[call-arg]
    with client(far.url) as (tinycdp, _), pytest.raises(TypeError):
        tinycdp.decide("flag", "ada", user="ada")  # type: ignore[call-arg]


@pytest.mark.parametrize("endpoint", ["cdp.example.com", "ftp://x", "https://", "http://x/?a=b", ""])
def test_an_endpoint_that_is_no_address_is_an_error_at_once(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        Client("write", endpoint=endpoint)


def test_an_on_error_that_raises_stops_nothing(far: FarEnd) -> None:
    far.answer(500)

    def broken(problem: Problem) -> None:
        raise RuntimeError(problem.code)

    with client(far.url, on_error=broken) as (tinycdp, _):
        tinycdp.track(None, "a")
        tinycdp.track("ada", "a")
        assert tinycdp.flush() and len(far.taken) == 1


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_a_full_queue_drops_the_oldest_and_says_so_once(tmp_path: Path, where: str) -> None:
    queue = "memory" if where == "memory" else tmp_path
    with client(f"http://127.0.0.1:{free_port()}", queue=queue, queue_messages=10) as (tinycdp, problems):
        for n in range(25):
            tinycdp.track("ada", "a", {"n": n})
        assert [code for code in problems.codes if code != "UNREACHABLE"] == ["QUEUE_FULL"]
        stats = tinycdp.stats()
        assert stats.waiting in (10, 11), "the last one waits beside ten that are being sent"
        assert stats.lost == {"QUEUE_FULL": 25 - stats.waiting}


def test_calls_do_not_wait_for_a_server_that_hangs(far: FarEnd) -> None:
    far.open.clear()
    with client(far.url, flush_at=1) as (tinycdp, _):
        ids = [tinycdp.track("ada", "a") for _ in range(100)]
        assert far.taken == []
        far.open.set()
        assert tinycdp.flush() and far.ids == ids


def test_many_threads_lose_and_double_nothing(far: FarEnd) -> None:
    with client(far.url, flush_at=7) as (tinycdp, problems):
        far.answer(503)

        def send(user: int) -> None:
            for n in range(50):
                tinycdp.track(f"u{user}", "a", {"n": n})

        threads = [threading.Thread(target=send, args=(user,)) for user in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert tinycdp.flush()
    assert len(far.ids) == len(set(far.ids)) == 400 and problems.codes == ["SERVER_BUSY"]


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_a_fork_doubles_nothing_and_its_child_sends_its_own(far: FarEnd, tmp_path: Path, where: str) -> None:
    """As gunicorn does with an application that is loaded before it forks."""
    queue = "memory" if where == "memory" else tmp_path
    with client(far.url, queue=queue, flush_at=1000, flush_interval=3600) as (tinycdp, problems):
        tinycdp.track("ada", "before", message_id="warm")
        assert tinycdp.flush()  # there are a thread and an open connection
        tinycdp.track("ada", "before", message_id="parent")
        children = []
        for n in range(4):
            if (child := os.fork()) == 0:
                tinycdp.track("ada", "child", message_id=f"child-{n}")
                tinycdp.shutdown(60)  # a process that ends without it may leave what it is sending to be sent again
                os._exit(0)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
        assert tinycdp.flush()
    assert sorted(far.ids) == ["child-0", "child-1", "child-2", "child-3", "parent", "warm"] and problems == []


def test_a_fork_in_the_middle_of_a_request_harms_neither(far: FarEnd, tmp_path: Path) -> None:
    with client(far.url, queue=tmp_path, flush_at=1) as (tinycdp, problems):
        far.open.clear()
        tinycdp.track("ada", "a", message_id="parent")
        until((tmp_path / "sender.lock").exists)
        if (child := os.fork()) == 0:
            tinycdp.track("ada", "a", message_id="child")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        far.open.set()
        assert tinycdp.flush(30)
    assert sorted(far.ids) == ["child", "parent"] and problems == []


def test_large_batches_are_compressed(far: FarEnd) -> None:
    with client(far.url, flush_at=1000, flush_interval=3600) as (tinycdp, _):
        for n in range(50):
            tinycdp.track("ada", "a", {"n": n, "text": "x" * 100})
        assert tinycdp.flush()
    (headers,) = far.headers
    assert headers["content-encoding"] == "gzip" and int(headers["content-length"]) < 50 * 100
    assert len(far.taken) == 50


def test_a_batch_keeps_to_the_servers_limits(far: FarEnd) -> None:
    with client(far.url, flush_at=10_000, flush_interval=3600) as (tinycdp, _):
        for _ in range(1200):
            tinycdp.track("ada", "a", {"text": "x" * 2000})
        assert tinycdp.flush(60)
    assert max(far.batches) <= 500 and len(far.taken) == 1200


async def test_the_same_for_asyncio(far: FarEnd, tmp_path: Path) -> None:
    for queue in ("memory", tmp_path):
        async with AsyncClient("write", "read", far.url, queue=queue) as tinycdp:
            sent = await asyncio.gather(*(tinycdp.track("ada", "a", {"n": n}) for n in range(100)))
            assert await tinycdp.flush()
            assert set(sent) <= set(far.ids) and tinycdp.stats().sent == 100
            answer = {"flags": {}, "errors": {"nope": "There is no flag 'nope'."}, "revision": 1}
            far.answer(200, answer)
            assert (await tinycdp.decide("nope", "ada", default="red")).value == "red"
            far.answer(200, answer)
            assert await tinycdp.decide_all("ada") == {}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"code": "INVALID_KEY", "message": "No."}, "INVALID_KEY"),
        (503, {"code": "DATABASE_AWAY", "message": "Away."}, "DATABASE_AWAY"),
        (200, ANSWER_OF_ANOTHER, "WRONG_ENDPOINT"),
    ],
)
def test_without_an_answer_a_decision_is_the_default(far: FarEnd, status: int, body: Any, code: str) -> None:
    far.always(status, body)
    with client(far.url) as (tinycdp, problems):
        for default, allow in ((False, False), (True, True), ("blue", False)):
            decision = tinycdp.decide("flag", "ada", default=default)
            assert (decision.value, decision.allow, decision.reason, decision.error) == (default, allow, "ERROR", code)
        assert problems.codes == [code]


def test_a_decision_waits_no_longer_than_it_may(far: FarEnd) -> None:
    far.open.clear()
    with client(far.url, decide_timeout=0.05) as (tinycdp, _):
        assert tinycdp.decide("flag", "ada", default=7).value == 7


def test_a_decision_includes_the_clients_own_events(far: FarEnd) -> None:
    answer = {"flags": {}, "errors": {}, "revision": 1}
    with client(far.url) as (tinycdp, problems):
        far.answer(200, {"success": True, "accepted": 1, "duplicates": 0, "version": 84, "rejected": []})
        tinycdp.track("ada", "a", anonymous_id="tab")
        assert tinycdp.flush()
        far.always(200, answer)
        asked = []
        for profile in ({"user_id": "ada"}, {"anonymous_id": "tab"}, {"user_id": "bob"}):
            tinycdp.decide_all(**profile)  # type: ignore[arg-type]
            asked.append(far.asked[-1]["minVersion"])
        tinycdp.decide_all("ada", min_version=3)
        assert [*asked, far.asked[-1]["minVersion"]] == [84, 84, 0, 3]
        far.answer(503, {"code": "DATABASE_AWAY", "message": "Away."})
        tinycdp.decide_all("ada")
        assert far.asked[-1]["minVersion"] == 0, "an older answer is better than none"
        assert problems == []
