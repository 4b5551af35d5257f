"""Sessions and the paths within them.

Shape   sessions_of(profile, gap, world) · sessions(world, question) · paths(world, question)
Laws    a session is a run of a person's active events; a pause as long as the gap or longer ends it, midnight does not.
        It belongs to the bucket, and to the range, that it begins in, and goes on after them. Events are ordered by
        (instant, label), those without a label last. A label is a text, a number in its shortest form, true or false.
        A path leaves out events without a label; `group` comes before `without`; the first pattern that fits counts.
        Its first `depth` labels count, each with a link to the next; one that ends before has a link to nothing.
        Backwards it begins with the last `end` and goes to what came before. Links that are not shown are one, by step
"""

import re
from collections import Counter
from decimal import Decimal
from typing import Any

from analytics_oracle.calendar import DAY, Range, buckets, duration, range_of
from analytics_oracle.filters import is_person
from analytics_oracle.values import Value, at_rank, mean, ratio, value_at
from analytics_oracle.world import RawEvent, World
from tinycdp.products.analytics.answers.schemas import (
    Labelled,
    PathLink,
    PathsAnswer,
    SessionFigures,
    SessionsAnswer,
)
from tinycdp.products.analytics.questions.schemas import PathsQuestion, SessionsQuestion

#: What `unit: session` goes by.
GAP = 30 * 60_000

Session = tuple[RawEvent, ...]


def sessions_of(profile: int, gap: int, world: World) -> list[Session]:
    """The sessions of one person, from all events ever."""
    found: list[list[RawEvent]] = []
    for event in world.histories.get(profile, ()):
        if event.active:
            if found and event.occurred_at - found[-1][-1].occurred_at < gap:
                found[-1].append(event)
            else:
                found.append([event])
    return [tuple(session) for session in found]


def _asked(world: World, question: Any) -> list[tuple[int, Session]]:
    """The sessions that begin in the range, each with its person."""
    asked = range_of(question, world)
    return [
        (profile, session)
        for profile in world.histories
        if is_person(profile, question.people, world)
        for session in sessions_of(profile, duration(question.gap), world)
        if asked.has(session[0].occurred_at)
    ]


def sessions(world: World, question: SessionsQuestion) -> SessionsAnswer:
    asked = range_of(question, world)
    spans = buckets(asked, question.bucket, world)
    found = _asked(world, question)
    ordered = [_labels(session, question.label) for _, session in found]
    return SessionsAnswer(
        buckets=tuple(bucket.span(world.zone) for bucket in spans),
        rows=tuple(_figures(found, bucket.part) if bucket.begun else None for bucket in spans),
        total=_figures(found, asked),
        entries=_most([labels[0] for labels in ordered], question.top),
        exits=_most([labels[-1] for labels in ordered], question.top),
    )


def _figures(found: list[tuple[int, Session]], part: Range) -> SessionFigures:
    here = [(profile, session) for profile, session in found if part.has(session[0].occurred_at)]
    lengths = [min(session[-1].occurred_at - session[0].occurred_at, DAY) for _, session in here]
    return SessionFigures(
        sessions=len(here),
        people=len({profile for profile, _ in here}),
        bounces=sum(len(session) == 1 for _, session in here),
        average_ms=mean(lengths),
        median_ms=at_rank(lengths, 50),
        events=ratio(sum(len(session) for _, session in here), len(here)),
    )


def _labels(session: Session, path: str) -> list[str | None]:
    """The labels of a session's events, in their order."""
    labelled = [(event.occurred_at, label_of(event, path)) for event in session]
    return [label for _, label in sorted(labelled, key=lambda one: (one[0], one[1] is None, one[1] or ""))]


def label_of(event: RawEvent, path: str) -> str | None:
    return as_label(value_at(event.properties, path)) if path else event.name


def as_label(value: Value) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value


def _most(labels: list[str | None], top: int) -> tuple[Labelled, ...]:
    """The most frequent labels; ties in their order, without a label last."""
    counted = sorted(Counter(labels).items(), key=lambda one: (-one[1], one[0] is None, one[0] or ""))
    return tuple(Labelled(label, n) for label, n in counted[:top])


# Paths


def paths(world: World, question: PathsQuestion) -> PathsAnswer:
    found = [_path(_labels(session, question.label), question) for _, session in _asked(world, question)]
    found = [path for path in found if path]
    links: Counter[tuple[int, str, str | None]] = Counter()
    for path in found:
        for step, (source, target) in enumerate(zip(path, [*path[1:], None], strict=True), 1):
            if step < question.depth:
                links[step, source, target] += 1
    shown: list[PathLink] = []
    for step in range(1, question.depth):
        here = [(key, n) for key, n in links.items() if key[0] == step]
        here.sort(key=lambda one: (-one[1], one[0][1], one[0][2] is None, one[0][2] or ""))
        shown += [PathLink(step, source, target, n) for (_, source, target), n in here[: question.top]]
        if rest := sum(n for _, n in here[question.top :]):
            shown.append(PathLink(step, "", None, rest, other=True))
    return PathsAnswer(sessions=len(found), links=tuple(shown))


def _path(labels: list[str | None], question: PathsQuestion) -> list[str]:
    """What one session contributes; nothing if it has neither the start nor the end."""
    collapsed: list[str] = []
    for label in labels:
        if label is not None:
            shown = _grouped(label, question.group)
            if shown not in question.without and collapsed[-1:] != [shown]:
                collapsed.append(shown)
    if question.start:
        return collapsed[collapsed.index(question.start) :] if question.start in collapsed else []
    if question.end:
        backwards = collapsed[::-1]
        return backwards[backwards.index(question.end) :] if question.end in backwards else []
    return collapsed


def _grouped(label: str, patterns: tuple[str, ...]) -> str:
    """The first pattern that the label fits; * stands for any text."""
    for pattern in patterns:
        if re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), label, re.DOTALL):
            return pattern
    return label
