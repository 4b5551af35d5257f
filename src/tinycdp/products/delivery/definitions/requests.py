"""How the requests of an HTTP destination are made: its document, read once.

Shape   problems_of(document) → (path, message) · plans_of(document) → RequestPlans
        merged, plan_of, problems_of_request → the same of one variant
Laws    pure. A plan has no secret in it, only the names of the variables that have them
Source  docs/reference/destinations.md
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tinycdp.products.delivery.definitions.schemas import FromVariable, HttpDocument, HttpVariant, is_variable
from tinycdp.products.delivery.mapping.nodes import RecordMapping
from tinycdp.products.delivery.mapping.reading import path_below, quoted, read_mapping
from tinycdp.products.delivery.mapping.urls import BadUrl, UrlTemplate, read_url

_BODILESS = frozenset({"GET", "DELETE"})
_MOST_PARAMETERS = 20


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """How a request is made.

    parameters  a mapping for each place of the URL that has no variable
    variables   of the other places
    body        None for that of a webhook, or for no body at all
    success     statuses that mean delivered, beside 2xx"""

    method: str
    url: UrlTemplate
    parameters: Mapping[str, RecordMapping]
    variables: Mapping[str, FromVariable]
    body: RecordMapping | None
    success: tuple[int, ...]

    @property
    def has_body(self) -> bool:
        return self.body is not None or self.method not in _BODILESS

    @property
    def mappings(self) -> tuple[RecordMapping, ...]:
        """All mappings of it."""
        return (*self.parameters.values(), *(() if self.body is None else (self.body,)))


def problems_of(document: HttpDocument) -> Iterator[tuple[str, str]]:
    """(path, message) of what is wrong, beside the mappings themselves."""
    for name, variant in document.by_type.items():
        path = f"$.byType[{quoted(name)}]"
        if name not in document.events:
            yield path, f"{name} is not in `events`."
        yield from problems_of_request(merged(document, variant), path, variant)
    yield from problems_of_request(document, "$", document)


@dataclass(frozen=True, slots=True)
class RequestPlans:
    """The plans of a document. by_type: those that are different"""

    usual: RequestPlan
    by_type: Mapping[str, RequestPlan]

    def of(self, type: str) -> RequestPlan:
        """The plan for a type; also for one that the document asked for earlier, and that still waits."""
        return self.by_type.get(type, self.usual)


def plans_of(document: HttpDocument) -> RequestPlans:
    """The plans of a document without mistakes."""
    by_type: dict[str, RequestPlan] = {
        name: plan_of(merged(document, variant)) for name, variant in document.by_type.items()
    }
    return RequestPlans(plan_of(document), by_type)


def merged(document: HttpDocument, variant: HttpVariant) -> HttpDocument:
    """The document as a variant has it."""
    changes = {name: value for name, value in msgspec.structs.asdict(variant).items() if value is not msgspec.UNSET}
    return msgspec.structs.replace(document, **changes)


def plan_of(document: HttpDocument) -> RequestPlan:
    """The plan of a document without mistakes."""
    parameters: dict[str, RecordMapping] = {}
    variables: dict[str, FromVariable] = {}
    for name, one in document.parameters.items():
        if is_variable(one):
            variables[name] = msgspec.convert(one, FromVariable)
        else:
            parameters[name] = _read(one)
    body = _read(document.mapping) if document.mapping is not None else None
    return RequestPlan(document.method, read_url(document.url), parameters, variables, body, document.success)


def _read(document: Any) -> RecordMapping:
    mapping, problems = read_mapping(document)
    assert mapping is not None, problems
    return mapping


def problems_of_request(
    document: HttpDocument, path: str, said: HttpDocument | HttpVariant
) -> Iterator[tuple[str, str]]:
    """What is wrong with one request. said: what it says itself, at this path"""
    where = f"{path}.url" if said.url is not msgspec.UNSET else f"{path}.parameters"
    try:
        url = read_url(document.url)
    except BadUrl as wrong:
        yield where, str(wrong)
        return
    if len(document.parameters) > _MOST_PARAMETERS:
        yield f"{path}.parameters", f"there are at most {_MOST_PARAMETERS} parameters."
    for name in dict.fromkeys(url.names):
        if name not in document.parameters:
            yield where, f"the place {{{name}}} has no parameter of that name."
    if said.parameters is msgspec.UNSET:
        return
    for name, one in document.parameters.items():
        if name not in url.names:
            yield path_below(f"{path}.parameters", name), f"the URL has no place {{{name}}}."
        if is_variable(one):
            try:
                msgspec.convert(one, FromVariable)
            except msgspec.ValidationError:
                yield (
                    path_below(f"{path}.parameters", name),
                    'a variable is {"env": "DELIVERY_…"}, whose name begins with DELIVERY_.',
                )
