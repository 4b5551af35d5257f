"""API keys: create, list, change, rotate, revoke, recognise.

Shape   A key belongs to one environment and has scopes: write (send events), decide (evaluate flags), read (decide, and
        read all profiles), admin (everything). It may expire, and may be limited to the pages of some websites.
Laws    Only a hash is stored; the text is shown once, when the key is created.
        A key expires at its instant by the clock of each process, without a notification.
        Only a key with `restrictions` costs a look at the clock or at the origin
Errors  InvalidInput for an unknown scope · NotFound for an unknown key · Conflict KEY_REPLACED
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec

from tinycdp.dsl.suggest import did_you_mean
from tinycdp.dsl.values.scalars import duration_text
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.model import DAY_MS, NEVER, Instant
from tinycdp.runtime.access.origins import Origins, read_origins
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import announce_keys
from tinycdp.settings import Settings
from tinycdp.store import definitions as environments
from tinycdp.store import keys as store
from tinycdp.store.database.pool import Connection, Pool, acquired, transaction
from tinycdp.times import iso

SCOPES = ("write", "decide", "read", "admin")
#: What a route needs that every key may ask: a key, whatever its scopes.
ANY_SCOPE = "any"
ORGANISATION, PROJECT, ENVIRONMENTS = "default", "default", ("prod", "dev")
#: How long a replaced key stays usable unless the request says otherwise, and at most.
OVERLAP_MS, LONGEST_OVERLAP_MS = 7 * DAY_MS, 90 * DAY_MS
LONGEST_NAME = 100
#: The author of what no key did.
COMMAND_LINE = "command line"
_PREFIX_LENGTH = 14
_MOST_HEADERS = 10_000
_LARGEST_ID = 2**31 - 1


class Restrictions(msgspec.Struct, frozen=True):
    """When and from which websites a key may be used."""

    expires_at: Instant
    origins: Origins

    def admit(self, origin: str | None, now: Instant) -> bool:
        """Whether a request from this origin may use the key now."""
        return now < self.expires_at and self.origins.allow(origin)


class Key(msgspec.Struct, frozen=True):
    """A recognised key: its environment and scopes. restrictions: None if it neither expires nor has origins."""

    id: int
    environment_id: int
    name: str
    scopes: frozenset[str]
    restrictions: Restrictions | None = None
    prefix: str = ""

    def may(self, scope: str) -> bool:
        """Whether the key has the scope, or a wider one."""
        return grants(self.scopes, scope)

    def expired(self, now: Instant) -> bool:
        return self.restrictions is not None and self.restrictions.expires_at <= now


def grants(scopes: frozenset[str], wanted: str) -> bool:
    """Whether these scopes include the wanted one, or a wider one."""
    return wanted in scopes or "admin" in scopes or (wanted == "decide" and "read" in scopes) or wanted == ANY_SCOPE


def abilities(scopes: frozenset[str]) -> tuple[str, ...]:
    """All scopes that these scopes include, the widest last."""
    return tuple(scope for scope in SCOPES if grants(scopes, scope))


@dataclass(frozen=True, slots=True)
class NewKey:
    """A created key; its text, `key`, is shown only here."""

    id: int
    key: str
    prefix: str
    name: str
    scopes: tuple[str, ...]
    origins: tuple[str, ...]
    expires_at: Instant | None


@dataclass(frozen=True, slots=True)
class KeySummary:
    """A key in the list. last_used_at: to the minute; replaced_by: the id of its successor after a rotation."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    origins: tuple[str, ...]
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    replaced_by: int | None
    revoked_at: Instant | None

    def state(self, now: Instant) -> str:
        """revoked, expired or active"""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


@dataclass(frozen=True, slots=True)
class Rotation:
    """A key and its successor. `old` is as it is now: it ends with the overlap."""

    old: KeySummary
    new: NewKey
    ends: Instant


def digest(key: str) -> bytes:
    """The hash of a key's text."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()


async def create_key(
    environment: Environment,
    scopes: Sequence[str],
    name: str,
    *,
    expires_at: Instant | None = None,
    origins: Sequence[str] = (),
    author: str = COMMAND_LINE,
) -> NewKey:
    """Create a random key."""
    _check_name(name)
    _check_expiry(expires_at, environment.now())
    async with transaction(environment.pool) as connection:
        made = await store_key(
            connection,
            environment.id,
            random_key(),
            scopes,
            name,
            environment.now(),
            expires_at,
            origins,
            author=author,
        )
        await announce_keys(connection)
    return made


def random_key() -> str:
    """The text of a new key, with 192 random bits."""
    return f"tcdp_{secrets.token_urlsafe(24)}"


async def store_key(
    connection: Connection,
    environment_id: int,
    text: str,
    scopes: Sequence[str],
    name: str,
    now: Instant,
    expires_at: Instant | None = None,
    origins: Sequence[str] = (),
    *,
    author: str,
    note: str = "",
) -> NewKey:
    """Store a key with this text. The caller announces it."""
    wrong = next((scope for scope in scopes if scope not in SCOPES), None)
    if not scopes or wrong is not None:
        found = f"{wrong!r}.{did_you_mean(wrong, SCOPES)}" if wrong is not None else "none."
        message = f"$.scopes: give some of {', '.join(SCOPES)}; found {found}"
        raise InvalidInput("INVALID_SCOPE", message, path="$.scopes")
    patterns, chosen = read_origins(origins), sorted(set(scopes))
    prefix = text[:_PREFIX_LENGTH]
    id = await store.create_key(
        connection, environment_id, name, prefix, digest(text), chosen, expires_at, patterns, now
    )
    if id is not None:
        await store.record_key_change(connection, environment_id, id, "created", name, author, note, now)
    return NewKey(id or 0, text, prefix, name, tuple(chosen), patterns, expires_at)


def _check_name(name: str) -> None:
    if not 0 < len(name.strip()) <= LONGEST_NAME:
        raise InvalidInput("INVALID_BODY", f"$.name: 1 to {LONGEST_NAME} characters.", path="$.name")


def _check_expiry(expires_at: Instant | None, now: Instant) -> None:
    if expires_at is not None and expires_at <= now:
        message = f"$.expiresAt: {iso(expires_at)} is not in the future; now is {iso(now)}."
        raise InvalidInput("INVALID_EXPIRY", message, path="$.expiresAt")


async def list_keys(environment: Environment) -> list[KeySummary]:
    """All keys of an environment, revoked and expired ones too."""
    async with acquired(environment.pool) as connection:
        rows = await store.list_keys(connection, environment.id)
    return [_summary(row) for row in rows]


def _summary(row: store.KeyRow) -> KeySummary:
    return KeySummary(
        row.id,
        row.name,
        row.prefix,
        tuple(row.scopes),
        tuple(row.origins),
        row.created_at,
        row.expires_at,
        row.last_used_at,
        row.replaced_by,
        row.revoked_at,
    )


async def update_key(
    environment: Environment,
    which: int,
    *,
    name: str | None = None,
    origins: Sequence[str] | None = None,
    expires_at: Instant | None = None,
    expires: bool = False,
    author: str = COMMAND_LINE,
) -> KeySummary:
    """Change a key's name, origins or expiry; None leaves one as it is.

    expires: whether to change the expiry; to None, so that it never expires."""
    now = environment.now()
    if name is not None:
        _check_name(name)
    if expires:
        _check_expiry(expires_at, now)
    patterns = read_origins(origins) if origins is not None else None
    async with transaction(environment.pool) as connection:
        before = await _lock(connection, environment, which, now)
        after = replace(
            before,
            name=name if name is not None else before.name,
            origins=patterns if patterns is not None else before.origins,
            expires_at=expires_at if expires else before.expires_at,
        )
        await store.update_key(connection, environment.id, which, after.name, after.origins, after.expires_at)
        if (changes := _differences(before, after)) != "":
            await store.record_key_change(
                connection, environment.id, which, "changed", after.name, author, changes, now
            )
        await announce_keys(connection)
    return after


def _differences(before: KeySummary, after: KeySummary) -> str:
    """What changed, for the audit log; empty if nothing did."""
    found = []
    if before.name != after.name:
        found.append(f"renamed from {before.name}")
    if before.origins != after.origins:
        found.append(f"origins: {', '.join(after.origins) or 'all'}")
    if before.expires_at != after.expires_at:
        found.append(f"expires: {iso(after.expires_at) if after.expires_at is not None else 'never'}")
    return "; ".join(found)


async def rotate_key(
    environment: Environment, which: int | str, overlap_ms: int = OVERLAP_MS, *, author: str = COMMAND_LINE
) -> Rotation:
    """Create the successor of a key, given by id or prefix; the key itself expires after the overlap.

    The successor has the same name, scopes and origins. If the key expires, it is valid for as long as the key was."""
    if not 0 <= overlap_ms <= LONGEST_OVERLAP_MS:
        message = f"$.overlap: at most {duration_text(LONGEST_OVERLAP_MS)}; found {duration_text(overlap_ms)}."
        raise InvalidInput("INVALID_OVERLAP", message, path="$.overlap")
    id = which if isinstance(which, int) else key_with_prefix(await list_keys(environment), which)
    now = environment.now()
    async with transaction(environment.pool) as connection:
        old = await _lock(connection, environment, id, now)
        if old.replaced_by is not None:
            message = f"The key {id} was rotated before; rotate its successor, the key {old.replaced_by}."
            raise Conflict("KEY_REPLACED", message, replacedBy=old.replaced_by)
        until = now + (old.expires_at - old.created_at) if old.expires_at is not None else None
        new = await store_key(
            connection,
            environment.id,
            random_key(),
            old.scopes,
            old.name,
            now,
            until,
            old.origins,
            author=author,
            note=f"successor of key {id}",
        )
        ends = min(now + overlap_ms, old.expires_at if old.expires_at is not None else NEVER)
        await store.replace_key(connection, environment.id, id, new.id, ends)
        note = f"successor: key {new.id}; expires: {iso(ends)}"
        await store.record_key_change(connection, environment.id, id, "rotated", old.name, author, note, now)
        await announce_keys(connection)
    return Rotation(replace(old, expires_at=ends, replaced_by=new.id), new, ends)


async def _lock(connection: Connection, environment: Environment, id: int, now: Instant) -> KeySummary:
    """A usable key, locked. Raises NotFound if it was revoked or has expired."""
    row = await store.lock_key(connection, environment.id, id) if 0 < id <= _LARGEST_ID else None
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        raise _no_active(id)
    return _summary(row)


async def revoke_key(
    environment: Environment, which: int | str, *, dry_run: bool = False, author: str = COMMAND_LINE
) -> KeySummary:
    """Revoke a key, given by id or prefix; every process stops accepting it. Returns it as it is then."""
    id = which if isinstance(which, int) else key_with_prefix(await list_keys(environment), which)
    now = environment.now()
    async with transaction(environment.pool, dry_run=dry_run) as connection:
        row = await store.lock_key(connection, environment.id, id) if 0 < id <= _LARGEST_ID else None
        if row is None or not await store.revoke_key(connection, environment.id, id, now):
            raise _no_active(which)
        await store.record_key_change(connection, environment.id, id, "revoked", row.name, author, "", now)
        await announce_keys(connection)
    return replace(_summary(row), revoked_at=None if dry_run else now)


def key_with_prefix(keys: Sequence[KeySummary], prefix: str) -> int:
    """The id of the active key with this prefix."""
    named = [key.id for key in keys if key.prefix == prefix and not key.revoked_at]
    if len(named) > 1:
        raise InvalidInput("AMBIGUOUS_PREFIX", f"{len(named)} keys begin with {prefix!r}; give the id of one.")
    if not named:
        raise _no_active(prefix)
    return named[0]


def _no_active(which: int | str) -> NotFound:
    return NotFound("NOT_FOUND", f"No active key {which!r}: it does not exist, has expired, or is revoked already.")


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
    async with transaction(pool) as connection:
        for scope, text in texts.items():
            if text:
                name = f"bootstrap {scope}"
                await store_key(connection, environment.id, text, [scope], name, now, author="first start")
        await announce_keys(connection)
    return any(texts.values())


async def _nothing(environments: set[int]) -> None:
    """Prepare nothing."""


class Keyring:
    """All usable keys, in memory: recognising one is a look-up and needs no database."""

    def __init__(self, pool: Pool, prepare: Callable[[set[int]], Awaitable[None]] = _nothing) -> None:
        """`prepare` gets the environments of new keys before the keys are known."""
        self._pool = pool
        self._prepare = prepare
        self._keys: dict[bytes, Key] = {}
        self._by_id: dict[int, tuple[Key, bytes]] = {}
        self._recognised: dict[str, Key] = {}
        self._headers: dict[bytes, Key] = {}
        #: Which keys were used, by id, with their environments.
        self.used: dict[int, int] = {}
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        """Load the usable keys of all environments."""
        # One at a time: the last read is the newest, so a revoked key does not come back.
        async with self._loading:
            async with acquired(self._pool) as connection:
                rows = await store.list_usable_keys(connection)
            await self._prepare({row.environment_id for row in rows})
            self._keys = {bytes(row.digest): _key_of(row) for row in rows}
            self._by_id = {key.id: (key, digest) for digest, key in self._keys.items()}
            self._recognised = {}
            self._headers = {}

    def by_id(self, id: int) -> tuple[Key, bytes] | None:
        """A key that was not revoked, and its stored hash."""
        return self._by_id.get(id)

    def usable(self, id: int, now: Instant) -> tuple[Key, bytes] | None:
        """A key that was not revoked and has not expired, and its stored hash."""
        found = self._by_id.get(id)
        return found if found is not None and not found[0].expired(now) else None

    def next_expiry(self, now: Instant) -> Instant:
        """The next instant at which a key expires; NEVER if none does."""
        instants = (key.restrictions.expires_at for key, _ in self._by_id.values() if key.restrictions is not None)
        return min((instant for instant in instants if instant > now), default=NEVER)

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


def _key_of(row: store.UsableKeyRow) -> Key:
    restrictions = None
    if row.expires_at is not None or row.origins:
        restrictions = Restrictions(row.expires_at if row.expires_at is not None else NEVER, Origins(row.origins))
    return Key(row.id, row.environment_id, row.name, frozenset(row.scopes), restrictions, row.prefix)
