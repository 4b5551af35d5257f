"""Documents of saved definitions: what their kinds are, and what is wrong with their form.

Shape   KINDS reads, writes and compares them · problems(kind, document) → what is wrong with the form of one
Laws    those of runtime/definitions/saved/documents.py
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tinycdp.products.analytics.definitions.schemas import (
    DashboardDocument,
    EventDocument,
    MetricDocument,
    ReportDocument,
)
from tinycdp.runtime.definitions.saved.documents import LONGEST_TEXT, DocumentKinds

Documented = ReportDocument | MetricDocument | EventDocument | DashboardDocument

KINDS = DocumentKinds(
    {"event": EventDocument, "metric": MetricDocument, "report": ReportDocument, "dashboard": DashboardDocument},
    naming={"derived": "event", "metric": "metric", "report": "report"},
    of_core={"segment": "segment", "flag": "flag"},
    filters=frozenset({"where", "people"}),
)


def problems(kind: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, message) of all that is wrong with the form of a document."""
    found = list(KINDS.problems(kind, document))
    yield from found
    if found or kind != "dashboard":
        return
    for n, tile in enumerate(KINDS.read(kind, document).tiles):
        given = [name for name in ("report", "question", "text") if getattr(tile, name)]
        if len(given) != 1:
            found_ = f"found {' and '.join(f'`{name}`' for name in given)}" if given else "found none"
            yield f"$.tiles[{n}]", f"a tile has one of `report`, `question` and `text`; {found_}."
        elif len(tile.text) > LONGEST_TEXT:
            yield f"$.tiles[{n}].text", f"a text has at most {LONGEST_TEXT:,} characters."
