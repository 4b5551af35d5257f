"""The kinds of definitions that products save, as routes: what is the same for all of them.

Shape   SavedDefinitionKind: a product names its kinds and its structs, and says how one definition is answered
Laws    those of kinds.py. A kind has the fields of a saved version in its own struct, for the HTTP reference
Errors  those of kinds.py
"""

from abc import abstractmethod
from typing import Any, ClassVar

import msgspec

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.definitions.kinds import DefinitionKind
from tinycdp.api.definitions.schemas import RenameBody, RestoreBody
from tinycdp.runtime.definitions.change_set import read_change, read_key
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import PublishPlan
from tinycdp.runtime.definitions.saved.documents import written
from tinycdp.runtime.definitions.saved.product import SavedEntry, SavedKinds
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso


class SavedDefinitionKind(DefinitionKind):
    """A kind of a product.

    product  all kinds of the product
    version  the struct of one version: version, key, document, savedAt, savedBy, note"""

    product: ClassVar[SavedKinds]
    version: ClassVar[Any]

    @abstractmethod
    def answer(self, one: SavedEntry) -> Any:
        """One definition, as `one`."""

    async def list_all(self, editing: Editing) -> Any:
        return self.many([self.answer(one) for one in await self.product.listed(editing.environment, self.name)])

    async def show(self, editing: Editing, key: str) -> Any:
        return self.answer(await self.product.found(editing.environment, self.name, key))

    def read(self, key: str, body: Any) -> Change:
        return read_change(self.name, {**written(body), "key": key})

    async def saved(self, editing: Editing, key: str, plan: PublishPlan) -> Any:
        return await self.show(editing, key)

    async def list_versions(self, environment: Environment, key: str) -> Any:
        return self.versions(
            [
                self.version(row.version, row.key, row.document, iso(row.saved_at), row.author, row.note)
                for row in await self.product.versions_of(environment, self.name, key)
            ]
        )

    async def rename(self, editing: Editing, key: str, body: RenameBody, expects: int | None) -> PublishPlan:
        read_key(self.name, body.key, "$.key")
        row = (await self.product.found(editing.environment, self.name, key)).row
        change = Change(kind=self.name, key=body.key, document=row.document, expects=expects, was=row.key)
        return await editing.save(change, body.note, dry_run=body.dry_run)

    async def restore(
        self, editing: Editing, key: str, version: int, body: RestoreBody, expects: int | None
    ) -> PublishPlan:
        change = await self.product.restored_version(editing.environment, self.name, key, version)
        return await editing.save(msgspec.structs.replace(change, expects=expects), body.note, dry_run=body.dry_run)
