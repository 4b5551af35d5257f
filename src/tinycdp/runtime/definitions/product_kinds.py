"""Kinds of definitions that products add beside traits, segments and flags, such as reports.

Shape   register(load) is for the processes' entry points · product_kinds() → all of them · product_of(kind) → the one
        that has the kind, None for a kind of the core
Laws    the core names no product.
        Changes of a product's kinds are read, planned and saved with all others, in one transaction
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from tinycdp.errors import InvalidInput
from tinycdp.model import Instant

if TYPE_CHECKING:  # every command registers products, and few need these
    from tinycdp.dsl.check.expressions import Scope
    from tinycdp.engine.catalog import Name
    from tinycdp.engine.flags.document import Flag
    from tinycdp.runtime.definitions.changes import Change, Step
    from tinycdp.runtime.edits import Edit
    from tinycdp.runtime.environment import Environment
    from tinycdp.store.database.pool import Connection


@dataclass(frozen=True, slots=True)
class ProductDefinition:
    """A definition of a product's kind, as it is stored."""

    kind: str
    key: str
    version: int
    document: dict[str, Any]

    @property
    def name(self) -> "Name":
        return self.kind, self.key


@dataclass(frozen=True, slots=True)
class Names:
    """What documents of products may name of the core's definitions.

    environment_id  0 for files without a database
    flags           by key
    now             for ranges such as the last 30 days
    revision        of the core's definitions
    gone            definitions that this publish deletes
    renamed         those that it renames, with their new keys"""

    environment_id: int
    scope: "Scope"
    zone: str
    flags: "Mapping[str, Flag]"
    now: Instant
    revision: int = 0
    gone: "frozenset[Name]" = frozenset()
    renamed: "Mapping[Name, str]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentFinding:
    """A mistake in a document, or a warning about it.

    path  JSONPath into the document"""

    kind: str
    key: str
    path: str
    message: str
    code: str = "INVALID_DOCUMENT"
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class ProductDraft:
    """What changes do to the definitions of a product. save: writes them, in the transaction of the publish."""

    steps: "tuple[Step, ...]"
    warnings: tuple[DocumentFinding, ...]
    save: "Callable[[Connection], Awaitable[None]]"


class InvalidDocuments(InvalidInput):
    """Documents of products with mistakes; `details["findings"]` lists them."""

    def __init__(self, findings: Sequence[DocumentFinding]) -> None:
        first = findings[0]
        listed = [{"kind": f.kind, "key": f.key, "path": f.path, "message": f.message} for f in findings]
        message = f"The {first.kind} {first.key!r}, {first.path}: {first.message}"
        super().__init__(first.code, message, path=first.path, findings=listed)


class ProductKinds(Protocol):
    """The kinds of a product, and what becomes of their documents."""

    #: In the order of files. The list of a kind is called by its plural, with an s.
    kinds: Sequence[str]
    #: Where the definitions of a kind are listed over HTTP, before the plural of the kind.
    route: str

    def problems(self, kind: str, document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """(path, message) of all that is wrong with the form of a document, without other definitions."""

    def normal(self, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """A document in the form in which it is stored, without its key: equal for documents of one meaning."""

    def check(self, changes: "Sequence[Change]", names: Names) -> list[DocumentFinding]:
        """What is wrong with new documents among each other, and with what they name."""

    async def begin(self, connection: "Connection", environment_id: int) -> None:
        """Keep other publishes out until the transaction ends."""

    async def draft(
        self,
        connection: "Connection",
        names: Names,
        changes: "Sequence[Change]",
        edit: "Edit",
        *,
        prune: bool,
    ) -> ProductDraft:
        """What the changes do, checked against the names of the next revision."""

    async def newest(self, environment: "Environment") -> list[ProductDefinition]:
        """All definitions."""


def warnings_of_findings(findings: Iterable[DocumentFinding]) -> list[dict[str, Any]]:
    """Warnings in the form of the wire: {kind, key, diagnostics} of each document that has some."""
    found: dict[Name, list[dict[str, Any]]] = {}
    for one in findings:
        span = {"start": 0, "end": 0, "line": 1, "col": 1}
        diagnostic = {"code": one.code, "severity": "warning", "span": span, "message": one.message, "fixes": []}
        found.setdefault((one.kind, one.key), []).append({**diagnostic, "path": one.path})
    return [{"kind": kind, "key": key, "diagnostics": listed} for (kind, key), listed in found.items()]


_registered: list[Callable[[], ProductKinds]] = []


def register(load: Callable[[], ProductKinds]) -> None:
    """Add the kinds of a product. They are loaded when definitions are first read."""
    _registered.append(load)
    product_kinds.cache_clear()


@cache
def product_kinds() -> tuple[ProductKinds, ...]:
    """The kinds of all products."""
    return tuple(load() for load in dict.fromkeys(_registered))


def product_of(kind: str) -> ProductKinds | None:
    """The product that has a kind; None for a kind of the core, and for an unknown one."""
    return next((product for product in product_kinds() if kind in product.kinds), None)


def names_of_kinds() -> tuple[str, ...]:
    """The kinds of all products, in the order of files."""
    return tuple(kind for product in product_kinds() for kind in product.kinds)


async def newest_of_products(environment: "Environment") -> list[ProductDefinition]:
    """All definitions of products."""
    return [one for product in product_kinds() for one in await product.newest(environment)]
