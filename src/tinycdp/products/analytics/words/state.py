"""A text while its phrases are read: the draft, and what the next phrase refers to.

Shape   State: what phrases share · Phrase: one phrase with its pieces · Skip: a phrase has no place here
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from lark import Token, Tree

from tinycdp.products.analytics.questions.schemas import Breakdown, DerivedEvent, Event, Matching, Question
from tinycdp.products.analytics.words.draft import QuestionDraft, Topic, needs_property
from tinycdp.products.analytics.words.names import Kind, Lexicon, Meant, key_of
from tinycdp.products.analytics.words.pieces import Piece
from tinycdp.products.analytics.words.texts import equals

T = TypeVar("T")

#: Properties whose numbers are meant by "purchases over 20", and that name what an event is about.
MONEY = tuple(map(key_of, ("amount", "value", "total", "revenue", "price")))
_PLACES = ("path", "url", "page", "page_path", "title", "name", "sku", "product", "category")


@dataclass(frozen=True, slots=True)
class Understood:
    """A span of the text, and what it became."""

    start: int
    end: int
    meaning: str


@dataclass(slots=True)
class TextReading:
    """One reading of a text.

    ignored  spans that changed nothing, with the reason
    assumed  what the text does not say
    missing  why there is no question
    options  how many meanings a piece has, by its number"""

    question: Question | None = None
    understood: list[Understood] = field(default_factory=list)
    ignored: list[Understood] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    missing: str = ""
    options: dict[int, int] = field(default_factory=dict)


class Skip(Exception):
    """A phrase has no place here; the text says why."""


class Phrase:
    """A phrase of the grammar."""

    def __init__(self, tree: "Tree[Token]", pieces: Sequence[Piece]) -> None:
        self.rule = tree.data
        self._tree, self._all = tree, pieces
        self._numbers = sorted(int(token) for token in tree.scan_values(lambda one: isinstance(one, Token)))
        self.pieces = [pieces[n] for n in self._numbers]

    @property
    def start(self) -> int:
        return self.pieces[0].start

    @property
    def end(self) -> int:
        return self.pieces[-1].end

    @property
    def types(self) -> set[str]:
        return {piece.type for piece in self.pieces}

    @property
    def numbers(self) -> list[Decimal]:
        return [piece.value for piece in self.pieces if piece.type == "NUMBER"]

    @property
    def quoted(self) -> str:
        return self.all_quoted[0]

    @property
    def all_quoted(self) -> tuple[str, ...]:
        return tuple(piece.value for piece in self.pieces if piece.type == "QUOTED")

    def value(self, type: str, instead: T) -> Any | T:
        """The value of the first piece of a type."""
        return next((piece.value for piece in self.pieces if piece.type == type), instead)

    def piece(self, type: str) -> Piece:
        """The first piece of a type."""
        return next(piece for piece in self.pieces if piece.type == type)

    def parts(self, rule: str) -> "Iterator[Phrase]":
        """The phrases of a rule within this one, in order."""
        found = [Phrase(tree, self._all) for tree in self._tree.find_data(rule)]
        return iter(sorted(found, key=lambda one: one.start))


class State:
    """What phrases share.

    pending  a measure whose event is not named so far; it is one of the draft's topics
    role     of the event that comes next
    loose    values that came before their event"""

    def __init__(
        self, text: str, names: Lexicon, today: date, pieces: Sequence[Piece], choices: Mapping[int, int]
    ) -> None:
        self._text, self._names, self._today = text, names, today
        self._pieces, self._choices = pieces, choices
        self._draft = QuestionDraft()
        self._reading = TextReading()
        self._pending: Topic | None = None
        self._role = ""
        self._loose: list[tuple[Piece, Meant]] = []
        self._report: Question | None = None
        self._wants_group = False
        self._linked = False
        self._before = ""
        self._mentioned = {
            one.name for piece in pieces if piece.match is not None for one in piece.match.meant if one.kind == "event"
        } | {piece.value for piece in pieces if piece.type == "QUOTED"}

    # Choices

    def _choose(self, piece: Piece, options: Sequence[T]) -> T:
        """One of several meanings of a piece."""
        n = self._pieces.index(piece)
        self._reading.options[n] = len(options)
        return options[min(self._choices.get(n, 0), len(options) - 1)]

    def _meant(self, piece: Piece, kinds: Sequence[Kind]) -> Meant:
        """What a name means here: of these kinds, the first ones before the others."""
        assert piece.match is not None
        found = [one for one in piece.match.meant if one.kind in kinds]
        if not found:
            listed = " or ".join(sorted({str(one) for one in piece.match.meant}))
            raise Skip(f"{listed} has no place here")
        found.sort(key=lambda one: (self._is_apart(one), kinds.index(one.kind)))
        return self._choose(piece, found)

    def _is_apart(self, meant: Meant) -> bool:
        """Whether no event that the text names has the property."""
        named = self._mentioned or {event for one in self._draft.topics for event in self._events_of(one.measured)}
        return bool(meant.events and named and not meant.events & named)

    def _events_of(self, property: str) -> frozenset[str]:
        meant = self._names.vocabulary.properties.get(property)
        return meant.events if meant is not None else frozenset()

    # Events

    def _new_pending(self) -> Topic:
        """A measure begins."""
        if self._pending is not None and self._pending.event is None and not self._pending.measured:
            return self._pending
        self._pending = Topic(role=self._role)
        self._role = ""
        self._draft.topics.append(self._pending)
        return self._pending

    def _measuring(self) -> Topic | None:
        """The measure whose property is not named so far."""
        one = self._pending or (self._draft.topics[-1] if self._draft.topics else None)
        return one if one is not None and one.measure and needs_property(one.measure) and not one.measured else None

    def _last(self) -> Topic:
        return self._draft.topics[-1] if self._draft.topics else self._new_pending()

    def _drop_pending(self) -> None:
        if self._pending is not None and self._pending.event is None:
            self._draft.topics.remove(self._pending)
        self._pending = None

    def _topic(self, event: Event) -> str:
        """An event: of the measure before it, or on its own."""
        one = self._pending
        if one is None or one.event is not None:
            one = Topic(role=self._role)
            self._role = ""
            self._draft.topics.append(one)
        one.event, self._pending = event, None
        for placed in [placed for placed in self._loose if event in placed[1].events or event == "*"]:
            one.where.append(equals((placed[1].name,), placed[1].value))
            self._loose.remove(placed)
        if event == "*":
            return "any event"
        return f"event {event}" if isinstance(event, str) else "any of several events"

    def _place_for(self, meant: Meant) -> Topic | None:
        """The last event that has the property of a value."""
        for one in reversed(self._draft.topics):
            if one.event == "*" or one.event in meant.events:
                return one
        return None

    def _amount(self, one: Topic) -> str | None:
        """The property of an event that its size is: an amount, a value, a total …"""
        there = self._names.events.get(one.event, {}) if isinstance(one.event, str) else {}
        found = [name for name in there if key_of(name) in MONEY]
        return min(found, key=lambda name: MONEY.index(key_of(name))) if found else None

    def _place_pending(self) -> None:
        """A measure without an event of its own belongs to the last event, or to the events of its property."""
        one = self._pending
        if one is None or one.metric:
            return
        plain = [topic for topic in self._draft.of("") if topic is not one]
        if plain:
            last = plain[-1]
            self._draft.topics.remove(one)
            last.measure = one.measure or last.measure
            last.measured = one.measured or last.measured
            last.where += one.where
        elif one.measured and (meant := self._names.vocabulary.properties.get(one.measured)):
            one.event = self._any_of(meant)
        elif self._draft.kind in ("", "trend") and one.measure in ("people", "count", "per_person"):
            one.event = "*"
            self._draft.assumed.append("any event, since none is named")
        elif not one.measured:
            self._draft.topics.remove(one)

    def _events_of_group(self) -> None:
        """The events that have the property of a breakdown, where no event is named."""
        if self._draft.topics or self._draft.kind or not self._draft.breakdowns:
            return
        meant = self._names.vocabulary.properties.get(self._draft.breakdowns[0].property)
        if meant is not None:
            self._draft.topics.append(Topic(self._any_of(meant)))

    def _any_of(self, meant: Meant) -> Event:
        """The events that have a property."""
        first, *others = sorted(meant.events)
        self._draft.assumed.append(f"{meant.name} of {' and '.join((first, *others))}")
        return DerivedEvent(any=tuple(map(Matching, (first, *others)))) if others else first

    def _guess_property(self) -> None:
        """The amount of an event, where a measure needs a property and none is named."""
        for one in self._draft.topics:
            if one.measure == "sum" and not one.measured and (amount := self._amount(one)) is None:
                one.measure = "count"
            if one.measure and needs_property(one.measure) and not one.measured and (amount := self._amount(one)):
                one.measured = amount
                self._draft.assumed.append(f"{amount} of {one.event}")

    # Groups

    def _group_by(self, meant: Meant) -> str:
        match meant.kind:
            case "property":
                return self._breakdown(Breakdown(property=meant.name))
            case "profile":
                return self._breakdown(Breakdown(profile=meant.name))
            case _:
                return self._breakdown(Breakdown(segment=meant.name))

    def _group_by_place(self, event: str) -> None:
        """The property that names what an event is about, as the path of a page."""
        self._wants_group = False
        there = self._names.events.get(event, {})
        found = next((name for name in _PLACES if name in there), None)
        if found is None:
            self._draft.assumed.append(f"no groups: {event} has no property that names what it is about")
            return
        self._breakdown(Breakdown(property=found))
        self._draft.assumed.append(f"by {found}, one of the properties of {event}")

    def _breakdown(self, breakdown: Breakdown) -> str:
        if self._draft.kind not in ("", "trend", "funnel", "retention"):
            raise Skip(f"a question of {self._draft.kind} has no groups")
        self._draft.breakdowns.append(breakdown)
        self._wants_group = False
        kind, name = next(
            (kind, getattr(breakdown, kind))
            for kind in ("property", "profile", "group", "context", "segment")
            if getattr(breakdown, kind)
        )
        return f"one line of each {'' if kind == 'property' else kind + ' '}{name}"

    def _change_breakdown(self, **change: Any) -> None:
        if not self._draft.breakdowns:
            raise Skip("it belongs after `by …`")
        self._draft.breakdowns[-1] = msgspec.structs.replace(self._draft.breakdowns[-1], **change)

    def _take_kind(self, kind: str) -> None:
        if self._draft.kind not in ("", kind):
            raise Skip(f"the question is already one of {self._draft.kind}")
        self._draft.kind = kind
