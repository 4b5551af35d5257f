"""API keys: create, list, revoke, recognise.

Shape   A key belongs to one environment and has scopes: write (send events), decide (evaluate flags), read (decide, and
        read all profiles), admin (everything).
Laws    Only a hash is stored; the text is shown once, when the key is created.
Errors  InvalidInput for an unknown scope · NotFound for an unknown key
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from tinycdp.dsl.suggest import did_you_mean
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.model import Instant
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import announce_keys
from tinycdp.settings import Settings
from tinycdp.store import definitions as environments
from tinycdp.store import keys as store
from tinycdp.store.database.pool import Pool, acquired, transaction

SCOPES = ("write", "decide", "read", "admin")
ORGANISATION, PROJECT, ENVIRONMENTS = "default", "default", ("prod", "dev")
_PREFIX_LENGTH = 14
_MOST_HEADERS = 10_000


class Key(msgspec.Struct, frozen=True):
    """A recognised key: its environment and scopes."""

    id: int
    environment_id: int
    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the key has the scope, or a wider one."""
        return scope in self.scopes or "admin" in self.scopes or (scope == "decide" and "read" in self.scopes)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A created key; its text, `key`, is shown only here."""

    id: int
    key: str
    prefix: str
    name: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeySummary:
    """A key in the list."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: Instant
    revoked_at: Instant | None


def digest(key: str) -> bytes:
    """The hash of a key's text."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


async def create_key(environment: Environment, scopes: Sequence[str], name: str) -> NewKey:
    """Create a random key."""
    return await _store_key(environment, f"tcdp_{secrets.token_urlsafe(24)}", scopes, name)


async def _store_key(environment: Environment, text: str, scopes: Sequence[str], name: str) -> NewKey:
    wrong = next((scope for scope in scopes if scope not in SCOPES), None)
    if not scopes or wrong is not None:
        found = f"{wrong!r}.{did_you_mean(wrong, SCOPES)}" if wrong is not None else "none."
        message = f"$.scopes: give some of {', '.join(SCOPES)}; found {found}"
        raise InvalidInput("INVALID_SCOPE", message, path="$.scopes")
    prefix = text[:_PREFIX_LENGTH]
    async with transaction(environment.pool) as connection:
        id = await store.create_key(
            connection, environment.id, name, prefix, digest(text), sorted(set(scopes)), environment.now()
        )
        await announce_keys(connection)
    return NewKey(id or 0, text, prefix, name, tuple(sorted(set(scopes))))


async def list_keys(environment: Environment) -> list[KeySummary]:
    """All keys of an environment, revoked ones too."""
    async with acquired(environment.pool) as connection:
        rows = await store.list_keys(connection, environment.id)
    return [KeySummary(row.id, row.name, row.prefix, tuple(row.scopes), row.created_at, row.revoked_at) for row in rows]


async def revoke_key(environment: Environment, which: int | str) -> None:
    """Revoke a key, given by id or prefix; every process stops accepting it."""
    if isinstance(which, str):
        which = key_with_prefix(await list_keys(environment), which)
    async with transaction(environment.pool) as connection:
        if not await store.revoke_key(connection, environment.id, which, environment.now()):
            raise NotFound("NOT_FOUND", f"No active key {which!r}: it does not exist, or it is revoked already.")
        await announce_keys(connection)


def key_with_prefix(keys: Sequence[KeySummary], prefix: str) -> int:
    """The id of the active key with this prefix."""
    named = [key.id for key in keys if key.prefix == prefix and not key.revoked_at]
    if len(named) > 1:
        raise InvalidInput("AMBIGUOUS_PREFIX", f"{len(named)} keys begin with {prefix!r}; give the id of one.")
    if not named:
        raise NotFound("NOT_FOUND", f"No active key {prefix!r}: it does not exist, or it is revoked already.")
    return named[0]


async def environment_named(pool: Pool, key: str) -> int:
    """The id of an environment. Raises NotFound if the database has no environment of that name."""
    async with acquired(pool) as connection:
        id = await environments.find_environment_named(connection, key)
    if id is None:
        message = f"This database has no environment {key!r}. Check TINYCDP_ENVIRONMENT and DATABASE_URL."
        raise NotFound("ENVIRONMENT_UNKNOWN", message)
    return id


async def bootstrap(pool: Pool, settings: Settings, now: Instant) -> bool:
    """Create the tenancy, and the keys of the settings if the environment has none.

    Returns whether it created any."""
    async with transaction(pool) as connection:
        await environments.create_tenancy(connection, ORGANISATION, PROJECT, ENVIRONMENTS, settings.zone)
    environment = Environment(await environment_named(pool, settings.environment), pool, lambda: now)
    if await list_keys(environment):
        return False
    texts = {
        "admin": settings.bootstrap_admin_key,
        "write": settings.bootstrap_write_key,
        "read": settings.bootstrap_read_key,
    }
    for scope, text in texts.items():
        if text:
            await _store_key(environment, text, [scope], f"bootstrap {scope}")
    return any(texts.values())


class Keyring:
    """All usable keys, in memory: recognising one is a look-up and needs no database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._keys: dict[bytes, Key] = {}
        self._by_id: dict[int, tuple[Key, bytes]] = {}
        self._recognised: dict[str, Key] = {}
        self._headers: dict[bytes, Key] = {}
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        """Load the usable keys of all environments."""
        # One at a time: the last read is the newest, so a revoked key does not come back.
        async with self._loading, acquired(self._pool) as connection:
            rows = await store.list_usable_keys(connection)
            self._keys = {
                bytes(row.digest): Key(row.id, row.environment_id, row.name, frozenset(row.scopes)) for row in rows
            }
            self._by_id = {key.id: (key, digest) for digest, key in self._keys.items()}
            self._recognised = {}
            self._headers = {}

    def by_id(self, id: int) -> tuple[Key, bytes] | None:
        """A usable key and its stored hash."""
        return self._by_id.get(id)

    def find(self, text: str) -> Key | None:
        """The key with this text. Only texts of existing keys are cached, so memory is bounded."""
        key = self._recognised.get(text)
        if key is None and (key := self._keys.get(digest(text))) is not None:
            self._recognised[text] = key
        return key

    def remembered(self, header: bytes) -> Key | None:
        """The key of an Authorization header with exactly these bytes, if cached."""
        return self._headers.get(header)

    def remember(self, header: bytes, key: Key) -> None:
        """Cache a header.

        Basic has a password field, so one key may have many headers: the cache is bounded."""
        if len(self._headers) >= _MOST_HEADERS:
            self._headers.clear()
        self._headers[header] = key
