"""How the records of a sync are sent to an HTTP destination: a request for each operation.

Shape   plans_of_records(document, to) → RequestPlan by operation · request_problems(document, to) → (path, message)
Laws    pure. Requests of a sync read fields of the record alone: expressions belong to its mapping
Source  docs/reference/syncs.md
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tinycdp.products.delivery.definitions.requests import RequestPlan, merged, plan_of, problems_of_request
from tinycdp.products.delivery.definitions.schemas import HttpDocument, HttpVariant, is_variable
from tinycdp.products.delivery.definitions.syncs.schemas import SyncDocument, policy_of
from tinycdp.products.delivery.ledger import Operation
from tinycdp.products.delivery.mapping.checks import check_fields
from tinycdp.products.delivery.mapping.formats import Kind
from tinycdp.products.delivery.mapping.reading import path_below, read_mapping
from tinycdp.products.delivery.mapping.urls import PLACE

#: What a request may read. A name that ends with a dot has free names below it.
RECORD_FIELDS: Mapping[str, Kind] = {
    "environment": "text",
    "sync": "text",
    "operation": "text",
    "profile.id": "text",
    "record": "any",
    "record.": "any",
    "key.": "any",
}
_LEAVING = frozenset({"remove", "delete"})


def operations_of(document: SyncDocument) -> tuple[Operation, ...]:
    """What the sync sends."""
    policy = policy_of(document)
    return (policy.change,) if policy.on_leave == "nothing" else (policy.change, policy.on_leave)


def _request(document: SyncDocument, to: HttpDocument, operation: Operation) -> HttpDocument:
    """The request of an operation. The destination's own mapping is about what happened."""
    base = msgspec.structs.replace(to, mapping=None, method="DELETE" if operation in _LEAVING else to.method)
    return merged(base, document.requests.get(operation, HttpVariant()))


def plans_of_records(document: SyncDocument, to: HttpDocument) -> dict[Operation, RequestPlan]:
    """The plan of each operation."""
    return {operation: plan_of(_request(document, to, operation)) for operation in operations_of(document)}


def addresses_of(document: SyncDocument) -> Iterator[tuple[str, str]]:
    """(path, URL) of all that its requests lead to, with a text in each place."""
    for operation, variant in document.requests.items():
        if isinstance(variant.url, str):
            yield f"$.requests.{operation}.url", PLACE.sub("x", variant.url)


def request_problems(document: SyncDocument, to: HttpDocument) -> Iterator[tuple[str, str]]:
    """(path, message) of what is wrong with the requests."""
    sent = operations_of(document)
    for operation in document.requests:
        if operation not in sent:
            yield f"$.requests.{operation}", f"this sync sends {' and '.join(sent)}."
    for operation in sent:
        path = f"$.requests.{operation}"
        request, variant = _request(document, to, operation), document.requests.get(operation, HttpVariant())
        yield from problems_of_request(request, path, variant)
        mappings = {
            path_below(f"{path}.parameters", n): one for n, one in request.parameters.items() if not is_variable(one)
        }
        if request.mapping is not None:
            mappings[f"{path}.mapping"] = request.mapping
        for place, one in mappings.items():
            yield from _of_mapping(one, place)


def _of_mapping(document: Any, path: str) -> Iterator[tuple[str, str]]:
    mapping, problems = read_mapping(document, path)
    yield from problems
    if mapping is None:
        return
    for use in mapping.used:
        yield use.path, 'a request reads the record: write {"field": "record.…"}, and the expression in the mapping.'
    yield from check_fields(mapping, RECORD_FIELDS)
