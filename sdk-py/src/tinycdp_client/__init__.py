"""The client of TinyCDP: events that are not lost and do not count twice, and flags.

Shape   Client for threads · AsyncClient for asyncio · Decision, Problem, Stats
        tinycdp_client.openfeature has a provider for OpenFeature
"""

from .aio import AsyncClient
from .client import Client, Stats
from .decisions import Decision
from .problems import Problem
from .version import VERSION

__version__ = VERSION
__all__ = ["AsyncClient", "Client", "Decision", "Problem", "Stats"]
