"""The names of an environment, found in a text in any form or spelling, or by a synonym.

Shape   Vocabulary(names).longest(words) → Match of as many words as possible · .near(word) → Match of a misspelt one
Laws    pure: the same names and words give the same matches
Source  docs/how-to/ask.md
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from rapidfuzz import fuzz, process

from tinycdp.products.analytics.questions.schemas import Question

Kind = Literal["event", "property", "profile", "value", "profile_value", "segment", "flag", "report"]

#: How many words a name may have, and how alike a misspelt one has to be.
MOST_WORDS = 6
_ALIKE = 84
_SHORTEST_MISSPELT = 4
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+|[A-Z]")
_ENDINGS = (
    ("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"),
    ("ied", "y"), ("ing", ""), ("ed", ""), ("s", ""),
)  # fmt: skip

#: Words for the same thing, as products name their events and properties. The first that exists is meant.
SYNONYMS = (
    ("purchase", "purchases", "bought", "buy", "buys", "buyer", "buyers", "order", "ordered", "order completed",
     "order placed", "checkout completed", "sale", "sales"),
    ("signup", "sign up", "signed up", "registration", "registered", "register", "user registered", "user signed up",
     "account created", "joined"),
    ("page view", "page", "pages", "page viewed", "visit", "visited", "view"),
    ("product viewed", "product view", "view", "viewed", "looked at"),
    ("add to cart", "added to cart", "product added", "cart"),
    ("login", "logged in", "log in", "signed in", "sign in"),
    ("app open", "app opened", "opened", "opened the app", "launch"),
    ("payment", "paid", "pay", "payment succeeded"),
    ("subscription", "subscribed", "subscription started", "subscribe"),
    ("cancellation", "cancelled", "canceled", "churned", "subscription cancelled"),
    ("refund", "refunded", "order refunded", "returned"),
)  # fmt: skip
_SYNONYMS_OF_PROPERTIES = (
    ("amount", "value", "total", "revenue", "price", "spend", "spent"),
    ("country", "countries", "nation"),
    ("category", "categories"),
    ("plan", "tier", "subscription plan"),
    ("path", "url", "page path", "page"),
    ("source", "channel", "utm source", "campaign"),
    ("platform", "device", "os"),
)


@dataclass(frozen=True, slots=True)
class Meant:
    """What words may mean.

    name    of the event, property, segment, flag or report; of a value, of its property
    events  that have the property
    value   the text of a value"""

    kind: Kind
    name: str
    events: frozenset[str] = frozenset()
    value: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "property":
                return f"property {self.name}"
            case "profile":
                return f"profile property {self.name}"
            case "value":
                return f'{self.name} = "{self.value}"'
            case "profile_value":
                return f'profile.{self.name} = "{self.value}"'
            case kind:
                return f"{kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Match:
    """Words that mean something. how: "" for the name itself, else how they were understood."""

    meant: tuple[Meant, ...]
    words: int
    how: str = ""


@dataclass(frozen=True)
class Lexicon:
    """What an environment has.

    events        their properties, with texts that these have had
    profile       properties of profiles, with texts
    descriptions  of events, in the tracking plan
    reports       saved questions, by key"""

    events: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    profile: Mapping[str, Sequence[str]] = field(default_factory=dict)
    segments: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    descriptions: Mapping[str, str] = field(default_factory=dict)
    reports: Mapping[str, Question] = field(default_factory=dict)

    @cached_property
    def vocabulary(self) -> "Vocabulary":
        return Vocabulary(self)


def stem(word: str) -> str:
    """A word without what number and tense add: purchases, purchased and purchasing are purchas."""
    word = unicodedata.normalize("NFKC", word).casefold()
    for ending, instead in _ENDINGS:
        if len(word) - len(ending) >= 2 and word.endswith(ending) and not word.endswith("ss"):
            word = word[: len(word) - len(ending)] + instead
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == "e" else word


def key_of(text: str) -> str:
    """Texts with one key are one name: sign_up, Sign Up and signups."""
    return "".join(stem(word) for word in _WORD.findall(text))


class Vocabulary:
    """The names of an environment by their keys."""

    def __init__(self, names: Lexicon) -> None:
        self._names: dict[str, list[Meant]] = {}
        self._synonyms: dict[str, list[Meant]] = {}
        self._described: dict[str, list[Meant]] = {}
        events_of: dict[str, set[str]] = {}
        values: dict[tuple[str, str], set[str]] = {}
        for event, properties in names.events.items():
            self._add(self._names, event, Meant("event", event))
            for name, seen in properties.items():
                events_of.setdefault(name, set()).add(event)
                for text in seen:
                    values.setdefault((name, text), set()).add(event)
        self.properties = {name: Meant("property", name, frozenset(events)) for name, events in events_of.items()}
        for name, meant in self.properties.items():
            self._add(self._names, name, meant)
        for name in names.profile:
            self._add(self._names, name, Meant("profile", name))
        for kind, keys in (("segment", names.segments), ("flag", names.flags), ("report", names.reports)):
            for key in keys:
                self._add(self._names, key, Meant(kind, key))  # type: ignore[arg-type] # one of its literals
        for (name, text), events in values.items():
            self._add(self._names, text, Meant("value", name, frozenset(events), text))
        for name, texts in names.profile.items():
            for text in texts:
                self._add(self._names, text, Meant("profile_value", name, value=text))
        self._add_synonyms("event", SYNONYMS)
        self._add_synonyms("property", _SYNONYMS_OF_PROPERTIES)
        for event in names.events:
            for word in re.findall(r"[^\W\d_]{4,}", names.descriptions.get(event, "")):
                self._add(self._described, word, Meant("event", event))
        self._keys = list(self._names)

    def longest(self, words: Sequence[str]) -> Match | None:
        """The longest name that the words begin with."""
        for n in range(min(len(words), MOST_WORDS), 0, -1):
            key = "".join(key_of(word) for word in words[:n])
            if found := self._names.get(key):
                exactly = [one for one in found if _written(one) == " ".join(words[:n])]
                rest = [one for one in found if one not in exactly]
                return Match((*exactly, *rest), n)
        return None

    def synonym(self, words: Sequence[str]) -> Match | None:
        """The longest other word for a name: of the usual ones, then of the tracking plan's descriptions."""
        for n in range(min(len(words), MOST_WORDS), 0, -1):
            if found := self._synonyms.get("".join(key_of(word) for word in words[:n])):
                return Match(tuple(found), n, "another word for it")
        if found := self._described.get(key_of(words[0])):
            return Match(tuple(found), 1, "a word of its description")
        return None

    def near(self, word: str) -> Match | None:
        """The name that a misspelt word is nearest to."""
        key = key_of(word)
        if len(key) < _SHORTEST_MISSPELT:
            return None
        found = process.extract(key, self._keys, scorer=fuzz.ratio, score_cutoff=_ALIKE, limit=4)
        best = [name for name, score, _ in found if score == found[0][1]]
        meant = [one for name in best for one in self._names[name]]
        return Match(tuple(dict.fromkeys(meant)), 1, "spelt differently") if meant else None

    def named(self, name: str, kinds: Iterable[Kind]) -> Meant | None:
        """What exactly has this name."""
        for kind in kinds:
            for one in self._names.get(key_of(name), ()):
                if one.kind == kind and one.name == name:
                    return one
        return None

    def _add_synonyms(self, kind: Kind, groups: tuple[tuple[str, ...], ...]) -> None:
        for group in groups:
            there = [one for word in group for one in self._names.get(key_of(word), ()) if one.kind == kind]
            for word in group if there else ():
                for one in dict.fromkeys(there):
                    self._add(self._synonyms, word, one)

    @staticmethod
    def _add(index: dict[str, list[Meant]], name: str, meant: Meant) -> None:
        key = key_of(name)
        if key and meant not in index.setdefault(key, []):
            index[key].append(meant)


def _written(meant: Meant) -> str:
    return meant.value or meant.name


def texts_of(values: Iterable[Any], *, most: int = 50, longest: int = 60) -> tuple[str, ...]:
    """The texts of a property that people may write in a question: few, short, and not identifiers."""
    found = {text for text in values if isinstance(text, str) and 1 < len(text) <= longest}
    return tuple(sorted(found)) if len(found) <= most else ()
