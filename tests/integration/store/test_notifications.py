"""What one process says to the others, over the notifications of a real Postgres."""

import asyncio
import inspect
from collections.abc import Sequence
from typing import Any

from serving import PATIENCE_SECONDS
from tinycdp.runtime import notifications
from tinycdp.runtime.notifications import Listener, announce_keys, announce_people, announce_profiles, name_of
from tinycdp.store.pool import Pool, transaction


class Ears:
    """Keeps what it hears, until it hears of keys."""

    def __init__(self) -> None:
        self.profiles: list[tuple[int, int, int]] = []
        self.names: list[str] = []
        self.notices = 0
        self.done = asyncio.Event()

    def profiles_changed(self, environment_id: int, version: int, profile_ids: Sequence[int]) -> None:
        self.notices += 1
        self.profiles += [(environment_id, version, id) for id in profile_ids]

    def people_born(self, environment_id: int, names: Sequence[str]) -> None:
        self.names += names

    def keys_changed(self) -> None:
        self.done.set()

    def revision_changed(self, environment_id: int) -> None: ...
    def policies_changed(self, environment_id: int) -> None: ...
    def reader_heard(self, environment_id: int, reader: str, wanted: str) -> None: ...
    def lost(self) -> None: ...
    def found(self) -> None: ...


async def test_news_of_a_thousand_people_is_heard_whole_and_in_order(dsn: str, pool: Pool) -> None:
    ears = Ears()
    listener = Listener(dsn, ears)
    await listener.start()
    said: list[str] = []
    ids = range(10**17, 10**17 + 1_000)
    people = [f"user-{n}" for n in range(1_500)]
    try:
        async with transaction(pool) as connection:
            connection.add_query_logger(lambda record: said.append(record.query))
            await announce_profiles(connection, 3, 7, ids)
            await announce_people(connection, 3, people)
            await announce_people(connection, 3, [])
            await announce_keys(connection)
        await asyncio.wait_for(ears.done.wait(), PATIENCE_SECONDS)
    finally:
        await listener.stop()
    assert ears.profiles == [(3, 7, id) for id in ids]
    assert ears.notices > 1, "they are more than one notification holds"
    assert ears.names == [name_of(one) for one in people]
    assert len([query for query in said if "pg_notify" in query]) == 3, "one statement for each kind of news"


async def test_every_notice_names_its_environment_but_that_of_keys() -> None:
    """So that a process may listen to those it serves. A key is what says which environment is meant."""
    said: list[str] = []

    class Connection:
        async def execute(self, statement: str, payloads: Sequence[str]) -> None:
            said.extend(payloads)

    values: dict[str, Any] = {"environment_id": 3, "version": 7, "profile_ids": [1], "user_ids": ["ada"]}
    values |= {"reader": "r", "wanted": "-"}
    speakers = {name: one for name, one in vars(notifications).items() if name.startswith("announce_")}
    for name, announce in speakers.items():
        if name != "announce_keys":
            _, *parameters = inspect.signature(announce).parameters
            await announce(Connection(), **{parameter: values[parameter] for parameter in parameters})
    assert len(said) == len(speakers) - 1
    assert {notice.split(" ")[1] for notice in said} == {"3"}
