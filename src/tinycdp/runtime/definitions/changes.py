"""A wanted change of one definition, and what it turns out to be."""

from typing import Any, Literal

import msgspec


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The wanted state of one definition. document: None deletes it.

    expects  the version to replace, 0 for a new definition; None for any version
    was      the former key: the definition is renamed, unless that was done before
    id       of a product's definition that is restored, whatever its key is now, and deleted or not
    """

    kind: str
    key: str
    document: dict[str, Any] | None
    expects: int | None = None
    was: str | None = None
    id: int | None = None


class Step(msgspec.Struct, frozen=True):
    """One line of a plan, or of the difference of two revisions.

    was           the key before a rename
    version       the version after the step; for a deletion the last one
    same_meaning  no membership changes because of this step alone
    """

    action: Literal["create", "update", "rename", "delete", "keep"]
    kind: str
    key: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    was: str | None = None
    version: int = 0
    same_meaning: bool = False
