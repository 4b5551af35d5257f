"""Wire structs of API keys."""

import msgspec

from tinycdp import __version__
from tinycdp.runtime.audit import AuditKind


class KeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A key to create. scopes: one or more of write, decide, read, admin.

    expires_at  the instant from which the key is invalid; by default it never expires
    origins     the websites whose pages may use it, https://shop.example or https://*.shop.example; by default all"""

    name: str
    scopes: list[str]
    expires_at: str | None = None
    origins: list[str] = []


class KeyChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What to change about a key; what is left out stays. expires_at: null for never."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    origins: list[str] | msgspec.UnsetType = msgspec.UNSET
    expires_at: str | msgspec.UnsetType | None = msgspec.UNSET


class RotateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old key stays valid beside the new one, as 30m, 24h or 7d."""

    overlap: str = "7d"


class NewKey(msgspec.Struct, frozen=True, rename="camel"):
    """A created key; its text, `key`, is shown only here."""

    id: int
    key: str
    prefix: str
    name: str
    scopes: tuple[str, ...]
    origins: tuple[str, ...]
    expires_at: str | None


class ListedKey(msgspec.Struct, rename="camel"):
    """A key without its text, which begins with `prefix`.

    last_used_at  to the minute, and at most a minute behind; null if never
    replaced_by   the id of the key that a rotation made of it"""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    origins: tuple[str, ...]
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    replaced_by: int | None
    revoked_at: str | None


class RotatedKey(NewKey, frozen=True, rename="camel"):
    """A key's successor; its text, `key`, is shown only here. replaces: the old key, which expires."""

    replaces: ListedKey


class OwnKey(msgspec.Struct, frozen=True, rename="camel"):
    """The key of the request, without its text. expires_at: null if it never expires."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    expires_at: str | None


class OwnEnvironment(msgspec.Struct, frozen=True):
    """The environment of the request's key. revision: the live one."""

    id: int
    key: str
    zone: str
    revision: int


class Me(msgspec.Struct, frozen=True):
    """What a key is, what it may do, and where.

    abilities  all scopes that the key includes: `admin` includes every scope, and `read` includes `decide`
    version    of the server"""

    key: OwnKey
    environment: OwnEnvironment
    abilities: tuple[str, ...]
    version: str = __version__


class EnvironmentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An environment to create. zone: its time zone; by default that of the environment that asks."""

    key: str
    zone: str | None = None


class EnvironmentRename(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The environment's new key."""

    key: str


class CreatedEnvironment(msgspec.Struct, frozen=True, rename="camel"):
    """A created environment with its first key, whose text is shown only here."""

    id: int
    key: str
    zone: str
    admin_key: NewKey


class ListedEnvironment(msgspec.Struct, frozen=True):
    """An environment. current: whether the key that asks is of it; revision: the live one then, else null."""

    id: int
    key: str
    zone: str
    revision: int | None
    current: bool


class Environments(msgspec.Struct, frozen=True):
    """All environments of the project, oldest first."""

    environments: list[ListedEnvironment]


class Keys(msgspec.Struct):
    """All keys of the environment, oldest first."""

    keys: list[ListedKey]


class AuditEntry(msgspec.Struct, frozen=True):
    """One change.

    action  published · saved, deleted · killed, revived · changed · created, rotated, revoked · merged, undone, split ·
            erased, anonymized · started
    id      a revision, a version, or the id of a kill, key, merge, erasure or import; of `split`, the id of the split
    name    what it was about: a flag, a saved definition, a policy, an event, a key, the profile of a merge, how many
            profiles were erased, the file of an import; empty for a revision
    author  the name that the key had; null if it was not recorded"""

    at: str
    kind: AuditKind
    action: str
    id: str
    name: str
    author: str | None
    note: str


class AuditLog(msgspec.Struct, frozen=True):
    """A page of the audit log, newest first."""

    entries: list[AuditEntry]
    next: str | None
