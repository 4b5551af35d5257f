"""What one process says to the others, over the notifications of a real Postgres."""

import asyncio
import inspect
from collections.abc import Sequence
from typing import Any

from serving import PATIENCE_SECONDS
from tinycdp.runtime import notifications
from tinycdp.runtime.notifications import Listener, announce_keys, announce_new_profiles, announce_profiles, digest_of
from tinycdp.store.database.pool import Pool, transaction


class Recorder:
    """Records notifications, until one of keys arrives."""

    def __init__(self) -> None:
        self.profiles: list[tuple[int, int, int]] = []
        self.digests: list[str] = []
        self.notices = 0
        self.done = asyncio.Event()

    def profiles_changed(self, environment_id: int, version: int, profile_ids: Sequence[int]) -> None:
        self.notices += 1
        self.profiles += [(environment_id, version, id) for id in profile_ids]

    def profiles_created(self, environment_id: int, digests: Sequence[str]) -> None:
        self.digests += digests

    def keys_changed(self) -> None:
        self.done.set()

    def revision_changed(self, environment_id: int) -> None: ...
    def policies_changed(self, environment_id: int) -> None: ...
    def stream_read(self, environment_id: int, reader: str, filter_text: str) -> None: ...
    def disconnected(self) -> None: ...
    def reconnected(self) -> None: ...


async def test_a_thousand_profiles_are_announced_completely_and_in_order(dsn: str, pool: Pool) -> None:
    recorder = Recorder()
    listener = Listener(dsn, recorder)
    await listener.start()
    said: list[str] = []
    ids = range(10**17, 10**17 + 1_000)
    people = [f"user-{n}" for n in range(1_500)]
    try:
        async with transaction(pool) as connection:
            connection.add_query_logger(lambda record: said.append(record.query))
            await announce_profiles(connection, 3, 7, ids)
            await announce_new_profiles(connection, 3, people)
            await announce_new_profiles(connection, 3, [])
            await announce_keys(connection)
        await asyncio.wait_for(recorder.done.wait(), PATIENCE_SECONDS)
    finally:
        await listener.stop()
    assert recorder.profiles == [(3, 7, id) for id in ids]
    assert recorder.notices > 1, "they are more than one notification holds"
    assert recorder.digests == [digest_of(one) for one in people]
    assert len([query for query in said if "pg_notify" in query]) == 3, "one statement for each kind"


async def test_every_notice_names_its_environment_but_that_of_keys() -> None:
    """So that a process may listen to those it serves. A key is what says which environment is meant."""
    said: list[str] = []

    class Connection:
        async def execute(self, statement: str, payloads: Sequence[str]) -> None:
            said.extend(payloads)

    values: dict[str, Any] = {"environment_id": 3, "version": 7, "profile_ids": [1], "user_ids": ["ada"]}
    values |= {"reader": "r", "filter_text": "-"}
    speakers = {name: one for name, one in vars(notifications).items() if name.startswith("announce_")}
    for name, announce in speakers.items():
        if name != "announce_keys":
            _, *parameters = inspect.signature(announce).parameters
            await announce(Connection(), **{parameter: values[parameter] for parameter in parameters})
    assert len(said) == len(speakers) - 1
    assert {notice.split(" ")[1] for notice in said} == {"3"}
