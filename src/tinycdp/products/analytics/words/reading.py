"""Reads a question in words: the phrases of the grammar, one after another, into a draft.

Shape   ParsedText(text, names, today).read(choices) → TextReading: the question, and what became of each span
Laws    pure. A span that changes nothing is reported as ignored. A name with several meanings is a choice: the first is
        taken, and `choices` takes another
Source  grammar.lark; docs/how-to/ask.md
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

from lark import Lark, Token
from lark.lexer import Lexer

from tinycdp.products.analytics.words.draft import Incomplete, with_range
from tinycdp.products.analytics.words.how import How
from tinycdp.products.analytics.words.names import Lexicon
from tinycdp.products.analytics.words.pieces import pieces_of
from tinycdp.products.analytics.words.state import Phrase, Skip, TextReading, Understood
from tinycdp.products.analytics.words.what import What


class _Pieces(Lexer):
    """Gives the parser the terminals that pieces.py made."""

    def __init__(self, conf: Any) -> None:
        pass

    def lex(self, lexer_state: Any, parser_state: Any = None) -> Iterator[Token]:
        return iter(lexer_state)


@cache
def _parser() -> Lark:
    return Lark.open(
        "grammar.lark", rel_to=__file__, parser="earley", lexer=_Pieces, ambiguity="resolve", maybe_placeholders=False
    )


class ParsedText:
    """The phrases of a text; they are the same for every reading."""

    def __init__(self, text: str, names: Lexicon, today: date) -> None:
        self._text, self._names, self._today = text, names, today
        self._pieces = pieces_of(text, names.vocabulary, today)
        tokens: Any = [Token(piece.type, str(n)) for n, piece in enumerate(self._pieces)]
        tree: Any = _parser().parse(tokens)
        self._phrases = [Phrase(one, self._pieces) for one in tree.children]

    def read(self, choices: Mapping[int, int] = {}) -> TextReading:
        """One reading of the text."""
        return _Reader(self._text, self._names, self._today, self._pieces, choices).read(self._phrases)


class _Reader(What, How):
    def read(self, phrases: Sequence[Phrase]) -> TextReading:
        for phrase in phrases:
            try:
                meaning = getattr(self, f"on_{phrase.rule}")(phrase)
                self._reading.understood.append(Understood(phrase.start, phrase.end, meaning))
            except Skip as why:
                self._reading.ignored.append(Understood(phrase.start, phrase.end, str(why)))
            self._before = phrase.rule
        self._finish()
        return self._reading

    def _finish(self) -> None:
        draft, reading = self._draft, self._reading
        if self._report is not None:
            reading.question = with_range(self._report, draft.fields) if draft.has_range else self._report
            return
        self._place_pending()
        self._guess_property()
        self._events_of_group()
        for piece, value in self._loose:
            reading.ignored.append(Understood(piece.start, piece.end, f"no event here has the property {value.name}"))
        if not draft.kind and self._linked and len(draft.of("")) > 1:
            draft.kind = "funnel"
        try:
            reading.question = draft.question()
        except Incomplete as why:
            reading.missing = str(why)
        reading.assumed = draft.assumed
