"""Saved definitions for the questions that name them.

Shape   Library().of(environment, newest) → Saved: what questions may name, and the number of the newest save
Laws    never stale: each question has read the number of the newest save, one entry of an index
"""

from tinycdp.products.analytics.definitions.documents import KINDS
from tinycdp.products.analytics.definitions.kinds import SAVED
from tinycdp.products.analytics.definitions.naming import Saved, saved_of
from tinycdp.runtime.environment import Environment
from tinycdp.store.database.pool import snapshot
from tinycdp.store.products import saved as store


class Library:
    """The saved definitions of each environment, in memory."""

    def __init__(self) -> None:
        self._known: dict[int, Saved] = {}

    async def of(self, environment: Environment, newest: int) -> Saved:
        """What questions may name. newest: the number of the newest save, as it was read now."""
        found = self._known.get(environment.id)
        if found is not None and found.version >= newest:
            return found
        async with snapshot(environment.pool) as connection:
            version = await store.newest_change(connection, environment.id)
            rows = await SAVED.current(connection, environment.id)
        documents = {
            (row.kind, row.key): KINDS.read(row.kind, row.document) for row in rows if row.document is not None
        }
        self._known[environment.id] = found = saved_of(documents, version)
        return found
