"""Asking in words: a text becomes a question, with everything that was not certain about it.

Shape   ask(text, names, today) → Understanding
Laws    pure. It never guesses silently: what it did not understand, what it assumed, and what else the text may mean
        are all in the result. ask(in_words(question)).question == question
Source  docs/how-to/ask.md
"""

from dataclasses import dataclass
from datetime import date

from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.questions.schemas import Question
from tinycdp.products.analytics.words.names import Lexicon
from tinycdp.products.analytics.words.reading import ParsedText
from tinycdp.products.analytics.words.state import Understood

LONGEST_TEXT = 1_000
_MOST_ALTERNATIVES = 5
_MOST_READINGS = 40


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a text was understood as.

    question      None if something is missing: then `missing` says what
    understood    spans of the text, and what each became
    ignored       spans that changed nothing, and why
    assumed       what the text does not say
    alternatives  what else it may mean"""

    question: Question | None
    understood: tuple[Understood, ...]
    ignored: tuple[Understood, ...]
    assumed: tuple[str, ...]
    alternatives: tuple[Question, ...]
    missing: str


def ask(text: str, names: Lexicon, today: date) -> Understanding:
    """What a text asks. Raises InvalidInput INVALID_QUESTION."""
    if len(text) > LONGEST_TEXT:
        raise InvalidInput(
            "INVALID_QUESTION", f"text: It has {len(text):,} characters; {LONGEST_TEXT:,} are allowed.", path="text"
        )
    parsed = ParsedText(text, names, today)
    reading = parsed.read()
    others: list[Question] = []
    choices = [(piece, choice) for piece, n in reading.options.items() for choice in range(1, n)]
    for piece, choice in choices[:_MOST_READINGS]:
        other = parsed.read({piece: choice})
        if other.question is None or len(other.ignored) > len(reading.ignored):
            continue
        if other.question not in (reading.question, *others):
            others.append(other.question)
    return Understanding(
        reading.question,
        tuple(reading.understood),
        tuple(sorted(reading.ignored, key=lambda one: one.start)),
        tuple(dict.fromkeys(reading.assumed)),
        tuple(others[:_MOST_ALTERNATIVES]),
        reading.missing,
    )
