"""An environment as its functions need it.

Shape   environment.id · environment.pool · environment.now() → the current instant by the process's clock
        Functions that open a transaction for one environment take it; statements and pure functions take the id
Laws    `now()` reads the clock each time: a function that uses an instant twice reads it once
"""

from dataclasses import dataclass

from tinycdp.runtime.clock import Clock
from tinycdp.store.database.pool import Pool


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment, with the database pool and the clock that serve it."""

    id: int
    pool: Pool
    now: Clock
