"""What is wrong with saved definitions among each other, and with what they name.

Shape   check(documents, names, of) → findings about the documents `of` · core_names(document, …) → the segments and
        flags that it names
Laws    pure: the command line checks files with it, and a publish checks what it saves.
        An event or a property that was never seen is a warning; a segment, a flag, or a saved definition that does not
        exist is an error
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from tinycdp.dsl.check.expressions import Checked
from tinycdp.dsl.check.filters import check_event_filter, check_event_name, check_profile_filter
from tinycdp.dsl.diagnostics import Diagnostic
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.engine.catalog import Name
from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.compile.calendar import duration_of
from tinycdp.products.analytics.compile.questions import compile_question
from tinycdp.products.analytics.compile.world import FlagFacts, World
from tinycdp.products.analytics.definitions.documents import KINDS
from tinycdp.products.analytics.definitions.naming import saved_of
from tinycdp.products.analytics.definitions.schemas import (
    DashboardDocument,
    EventDocument,
    MetricDocument,
    ReportDocument,
)
from tinycdp.products.analytics.questions.schemas import (
    Breakdown,
    DerivedEvent,
    ExperimentMetric,
    ExperimentQuestion,
    Question,
    Series,
    TrendQuestion,
)
from tinycdp.runtime.definitions.product_kinds import DocumentFinding, Names

Documents = Mapping[Name, dict[str, Any]]
_CALLED = {"event": "derived event"}
_EVERY = "*"


def check(documents: Documents, names: Names, of: Collection[Name]) -> list[DocumentFinding]:
    """What is wrong with some of the documents."""
    return [one for name in sorted(of) for one in _check(name, documents, names)]


def _check(name: Name, documents: Documents, names: Names) -> Iterator[DocumentFinding]:
    document = documents[name]
    found = [
        DocumentFinding(*name, path, f"there is no {_CALLED.get(kind, kind)} {key!r}.{_nearest(key, kind, documents)}")
        for (kind, key), path in KINDS.references_of(document)
        if (kind, key) not in documents
    ]
    if not found and (way := KINDS.cycle_of(name, documents)):
        shown = " -> ".join(key for _, key in way)
        found.append(DocumentFinding(*name, "$", f"the definition is made of itself: {shown}."))
    if not found:
        found = list(dict.fromkeys(_check_names(name, documents, names)))
    yield from found
    if all(one.is_warning for one in found):
        yield from _check_questions(name, documents, names)


def _nearest(key: str, kind: str, documents: Documents) -> str:
    return did_you_mean(key, [other for of, other in documents if of == kind])


def _check_names(name: Name, documents: Documents, names: Names) -> Iterator[DocumentFinding]:
    saved = saved_of({other: KINDS.read(other[0], document) for other, document in documents.items()})
    for value, path in _structs(KINDS.read(name[0], documents[name]), "$"):
        for field, checked in _filters(value, documents, names):
            for diagnostic in checked.diagnostics:
                is_warning = diagnostic.severity != "error"
                yield DocumentFinding(*name, f"{path}.{field}", _text(diagnostic), diagnostic.code, is_warning)
        for event in _events(getattr(value, "event", ""), documents):
            if (unknown := check_event_name(event, names.scope)) is not None and event != _EVERY:
                yield DocumentFinding(*name, f"{path}.event", _text(unknown), unknown.code, is_warning=True)
        if isinstance(value, ExperimentMetric) and value.metric and value.metric not in saved.experiment_metrics:
            message = (
                f"the metric {value.metric!r} is only for trends: experiments read conversion, people, count and sum. "
                "Save a metric with one of these."
            )
            yield DocumentFinding(*name, f"{path}.metric", message)
        for kind, key, field in _keys(value):
            known = names.scope.segments if kind == "segment" else names.flags
            if key not in known:
                yield DocumentFinding(
                    *name, f"{path}.{field}", f"there is no {kind} {key!r}.{did_you_mean(key, known)}"
                )


def _text(diagnostic: Diagnostic) -> str:
    """The message, with the remedy if there is one."""
    return " ".join((diagnostic.message, *(f"{fix.title[0].upper()}{fix.title[1:]}" for fix in diagnostic.fixes[:1])))


def _check_questions(name: Name, documents: Documents, names: Names) -> Iterator[DocumentFinding]:
    """What only compiling the questions of a document finds: ranges, formulas, measures, steps."""
    world = _world(documents, names)
    document = KINDS.read(name[0], documents[name])
    questions: list[tuple[str, str, Question]] = []
    match document:
        case ReportDocument():
            questions.append(("$.question.", "", document.question))
        case DashboardDocument():
            tiles = [(n, tile.question) for n, tile in enumerate(document.tiles) if tile.question is not None]
            questions += [(f"$.tiles[{n}].question.", "", question) for n, question in tiles]
        case MetricDocument():
            series = world.metrics[name[1]]
            questions.append(("$.", "series[0].", TrendQuestion(last="1d", series=(series,))))
        case EventDocument():
            event = DerivedEvent(any=document.any)
            questions.append(("$.", "series[0].event.", TrendQuestion(last="1d", series=(Series(event),))))
    for prefix, own, question in questions:
        try:
            compile_question(question, world)
            if isinstance(document, MetricDocument):
                duration_of(document.within, "within")
        except InvalidInput as wrong:
            path = str(wrong.details.get("path", ""))
            message = wrong.message.removeprefix(f"{path}: ")
            yield DocumentFinding(*name, f"{prefix}{path.removeprefix(own)}".rstrip("."), message, wrong.code)


def _world(documents: Documents, names: Names) -> World:
    """A world of these names, to compile and not to ask."""
    saved = saved_of({name: KINDS.read(name[0], document) for name, document in documents.items()})
    return World(
        environment_id=names.environment_id,
        zone=names.zone,
        as_of=names.now,
        merged=False,
        scope=names.scope,
        segments={key: n for n, key in enumerate(sorted(names.scope.segments))},
        flags={key: FlagFacts(0, tuple(flag.variants), flag.off_variant, {}) for key, flag in names.flags.items()},
        derived=saved.derived,
        metrics=saved.metrics,
        experiment_metrics=saved.experiment_metrics,
    )


def core_names(name: Name, documents: Documents, names: Names) -> set[Name]:
    """The segments and flags that a document names, also those that are gone."""
    found: set[Name] = set()
    segments = {*names.scope.segments, *(key for kind, key in names.gone if kind == "segment")}
    names = replace(names, scope=replace(names.scope, segments=segments))
    for value, _ in _structs(KINDS.read(name[0], documents[name]), "$"):
        found |= {(kind, key) for kind, key, _ in _keys(value)}
        for _, checked in _filters(value, documents, names):
            found |= checked.references
    return found


def _structs(value: Any, path: str) -> Iterator[tuple[msgspec.Struct, str]]:
    """Every struct of a document, with its path."""
    if isinstance(value, msgspec.Struct):
        yield value, path
        for field in msgspec.structs.fields(value):
            yield from _structs(getattr(value, field.name), f"{path}.{field.encode_name}")
    elif isinstance(value, list | tuple):
        for n, item in enumerate(value):
            yield from _structs(item, f"{path}[{n}]")


def _filters(value: msgspec.Struct, documents: Documents, names: Names) -> Iterator[tuple[str, Checked]]:
    """The filters of a struct, checked."""
    if text := getattr(value, "where", ""):
        for event in _events(getattr(value, "event", _EVERY), documents):
            yield "where", check_event_filter(text, names.scope, None if event == _EVERY else event)
    if text := getattr(value, "people", ""):
        yield "people", check_profile_filter(text, names.scope)


def _events(event: Any, documents: Documents) -> list[str]:
    """The names of the events that an event is made of."""
    if isinstance(event, str):
        return [event] if event else []
    if not isinstance(event, DerivedEvent):
        return []
    parts = event.any
    if event.derived:
        saved = documents.get(("event", event.derived))
        parts = KINDS.read("event", saved).any if saved is not None else ()
    return [name for part in parts for name in _events(part.event, documents)]


def _keys(value: msgspec.Struct) -> Iterator[tuple[str, str, str]]:
    """(kind, key, field) of the segments and flags that a struct names by their keys."""
    if isinstance(value, Breakdown) and value.segment:
        yield "segment", value.segment, "segment"
    if isinstance(value, ExperimentQuestion):
        yield "flag", value.flag, "flag"
