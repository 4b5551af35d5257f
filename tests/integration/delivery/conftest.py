"""A house with deliveries, and a receiver on loopback."""

from collections.abc import AsyncIterator

import pytest

from delivering import House, house_on
from receiver import Receiver, receiving


@pytest.fixture
async def house(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    async with house_on(dsn, monkeypatch.setenv) as found:
        yield found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found
