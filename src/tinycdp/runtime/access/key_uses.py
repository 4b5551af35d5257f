"""When each key was last used: remembered in memory, written once a minute.

Shape   the keyring notes in `used` which keys are used; KeyUses writes it
Units   to the minute; what is read is at most a minute behind
Laws    a use costs one entry of a dictionary, and no query
"""

from collections import defaultdict

from tinycdp.model import MINUTE_MS
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.background import BufferedWriter
from tinycdp.runtime.clock import Clock
from tinycdp.store import keys as store
from tinycdp.store.database.pool import Pool, transaction

_PAUSE_SECONDS = 60.0


class KeyUses(BufferedWriter):
    """Writes the uses that one process's keyring has noted."""

    def __init__(self, keyring: Keyring, pool: Pool, now: Clock) -> None:
        super().__init__("uses of keys", _PAUSE_SECONDS)
        self._keyring = keyring
        self._pool = pool
        self._now = now

    async def flush(self) -> None:
        """Write which keys were used since the last time."""
        used, self._keyring.used = self._keyring.used, {}
        if not used:
            return
        now = self._now()
        by_environment: defaultdict[int, list[int]] = defaultdict(list)
        for id, environment_id in used.items():
            by_environment[environment_id].append(id)
        try:
            async with transaction(self._pool) as connection:
                for environment_id, ids in sorted(by_environment.items()):
                    await store.mark_used(connection, environment_id, ids, now - now % MINUTE_MS)
        except BaseException:
            self._keyring.used = used | self._keyring.used
            raise
