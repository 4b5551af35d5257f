"""Wire structs of API keys."""

import msgspec


class KeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to create. scopes: one or more of write, decide, read, admin."""

    name: str
    scopes: list[str]


class NewKey(msgspec.Struct, frozen=True):
    """A created key; its text, `key`, is shown only here."""

    id: int
    key: str
    prefix: str
    name: str
    scopes: tuple[str, ...]


class ListedKey(msgspec.Struct, rename="camel"):
    """A key without its text, which begins with `prefix`."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: str
    revoked_at: str | None


class Keys(msgspec.Struct):
    """All keys of the environment, oldest first."""

    keys: list[ListedKey]
