"""Routes of API keys: list, create, revoke.

Laws    A key's text is shown once. An actor cannot revoke the key in use, so an environment always has an admin key.
Source  docs/reference/authentication.md
"""

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from tinycdp.api.access.schemas import KeyBody, Keys, ListedKey, NewKey
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.responses import as_schema
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.runtime.access import keys
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso, iso_or_none

_LARGEST_ID = 2**31 - 1
_NAME_LIMIT = 100


@get(
    "/v1/admin/keys",
    summary="List the environment's keys, revoked ones too",
    tags=["Operation"],
    scope="admin",
)
async def list_keys(environment: Injected[Environment]) -> Keys:
    rows = await keys.list_keys(environment)
    return Keys(
        [
            ListedKey(
                row.id,
                row.name,
                row.prefix,
                row.scopes,
                iso(row.created_at),
                iso_or_none(row.revoked_at),
            )
            for row in rows
        ]
    )


@post(
    "/v1/admin/keys",
    summary="Create a key; only this answer has its text",
    tags=["Operation"],
    scope="admin",
    example={"name": "shop", "scopes": ["write"]},
)
async def create_key(environment: Injected[Environment], keyring: Injected[Keyring], data: JSONBody[KeyBody]) -> NewKey:
    if not 0 < len(data.name.strip()) <= _NAME_LIMIT:
        raise InvalidInput("INVALID_BODY", f"$.name: 1 to {_NAME_LIMIT} characters.", path="$.name")
    made = await keys.create_key(environment, data.scopes, data.name)
    await keyring.load()
    return as_schema(made, NewKey)


@delete(
    "/v1/admin/keys/{id:int}",
    status_code=204,
    summary="Revoke a key",
    tags=["Operation"],
    scope="admin",
)
async def revoke_key(
    actor: Injected[Actor], environment: Injected[Environment], keyring: Injected[Keyring], id: FromPath[int]
) -> None:
    """This process rejects the key at once, other processes within moments."""
    if id == actor.key_id:
        raise Conflict("OWN_KEY", "This request uses the same key; revoke it with another admin key.")
    if not 0 < id <= _LARGEST_ID:
        raise NotFound("NOT_FOUND", f"No active key {id}: it does not exist, or it is revoked already.")
    await keys.revoke_key(environment, id)
    await keyring.load()


ROUTES = [list_keys, create_key, revoke_key]
