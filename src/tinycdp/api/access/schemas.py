"""What clients and server exchange about API keys."""

import msgspec


class KeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """scopes: one or more of write, read, admin."""

    name: str
    scopes: list[str]


class NewKey(msgspec.Struct, frozen=True):
    """`key` is the only time its text is shown."""

    id: int
    key: str
    prefix: str
    name: str
    scopes: tuple[str, ...]


class ListedKey(msgspec.Struct, rename="camel"):
    """A key without its text: `prefix` is how it begins."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: str
    revoked_at: str | None


class Keys(msgspec.Struct):
    keys: list[ListedKey]
