"""Saved definitions as a part of publishes: the kinds that analytics adds.

Shape   SAVED is what runtime/definitions/product_kinds.py asks for, and what reads, lists and restores them
Laws    a segment or a flag that a saved definition names is not deleted; if it is renamed, the name is rewritten
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tinycdp.engine.catalog import Name
from tinycdp.products.analytics.definitions import documents
from tinycdp.products.analytics.definitions.checks import check, core_names
from tinycdp.runtime.definitions.product_kinds import DocumentFinding, Names
from tinycdp.runtime.definitions.saved.product import Documents, SavedKinds


class AnalyticsKinds(SavedKinds):
    """Reports, metrics, derived events and dashboards."""

    documents = documents.KINDS
    route = "/v1/analytics"

    def problems(self, kind: str, document: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """(path, message) of all that is wrong with the form of a document."""
        return documents.problems(kind, document)

    def findings(self, documents: Documents, names: Names, of: Collection[Name]) -> list[DocumentFinding]:
        """What is wrong with some of the documents."""
        return check(documents, names, of)

    def core_names(self, name: Name, documents: Documents, names: Names) -> Collection[Name]:
        """The segments and flags that a document names."""
        return core_names(name, documents, names)


SAVED = AnalyticsKinds()
