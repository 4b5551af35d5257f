"""API keys: made, listed, revoked, recognised.

Shape   a key belongs to one environment and has scopes: write (send events), decide (ask for flags), read (decide, and
        read everything of everybody), admin (all of it)
Laws    only a hash is stored; the text is shown once, when it is made
Errors  InvalidInput for an unknown scope · NotFound for a key that is not there
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from tinycdp.errors import InvalidInput, NotFound
from tinycdp.model import Instant
from tinycdp.runtime.notifications import announce_keys
from tinycdp.settings import Settings
from tinycdp.store import definitions as environments
from tinycdp.store import keys as store
from tinycdp.store.pool import Pool, acquired, transaction

SCOPES = ("write", "decide", "read", "admin")
ORGANISATION, PROJECT, ENVIRONMENTS = "default", "default", ("prod", "dev")
_PREFIX_LENGTH = 14
_MOST_HEADERS = 10_000


class Key(msgspec.Struct, frozen=True):
    """A recognised key: what its bearer may do, and where."""

    id: int
    environment_id: int
    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes or (scope == "decide" and "read" in self.scopes)


@dataclass(frozen=True, slots=True)
class NewKey:
    """`key` is the only time its text is shown."""

    id: int
    key: str
    prefix: str
    name: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyRow:
    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: Instant
    revoked_at: Instant | None


def digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


async def create_key(pool: Pool, environment_id: int, scopes: Sequence[str], name: str, now: Instant) -> NewKey:
    """A new random key."""
    return await _store_key(pool, environment_id, f"tcdp_{secrets.token_urlsafe(24)}", scopes, name, now)


async def _store_key(
    pool: Pool, environment_id: int, text: str, scopes: Sequence[str], name: str, now: Instant
) -> NewKey:
    if not scopes or not set(scopes) <= set(SCOPES):
        raise InvalidInput("INVALID_SCOPE", f"$.scopes: one or more of {', '.join(SCOPES)}.", path="$.scopes")
    prefix = text[:_PREFIX_LENGTH]
    async with transaction(pool) as connection:
        id = await store.create_key(connection, environment_id, name, prefix, digest(text), sorted(set(scopes)), now)
        await announce_keys(connection)
    return NewKey(id or 0, text, prefix, name, tuple(sorted(set(scopes))))


async def list_keys(pool: Pool, environment_id: int) -> list[KeyRow]:
    async with acquired(pool) as connection:
        rows = await store.list_keys(connection, environment_id)
    return [KeyRow(row.id, row.name, row.prefix, tuple(row.scopes), row.created_at, row.revoked_at) for row in rows]


async def revoke_key(pool: Pool, environment_id: int, which: int | str, now: Instant) -> None:
    """End a key's validity, named by its id or its prefix; every process stops taking it."""
    if isinstance(which, str):
        named = [key for key in await list_keys(pool, environment_id) if key.prefix == which and not key.revoked_at]
        if len(named) > 1:
            raise InvalidInput("AMBIGUOUS_PREFIX", f"{len(named)} keys begin with {which!r}; revoke by id.")
        which = named[0].id if named else 0
    async with transaction(pool) as connection:
        if not await store.revoke_key(connection, environment_id, which, now):
            raise NotFound("NOT_FOUND", "There is no such key, or it is revoked already.")
        await announce_keys(connection)


async def environment_named(pool: Pool, key: str) -> int:
    """The id of an environment; NotFound where the database has none of that name."""
    async with acquired(pool) as connection:
        id = await environments.find_environment_named(connection, key)
    if id is None:
        message = f"This database has no environment {key!r}. Is it the one you mean, and was it migrated?"
        raise NotFound("ENVIRONMENT_UNKNOWN", message)
    return id


async def bootstrap(pool: Pool, settings: Settings, now: Instant) -> None:
    """An organisation, a project and its environments exist, and an empty database has the keys of the settings."""
    async with transaction(pool) as connection:
        await environments.create_tenancy(connection, ORGANISATION, PROJECT, ENVIRONMENTS, settings.zone)
    environment_id = await environment_named(pool, settings.environment)
    async with acquired(pool) as connection:
        known = await store.list_keys(connection, environment_id)
    if known:
        return
    texts = {
        "admin": settings.bootstrap_admin_key,
        "write": settings.bootstrap_write_key,
        "read": settings.bootstrap_read_key,
    }
    for scope, text in texts.items():
        if text:
            await _store_key(pool, environment_id, text, [scope], f"bootstrap {scope}", now)


class Keyring:
    """Every usable key, held in memory: recognising one is a look-up, and works with Postgres away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._keys: dict[bytes, Key] = {}
        self._by_id: dict[int, tuple[Key, bytes]] = {}
        self._recognised: dict[str, Key] = {}
        self._headers: dict[bytes, Key] = {}
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        # One at a time: what is read last is the newest, and a key that was revoked does not come back.
        async with self._loading, acquired(self._pool) as connection:
            rows = await store.list_usable_keys(connection)
            self._keys = {
                bytes(row.digest): Key(row.id, row.environment_id, row.name, frozenset(row.scopes)) for row in rows
            }
            self._by_id = {key.id: (key, digest) for digest, key in self._keys.items()}
            self._recognised = {}
            self._headers = {}

    def by_id(self, id: int) -> tuple[Key, bytes] | None:
        """A usable key, with the hash that is kept of it."""
        return self._by_id.get(id)

    def find(self, text: str) -> Key | None:
        """The key with this text. Hashing is remembered for keys that exist, so that memory stays bounded by them."""
        key = self._recognised.get(text)
        if key is None and (key := self._keys.get(digest(text))) is not None:
            self._recognised[text] = key
        return key

    def remembered(self, header: bytes) -> Key | None:
        """The key that a header with these very bytes was last found to bring."""
        return self._headers.get(header)

    def remember(self, header: bytes, key: Key) -> None:
        """Know these bytes again. Basic has room for a password, so one key may come in many forms: bounded."""
        if len(self._headers) >= _MOST_HEADERS:
            self._headers.clear()
        self._headers[header] = key
