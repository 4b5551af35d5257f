"""The routes that every kind of definition has, of the core and of products.

Shape   a kind says what its routes are called and what they do; routes_of(kind) → list, get, put, delete, versions,
        rename and restore
Laws    a save is one publish: all or nothing, with its author and a note. With `dryRun` nothing is saved, and the
        answer is that of a publish. PUT and DELETE, renaming and restoring take If-Match with the version to replace
Errors  400 with the path of each mistake · 404 NOT_FOUND · 409 KEY_EXISTS, VERSION_CONFLICT, REFERENCED
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.definitions.schemas import Deleted, Published, RenameBody, RestoreBody
from tinycdp.api.http.encoding import etag
from tinycdp.api.http.params import DryRun, IfMatch, SaveNote, version_of
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.responses import ExactResponse
from tinycdp.errors import InvalidInput
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import PublishPlan
from tinycdp.runtime.environment import Environment


class DefinitionKind(ABC):
    """A kind of definitions: what its routes are called, what they take and answer, and what they do.

    name, called   in changes, and what people call it
    prefix, tags, reads   the address before the list, where its routes are documented, and the scope that reads
    one, many, versions, document   structs of one definition, of all, of its versions, and of what PUT takes
    about_one, about_renaming, about_restoring   what the documentation adds
    example, rename_example         bodies"""

    name: str
    called: str
    prefix: ClassVar[str]
    tags: ClassVar[list[str]]
    reads: ClassVar[str]
    one: Any
    many: Any
    versions: Any
    document: Any
    about_one: ClassVar[str]
    about_renaming: ClassVar[str]
    about_restoring: ClassVar[str]
    example: Mapping[str, Any]
    rename_example: ClassVar[str]

    def __init__(self, name: str, called: str = "") -> None:
        self.name = name
        self.called = called or name
        self.path = f"{self.prefix}/{name}s"
        self.noun = "".join(word.capitalize() for word in self.called.split())

    @abstractmethod
    async def list_all(self, editing: Editing) -> Any:
        """All definitions, as `many`."""

    @abstractmethod
    async def show(self, editing: Editing, key: str) -> Any:
        """One definition, as `one`, with all that GET says of it."""

    @abstractmethod
    def read(self, key: str, body: Any) -> Change:
        """The change of a body of PUT whose key is that of the path."""

    @abstractmethod
    async def saved(self, editing: Editing, key: str, plan: PublishPlan) -> Any:
        """The definition as the save that was just made left it."""

    @abstractmethod
    async def list_versions(self, environment: Environment, key: str) -> Any:
        """All versions of a definition, as `versions`."""

    @abstractmethod
    async def rename(self, editing: Editing, key: str, body: RenameBody, expects: int | None) -> PublishPlan:
        """Give it another key. expects: the version to replace, None for any"""

    @abstractmethod
    async def restore(
        self, editing: Editing, key: str, version: int, body: RestoreBody, expects: int | None
    ) -> PublishPlan:
        """Bring it back to a version."""


async def save(
    kind: DefinitionKind, editing: Editing, change: Change, note: str, *, dry_run: bool
) -> ExactResponse[Any]:
    """Save a change. A dry run answers as `publish` does."""
    plan = await editing.save(change, note, dry_run=dry_run)
    if dry_run:
        return ExactResponse(await editing.published(plan, dry_run=True), status_code=200)
    found = await kind.saved(editing, change.key, plan)
    status = 201 if plan.steps[0].action == "create" else 200
    return ExactResponse(found, status_code=status, headers=etag(found.version))


def routes_of(kind: DefinitionKind) -> list[HTTPRouteHandler]:
    """The routes of a kind."""
    return _routes(kind, kind.one, kind.many, kind.versions, kind.document)


def _routes(kind: DefinitionKind, one: Any, many: Any, versions: Any, document: Any) -> list[HTTPRouteHandler]:
    path, noun, called = kind.path, kind.noun, kind.called

    @get(path, operation_id=f"list{noun}s", summary=f"List all {called}s", tags=kind.tags, scope=kind.reads)
    async def list_definitions(editing: Injected[Editing]) -> many:
        return await kind.list_all(editing)

    @get(
        f"{path}/{{name:str}}",
        operation_id=f"get{noun}",
        summary=f"Show one {called}, {kind.about_one}",
        tags=kind.tags,
        scope=kind.reads,
    )
    async def get_definition(editing: Injected[Editing], name: FromPath[str]) -> ExactResponse[one]:
        found = await kind.show(editing, name)
        return ExactResponse(found, headers=etag(found.version))

    @put(
        f"{path}/{{name:str}}",
        operation_id=f"put{noun}",
        summary=f"Create a {called}, or replace it",
        tags=kind.tags,
        scope="admin",
        example=kind.example,
        also={201: "it was created"},
    )
    async def put_definition(
        editing: Injected[Editing],
        name: FromPath[str],
        data: JSONBody[document],
        if_match: IfMatch = None,
        note: SaveNote = "",
        dry_run: DryRun = False,
    ) -> ExactResponse[one | Published]:
        """A dry run answers with 200, as `publish` does."""
        given = data.get("key", name) if isinstance(data, dict) else data.key or name
        if given != name:
            message = f"$.key: expected {name!r} as in the path. To rename it, POST {path}/{name}/rename."
            raise InvalidInput("KEY_MISMATCH", message, path="$.key")
        change = msgspec.structs.replace(kind.read(name, data), expects=version_of(if_match))
        return await save(kind, editing, change, note, dry_run=dry_run)

    @delete(
        f"{path}/{{name:str}}",
        status_code=200,
        operation_id=f"delete{noun}",
        summary=f"Delete a {called} that nothing refers to",
        tags=kind.tags,
        scope="admin",
    )
    async def delete_definition(
        editing: Injected[Editing],
        name: FromPath[str],
        if_match: IfMatch = None,
        note: SaveNote = "",
        dry_run: DryRun = False,
    ) -> Deleted:
        change = Change(kind=kind.name, key=name, document=None, expects=version_of(if_match))
        plan = await editing.save(change, note, dry_run=dry_run)
        return Deleted(name, plan.revision, plan.backfilling, dry_run)

    @get(
        f"{path}/{{name:str}}/versions",
        operation_id=f"list{noun}Versions",
        summary=f"List the versions of a {called}, newest first",
        tags=kind.tags,
        scope=kind.reads,
    )
    async def list_versions(environment: Injected[Environment], name: FromPath[str]) -> versions:
        """Finds deleted definitions too, and former keys."""
        return await kind.list_versions(environment, name)

    @post(
        f"{path}/{{name:str}}/rename",
        status_code=200,
        operation_id=f"rename{noun}",
        summary=f"Rename a {called}, and rewrite {kind.about_renaming}",
        tags=kind.tags,
        scope="admin",
        example={"key": kind.rename_example},
    )
    async def rename(
        editing: Injected[Editing], name: FromPath[str], data: JSONBody[RenameBody], if_match: IfMatch = None
    ) -> Published:
        plan = await kind.rename(editing, name, data, version_of(if_match))
        return await editing.published(plan, dry_run=data.dry_run)

    @post(
        f"{path}/{{name:str}}/versions/{{version:int}}/restore",
        status_code=200,
        operation_id=f"restore{noun}",
        summary=f"Restore an older version of a {called}",
        tags=kind.tags,
        scope="admin",
        description=kind.about_restoring,
        example={"note": "as it was"},
    )
    async def restore_version(
        editing: Injected[Editing],
        name: FromPath[str],
        version: FromPath[int],
        if_match: IfMatch = None,
        data: JSONBody[RestoreBody] = RestoreBody(),
    ) -> Published:
        plan = await kind.restore(editing, name, version, data, version_of(if_match))
        return await editing.published(plan, dry_run=data.dry_run)

    return [
        list_definitions,
        get_definition,
        put_definition,
        delete_definition,
        list_versions,
        rename,
        restore_version,
    ]
