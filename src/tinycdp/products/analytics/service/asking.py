"""Asking in words: the names of an environment, a question made of a text, and its answer.

Shape   ask_in_words(analytics, environment, text, run) → Asked
Laws    only Postgres is read to understand a text. It is read in a thread: a long text does not hold up other requests
Errors  those of Analytics.answer, if the question is run; INVALID_QUESTION for a text that is too long
Source  docs/how-to/ask.md
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from tinycdp.dsl.values.calendar import days_in
from tinycdp.engine.schema.tracking_plan import PlannedEvent
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.definitions.kinds import SAVED
from tinycdp.products.analytics.definitions.schemas import ReportDocument
from tinycdp.products.analytics.questions.schemas import Question
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.products.analytics.words.asking import Understanding, ask
from tinycdp.products.analytics.words.names import Lexicon, texts_of
from tinycdp.runtime.definitions.workspace import Workspace
from tinycdp.runtime.environment import Environment
from tinycdp.store import registry
from tinycdp.store.database.pool import acquired

#: How many of the newest messages are searched for values, and how deep in nested properties.
_MESSAGES, _DEPTH = 2_000, 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What a text was understood as, and the answer if it was asked for."""

    understanding: Understanding
    answer: Answer | None


async def ask_in_words(
    analytics: Analytics, environment: Environment, text: str, *, run: bool = True, id: str = ""
) -> Asked:
    """Understand a text, and answer the question that it became."""
    workspace = await analytics.worlds.workspace(environment)
    names = await lexicon_of(environment, workspace)
    today = date.fromordinal(days_in(workspace.catalog.zone).day(environment.now()))
    understanding = await asyncio.to_thread(ask, text, names, today)
    question = understanding.question
    answer = await analytics.answer(environment, question, id) if run and question is not None else None
    return Asked(understanding, answer)


async def lexicon_of(environment: Environment, workspace: Workspace) -> Lexicon:
    """The names of an environment, with the texts that properties have had lately."""
    async with acquired(environment.pool) as connection:
        messages = await registry.newest_messages(connection, environment.id, _MESSAGES)
        planned = await registry.current_plan_entries(connection, environment.id)
    plan = {one.event: msgspec.convert(one.document, PlannedEvent) for one in planned}
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for message in messages:
        if message.kind != "identify" and (message.kind in ("group", "alias") or not message.name):
            continue
        event = "" if message.kind == "identify" else message.name
        for path, value in _texts(message.properties):
            seen[event, path].add(value)
    for event, entry in plan.items():
        for path, rule in entry.properties.items():
            seen[event, path].update(value for value in rule.values or () if isinstance(value, str))
    paths: dict[str, set[str]] = {event: set(names) for event, names in workspace.known.events.items()}
    paths[""] = set(workspace.known.profile)
    for event, path in seen:
        paths.setdefault(event, set()).add(path)
    named = {
        event: {path: texts_of(seen.get((event, path), ())) for path in sorted(of_event)}
        for event, of_event in sorted(paths.items())
        if event not in plan or plan[event].visible
    }
    live = workspace.catalog.live.definitions.values()
    return Lexicon(
        profile=named.pop(""),
        events=named,
        segments=frozenset(one.key for one in live if one.kind == "segment"),
        flags=frozenset(one.key for one in live if one.kind == "flag"),
        descriptions={event: entry.description for event, entry in plan.items()},
        reports=await _reports(environment),
    )


async def _reports(environment: Environment) -> dict[str, Question]:
    found = {}
    for (kind, key), document in (await SAVED.plain_documents(environment)).items():
        if kind == "report":
            report = SAVED.documents.read(kind, document)
            assert isinstance(report, ReportDocument)
            found[key] = report.question
    return found


def _texts(properties: Mapping[str, Any], before: str = "", depth: int = 1) -> Iterator[tuple[str, str]]:
    """The texts of properties by path, nested ones joined by dots."""
    for name, value in properties.items():
        if isinstance(value, str):
            yield before + name, value
        elif isinstance(value, dict) and depth < _DEPTH:
            yield from _texts(value, f"{before}{name}.", depth + 1)
