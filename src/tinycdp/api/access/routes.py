"""Routes of API keys: which one this is; list, create, change, rotate, revoke.

Laws    A key's text is shown once. An actor cannot revoke the key in use, so an environment always has an admin key.
Source  docs/reference/authentication.md
"""

from typing import Any

from litestar import Request, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from tinycdp.api.access.schemas import (
    KeyBody,
    KeyChanges,
    Keys,
    ListedKey,
    Me,
    NewKey,
    OwnEnvironment,
    OwnKey,
    RotateBody,
    RotatedKey,
)
from tinycdp.api.http.params import DryRun
from tinycdp.api.http.parts import Injected
from tinycdp.dsl.values.scalars import parse_duration, parse_instant
from tinycdp.errors import Conflict, InvalidInput
from tinycdp.model import NEVER, Instant
from tinycdp.runtime.access import environments, keys
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.access.keys import ANY_SCOPE, Key, Keyring, KeySummary
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso, iso_or_none


@get(
    "/v1/me",
    summary="Show the key of the request, its environment, and what it may do",
    tags=["Operation"],
    scope=ANY_SCOPE,
)
async def get_me(request: Request[Any, Any, Any], environment: Injected[Environment]) -> Me:
    """Every valid key may ask."""
    key: Key = request.auth
    expires_at = key.restrictions.expires_at if key.restrictions is not None else NEVER
    found = await environments.environment_of(environment)
    return Me(
        OwnKey(
            key.id, key.name, key.prefix, tuple(sorted(key.scopes)), iso(expires_at) if expires_at < NEVER else None
        ),
        OwnEnvironment(found.id, found.key, found.zone, found.revision or 0),
        keys.abilities(key.scopes),
    )


@get(
    "/v1/admin/keys",
    summary="List the environment's keys, revoked and expired ones too",
    tags=["Operation"],
    scope="admin",
)
async def list_keys(environment: Injected[Environment]) -> Keys:
    return Keys([listed(key) for key in await keys.list_keys(environment)])


@post(
    "/v1/admin/keys",
    summary="Create a key; only this answer has its text",
    tags=["Operation"],
    scope="admin",
    example={"name": "shop", "scopes": ["write"], "origins": ["https://shop.example"]},
)
async def create_key(
    actor: Injected[Actor],
    environment: Injected[Environment],
    keyring: Injected[Keyring],
    data: JSONBody[KeyBody],
) -> NewKey:
    made = await keys.create_key(
        environment,
        data.scopes,
        data.name,
        expires_at=_expiry(data.expires_at),
        origins=data.origins,
        author=actor.name,
    )
    await keyring.load()
    return created(made)


@patch(
    "/v1/admin/keys/{id:int}",
    summary="Change a key's name, origins or expiry",
    tags=["Operation"],
    scope="admin",
    example={"origins": ["https://shop.example", "https://*.shop.example"]},
)
async def update_key(
    actor: Injected[Actor],
    environment: Injected[Environment],
    keyring: Injected[Keyring],
    id: FromPath[int],
    data: JSONBody[KeyChanges],
) -> ListedKey:
    """A key's scopes cannot change: create another key."""
    changed = await keys.update_key(
        environment,
        id,
        name=data.name if data.name is not UNSET else None,
        origins=data.origins if data.origins is not UNSET else None,
        expires=data.expires_at is not UNSET,
        expires_at=_expiry(data.expires_at) if data.expires_at is not UNSET else None,
        author=actor.name,
    )
    await keyring.load()
    return listed(changed)


@post(
    "/v1/admin/keys/{id:int}/rotate",
    summary="Create a key's successor; the key itself expires after an overlap",
    tags=["Operation"],
    scope="admin",
    example={"overlap": "7d"},
)
async def rotate_key(
    actor: Injected[Actor],
    environment: Injected[Environment],
    keyring: Injected[Keyring],
    id: FromPath[int],
    data: JSONBody[RotateBody] = RotateBody(),
) -> RotatedKey:
    """The successor has the same name, scopes and origins, and is valid for as long as the key was."""
    overlap = parse_duration(data.overlap)
    if overlap is None:
        message = f"$.overlap: {data.overlap!r} is not a duration, such as 30m, 24h or 7d."
        raise InvalidInput("INVALID_OVERLAP", message, path="$.overlap")
    rotation = await keys.rotate_key(environment, id, overlap, author=actor.name)
    await keyring.load()
    new = created(rotation.new)
    return RotatedKey(
        new.id, new.key, new.prefix, new.name, new.scopes, new.origins, new.expires_at, listed(rotation.old)
    )


@delete(
    "/v1/admin/keys/{id:int}",
    status_code=200,
    summary="Revoke a key",
    tags=["Operation"],
    scope="admin",
)
async def revoke_key(
    actor: Injected[Actor],
    environment: Injected[Environment],
    keyring: Injected[Keyring],
    id: FromPath[int],
    dry_run: DryRun = False,
) -> ListedKey:
    """This process rejects the key at once, other processes within moments.

    A dry run answers with the key as it is: `lastUsedAt` says whether it is still in use."""
    if id == actor.key_id:
        raise Conflict("OWN_KEY", "This request uses the same key; revoke it with another admin key.")
    revoked = await keys.revoke_key(environment, id, dry_run=dry_run, author=actor.name)
    await keyring.load()
    return listed(revoked)


def created(key: keys.NewKey) -> NewKey:
    """A created key, with its text."""
    return NewKey(key.id, key.key, key.prefix, key.name, key.scopes, key.origins, iso_or_none(key.expires_at))


def listed(key: KeySummary) -> ListedKey:
    """A key as the list has it."""
    return ListedKey(
        key.id,
        key.name,
        key.prefix,
        key.scopes,
        key.origins,
        iso(key.created_at),
        iso_or_none(key.expires_at),
        iso_or_none(key.last_used_at),
        key.replaced_by,
        iso_or_none(key.revoked_at),
    )


def _expiry(text: str | None) -> Instant | None:
    if text is None:
        return None
    at = parse_instant(text)
    if at is None:
        message = f"$.expiresAt: {text!r} is not an instant with a zone, such as 2030-12-01T09:00:00Z."
        raise InvalidInput("INVALID_EXPIRY", message, path="$.expiresAt")
    return at


ROUTES = [get_me, list_keys, create_key, update_key, rotate_key, revoke_key]
