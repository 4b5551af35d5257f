"""Monthly partitions of events, created ahead."""

from datetime import UTC, datetime

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.statements import load

_SQL = load("partitions")


async def create_partitions(connection: Connection, now: int, months_ahead: int) -> list[str]:
    """Create the monthly partitions of `events` from this month on; returns the new names.

    A month that already has events in the default partition stays there, because moving rows would lock the table."""
    first = datetime.fromtimestamp(now / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    made = []
    for ahead in range(months_ahead + 1):
        start = _month(first, ahead)
        end, name = _month(first, ahead + 1), f"events_{start:%Y_%m}"
        if await connection.fetchval("SELECT to_regclass($1)", name) is not None:
            continue
        held = int(start.timestamp() * 1000), int(end.timestamp() * 1000)
        if await connection.fetchval(_SQL["default_partition_holds"], *held):
            continue
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF events FOR VALUES FROM ('{start:%F}Z') TO ('{end:%F}Z')"
        )
        made.append(name)
    return made


def _month(first: datetime, ahead: int) -> datetime:
    years, month = divmod(first.month - 1 + ahead, 12)
    return first.replace(year=first.year + years, month=month + 1)
