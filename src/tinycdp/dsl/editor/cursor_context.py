"""The context of a cursor in an unfinished text: tokens, open brackets, dotted names.

Shape   split(source, position) → the tokens before and the word under it; chain_at(tokens, i) → the dotted names that
        end there; open_brackets(tokens) → the brackets still open after them
Laws    every text has an answer; comments do not count as tokens here
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from lark import Token

from tinycdp.dsl.check.signatures import AGGREGATES, AggregateShape
from tinycdp.dsl.tokens import CLOSERS, OPENERS, scan

#: Tokens that are still being typed while the cursor touches their end.
_GROWING = {"NAME", "NUMBER", "DURATION", "FOREIGN", "CMP", "BANG", "COMMENT", "BAD_NUMBER", "BAD_STRING", "BAD_NAME"}


class ChainName(NamedTuple):
    """One name of `a.b(…).c`."""

    name: str
    called: bool


@dataclass(frozen=True, slots=True)
class Bracket:
    """A bracket that is open at the cursor: what it calls, and how many commas it has so far."""

    opener: str
    links: tuple[ChainName, ...]
    commas: int

    @property
    def aggregate(self) -> AggregateShape | None:
        """The aggregate that this bracket calls; None if it calls anything else."""
        links = self.links
        return AGGREGATES.get(links[-1].name) if len(links) > 2 and links[0].name == "events" else None

    @property
    def event(self) -> str | None:
        """The event whose properties can be named here; None outside a `where`."""
        links = self.links
        if len(links) == 3 and links[0].name == "events" and links[2].name == "where":
            return links[1].name
        return None


class Chain(NamedTuple):
    """Dotted names, and the index of their first token."""

    start: int
    links: tuple[ChainName, ...]


def split(source: str, position: int) -> tuple[list[Token], Token | None]:
    """The tokens before the position, without comments, and the token at the position.

    The token at the position contains it or ends there; None if absent."""
    before: list[Token] = []
    for token in scan(source):
        start, end = token.start_pos or 0, token.end_pos or 0
        if start >= position:
            break
        growing = token.type in _GROWING or token.type.endswith("_KW")
        if end > position or (end == position and growing):
            return before, token
        if token.type != "COMMENT":
            before.append(token)
    return before, None


def chain_at(tokens: Sequence[Token], last: int) -> Chain | None:
    """The dotted names that end at tokens[last]; None if that token is not a name."""
    links: list[ChainName] = []
    i = last
    while i >= 0:
        called = tokens[i].type == "RPAR"
        if called:
            i = opener(tokens, i) - 1
        if i < 0 or tokens[i].type != "NAME":
            return None
        links.append(ChainName(tokens[i].value.strip("`"), called))
        if i == 0 or tokens[i - 1].type != "DOT":
            return Chain(i, tuple(reversed(links)))
        i -= 2
    return None


def opener(tokens: Sequence[Token], closer: int) -> int:
    """The index of the bracket that this one closes; -1 if absent."""
    depth = 0
    for i in range(closer, -1, -1):
        if tokens[i].type in CLOSERS:
            depth += 1
        elif tokens[i].type in OPENERS:
            depth -= 1
            if depth == 0:
                return i
    return -1


def open_brackets(tokens: Sequence[Token]) -> list[Bracket]:
    """The brackets still open after the tokens, outermost first."""
    found: list[Bracket] = []
    for i, token in enumerate(tokens):
        if token.type in OPENERS:
            chain = chain_at(tokens, i - 1) if token.type == "LPAR" and i and tokens[i - 1].type == "NAME" else None
            found.append(Bracket(token.type, chain.links if chain else (), 0))
        elif token.type in CLOSERS and found:
            found.pop()
        elif token.type == "COMMA" and found:
            found[-1] = replace(found[-1], commas=found[-1].commas + 1)
    return found


def closer(tokens: Sequence[Token], opener: int) -> int:
    """The index of the bracket that closes this one; the last token's if none does."""
    depth = 0
    for i in range(opener, len(tokens)):
        depth += (tokens[i].type in OPENERS) - (tokens[i].type in CLOSERS)
        if depth == 0:
            return i
    return len(tokens) - 1
