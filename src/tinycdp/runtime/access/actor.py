"""The actor of a request: an API key today, a member of a team later.

Shape   actor_of(key) → Actor: a name for the history, an environment, scopes
Laws    A handler never sees the key itself.
"""

import msgspec

from tinycdp.runtime.access.keys import Key, grants


class Actor(msgspec.Struct, frozen=True):
    """The actor of a request.

    key_id: its API key, so that a stream ends when the key is revoked."""

    name: str
    environment_id: int
    scopes: frozenset[str]
    key_id: int

    def may(self, scope: str) -> bool:
        """Whether the actor has the scope, or a wider one."""
        return grants(self.scopes, scope)


def actor_of(key: Key) -> Actor:
    """The actor that uses this key."""
    return Actor(key.name, key.environment_id, key.scopes, key.id)
