"""A text as the terminals of the grammar: keywords, names, numbers, dates, quoted texts.

Shape   pieces_of(text, vocabulary, today) → pieces, in order; words that only join others are left out
Laws    a name of more words goes before a keyword of fewer. What is neither is UNKNOWN, never left out
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.products.analytics.words.names import Match, Vocabulary

_UNITS = ("hour", "day", "week", "month", "quarter", "year")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT_WEEKDAYS = {"mon": 0, "tue": 1, "tues": 1, "wed": 2, "thu": 3, "thur": 3, "thurs": 3, "fri": 4}
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

#: Words that join others, and mean nothing of their own.
FILLERS = frozenset(
    """
    a an the of in all show me give tell what whats is are was were be been did do does has have had please much our my
    their its it who that which and with we us you i get got there at as during want know see list find out graph chart
    plot result results made make but
    """.split()  # noqa: SIM905
)

_AGGREGATES = {
    "sum": "sum sum-of total totals", "avg": "average avg mean", "min": "minimum min smallest lowest",
    "max": "maximum max largest highest biggest", "distinct": "distinct unique different distinct-values",
    "median": "median",
}  # fmt: skip
#: Words of a keyword are joined by "-"; alternatives stand beside each other.
_KEYWORDS: dict[str, str] = {
    "ACTIVE": "active",
    "ADOPTION": "adoption adoption-of adopted",
    "AFTER": "after after-step after-steps",
    "ALSO": "also",
    "AMONG": "among",
    "ANY": "any every-event",
    "ANY_ORDER": "in-any-order any-order",
    "APPROXIMATE": "approximately approximate roughly",
    "AS_NOW": "as-of-now",
    "ATTRIBUTED": "attributed-to",
    "BETWEEN": "between",
    "BINS": "bins in-bins",
    "BRACKETS": "brackets",
    "BY": "by split-by broken-down-by grouped-by group-by for-each by-each",
    "CALENDAR": "calendar",
    "COMPARE": "compared-to compared-with compare-to compare-with versus vs against",
    "CONTEXT": "context",
    "CONTROL": "control",
    "CONVERSION": "conversion conversions conversion-rate convert converted converting",
    "COUNT": "number number-of count count-of how-often-was number-of-times total-number total-number-of",
    "COUNTING": "counting",
    "CUMULATIVE": "cumulative cumulatively running-total",
    "DEPTH": "depth",
    "DERIVED": "derived",
    "EITHER": "either",
    "ELAPSED": "elapsed",
    "ENDING": "ending-with ending-at",
    "EVENT": "event events",
    "EXCLUDING": "excluding without except leaving-out",
    "EXPERIMENT": "experiment a/b-test ab-test test-results experiment-results",
    "FIRST": "first",
    "FIRST_TIME": "first-time",
    "FOR": "for",
    "FORMULA": "formula",
    "FREQUENCY": "frequency how-often frequency-of",
    "FROM": "from",
    "FUNNEL": "funnel",
    "GAP": "gap with-a-gap-of gap-of",
    "GROUP": "group groups",
    "GROUPING": "grouping",
    "HOLDING": "holding",
    "HOW_MANY": "how-many",
    "IMPACT": "impact effect impact-of",
    "LABELLED": "labelled-by",
    "LAST": "last past previous",
    "LIFECYCLE": "lifecycle life-cycle",
    "METRIC": "metric",
    "NAMED": "named",
    "OF_STEP": "of-the-step-before",
    "ON": "on",
    "ON_OR_AFTER": "on-or-after",
    "OR": "or",
    "PATHS": "paths journeys",
    "PEOPLE": "people users person user customers customer persons visitors visitor members",
    "PER": "per each every divided-by",
    "PERIOD": "period before the-period-before",
    "PERIODS": "periods",
    "PROFILE": "profile profile's",
    "PROPERTY": "property trait",
    "RECURRING": "recurring",
    "RETENTION": "retention retained",
    "RETURNING": "returning-with coming-back-with coming-back-to returning-to",
    "ROLLING": "rolling rolling-mean-of moving-average",
    "SAMPLE": "sample a-sample-of sample-of",
    "SEGMENT": "segment",
    "SESSIONS": "sessions session visits-and-length",
    "SINCE": "since",
    "SKIP": "over-time",
    "STARTING": "starting-with starting-at",
    "STEP": "step",
    "STICKINESS": "stickiness sticky",
    "STRICT": "in-strict-order strictly",
    "THEN": "then and-then followed-by ->",
    "THIS": "this",
    "TIMES": "times",
    "TO": "to through",
    "TODAY": "today",
    "TOP": "top most-common most-frequent",
    "TWICE": "twice",
    "UNTIL": "until before-the till",
    "WHERE": "where whose when-the",
    "WITHIN": "within",
    "YESTERDAY": "yesterday",
}
#: "People who did not …" is a comparison, too.
_NOT = (
    "not non never did-not do-not does-not have-not has-not are-not were-not was-not didn't don't doesn't haven't "
    "hasn't aren't weren't wasn't isn't didn’t don’t doesn’t haven’t hasn’t aren’t weren’t wasn’t isn’t"
)
_COMPARISONS = {
    ">": "over above more-than greater-than exceeding", ">=": "at-least", "<": "under below less-than fewer-than",
    "<=": "at-most up-to", "!=": f"{_NOT} is-not other-than", "==": "equals equal-to exactly",
}  # fmt: skip
_LY = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter", "yearly": "year"}
_XAU = {"dau": "day", "wau": "week", "mau": "month"}

_PIECES = re.compile(
    r"""(?P<QUOTED>"(?:\\.|[^"\\])*"|“[^”]*”)
      | (?P<DATE>\d{4}-\d\d-\d\d(?:T\d\d:\d\d[\d:.]*(?:Z|[+-]\d\d:\d\d)?)?)
      | (?P<DURATION>\d+(?:ms|[smhdw])\b)
      | (?P<AGG>p\d{1,2}\b)
      | (?P<NUMBER>[$€£]?-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)
      | (?P<ARROW>->|→)
      | (?P<CMP>>=|<=|!=|==?|>|<)
      | (?P<OPEN>\()
      | (?P<WORD>[^\W\d]\w*(?:['’/]\w+)*)
      | (?P<SPACE>[\s,;:.?!)–—]+|-)
      | (?P<OTHER>.)""",
    re.VERBOSE | re.DOTALL,
)
_POSSESSIVE = re.compile(r"['’]s?\Z")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\Z")


@dataclass(frozen=True, slots=True)
class Piece:
    """A terminal of the grammar.

    value        of a number, date, duration, unit or quoted text
    start, end   where it stands in the text
    match        what a name may mean"""

    type: str
    value: Any
    start: int
    end: int
    match: Match | None = None


@dataclass(frozen=True, slots=True)
class _Raw:
    type: str
    text: str
    start: int
    end: int


def _phrases() -> dict[tuple[str, ...], tuple[str, Any]]:
    found: dict[tuple[str, ...], tuple[str, Any]] = {}
    for type, spellings in _KEYWORDS.items():
        found |= {tuple(one.split("-")): (type, one) for one in spellings.split() if one != "->"}
    for type, table in (("AGG", _AGGREGATES), ("CMP", _COMPARISONS)):
        for value, spellings in table.items():
            found |= {tuple(one.split("-")): (type, value) for one in spellings.split()}
    for unit in _UNITS:
        found |= {(unit,): ("UNIT", unit), (f"{unit}s",): ("UNIT", unit)}
    found |= {(f"q{n}",): ("QUARTER", n) for n in range(1, 5)}
    for n, month in enumerate(_MONTHS, 1):
        found |= {(month,): ("MONTH", n), (month[:3],): ("MONTH", n)} if month != "may" else {(month,): ("MONTH", n)}
    found |= {(day,): ("WEEKDAY", n) for n, day in enumerate(_WEEKDAYS)}
    found |= {(day,): ("WEEKDAY", n) for day, n in _SHORT_WEEKDAYS.items()}
    found |= {(word,): ("LY", unit) for word, unit in _LY.items()}
    found |= {(word,): ("XAU", unit) for word, unit in _XAU.items()}
    found |= {(word,): ("NUMBER", Decimal(n)) for n, word in enumerate(_NUMBERS)}
    return found


_PHRASES = _phrases()
_LONGEST_PHRASE = max(map(len, _PHRASES))


def pieces_of(text: str, vocabulary: Vocabulary, today: date) -> list[Piece]:
    """The terminals of a text."""
    raw = list(_raw(text))
    found: list[Piece] = []
    at = 0
    while at < len(raw):
        piece, used = _piece(raw, at, vocabulary, today)
        if piece is not None:
            found.append(piece)
        at += used
    return found


def _raw(text: str) -> Iterator[_Raw]:
    at, before = 0, ""
    while at < len(text):
        match = _PIECES.match(text, at)
        assert match is not None  # OTHER is any character
        type, end = match.lastgroup or "OTHER", match.end()
        if type == "OPEN":
            if before in ("where", "formula") and (closed := _closing(text, at)) is not None:
                yield _Raw("EXPR", text[at + 1 : closed], at, closed + 1)
                end = closed + 1
        elif type != "SPACE":
            yield _Raw(type, _POSSESSIVE.sub("", match[0]), at, end)
            before = match[0].lower()
        at = end


def _closing(text: str, at: int) -> int | None:
    """Where the parenthesis that opens here closes; what stands in quotes does not count."""
    depth, quote = 0, ""
    while at < len(text):
        character = text[at]
        if quote:
            if character == "\\" and quote != "`":
                at += 1
            elif character == quote:
                quote = ""
        elif character in "\"'`":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return at
        at += 1
    return None


def _piece(raw: Sequence[_Raw], at: int, vocabulary: Vocabulary, today: date) -> tuple[Piece | None, int]:
    """The terminal that begins here, if it is one, and how many pieces it takes."""
    one = raw[at]

    def made(type: str, value: Any, used: int = 1, match: Match | None = None) -> tuple[Piece, int]:
        return Piece(type, value, one.start, raw[at + used - 1].end, match), used

    match one.type:
        case "QUOTED":
            text = one.text
            try:
                return made("QUOTED", msgspec.json.decode(text) if text[0] == '"' else text[1:-1])
            except msgspec.DecodeError:
                return made("QUOTED", text[1:-1])
        case "EXPR" | "DATE" | "DURATION" | "AGG":
            return made(one.type, one.text)
        case "ARROW":
            return made("THEN", "then")
        case "CMP":
            return made("CMP", "==" if one.text == "=" else one.text)
        case "NUMBER":
            return _number(raw, at, today) or made("NUMBER", Decimal(one.text.lstrip("$€£").replace(",", "")))
        case "OTHER":
            return made("UNKNOWN", one.text)
    words = _words(raw, at)
    keyword = _keyword(words)
    named = vocabulary.longest(words)
    if keyword is not None and (named is None or len(keyword[0]) >= named.words):
        (phrase, (type, value)) = keyword
        day = _day_of_month(raw, at, value, today) if type == "MONTH" else None
        return day or (made(type, value, len(phrase)) if type != "SKIP" else (None, len(phrase)))
    if named is not None:
        return made("NAME", " ".join(words[: named.words]), named.words, named)
    if words[0].lower() in FILLERS:
        return None, 1
    if found := vocabulary.synonym(words) or vocabulary.near(words[0]):
        return made("NAME", " ".join(words[: found.words]), found.words, found)
    return made("UNKNOWN", one.text)


def _words(raw: Sequence[_Raw], at: int) -> list[str]:
    """The words from here on, numbers among them included."""
    found = []
    for one in raw[at : at + 8]:
        if one.type not in ("WORD", "NUMBER"):
            break
        found.append(one.text)
    return found


def _keyword(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, Any]] | None:
    lowered = [word.lower() for word in words[:_LONGEST_PHRASE]]
    for n in range(len(lowered), 0, -1):
        if found := _PHRASES.get(phrase := tuple(lowered[:n])):
            return phrase, found
    return None


def _number(raw: Sequence[_Raw], at: int, today: date) -> tuple[Piece, int] | None:
    """A number that is a year, or the day of a month that follows."""
    one = raw[at]
    if not one.text.isdigit():
        return None
    before = raw[at - 1].text.lower() if at else ""
    month = _PHRASES.get((before,), ("", 0))[0] in ("MONTH", "QUARTER")
    if len(one.text) == 4 and "1970" <= one.text < "2300" and (month or before in ("in", "of", "during", "year")):
        return Piece("YEAR", int(one.text), one.start, one.end), 1
    rest = [two.text.lower() for two in raw[at + 1 : at + 4]]
    ordinal = 1 if rest and _ORDINAL.fullmatch(rest[0]) else 0
    filler = ordinal + 1 if rest[ordinal : ordinal + 1] == ["of"] else ordinal
    month_word = rest[filler : filler + 1]
    if not month_word or (found := _PHRASES.get((month_word[0],))) is None or found[0] != "MONTH":
        return None
    used = filler + 2
    year, more = _year_after(raw, at + used)
    return _dated(int(one.text), found[1], year, today, raw, at, used + more)


def _day_of_month(raw: Sequence[_Raw], at: int, month: int, today: date) -> tuple[Piece, int] | None:
    """March 5, or March 5 2026."""
    day = raw[at + 1].text if at + 1 < len(raw) and raw[at + 1].type == "NUMBER" else ""
    if not day.isdigit() or len(day) > 2:
        return None
    used = 3 if at + 2 < len(raw) and _ORDINAL.fullmatch(raw[at + 2].text.lower()) else 2
    year, more = _year_after(raw, at + used)
    return _dated(int(day), month, year, today, raw, at, used + more)


def _year_after(raw: Sequence[_Raw], at: int) -> tuple[int | None, int]:
    if at < len(raw) and raw[at].type == "NUMBER" and len(raw[at].text) == 4 and raw[at].text.isdigit():
        return int(raw[at].text), 1
    return None, 0


def _dated(
    day: int, month: int, year: int | None, today: date, raw: Sequence[_Raw], at: int, used: int
) -> tuple[Piece, int] | None:
    """Without a year, the newest such day."""
    try:
        found = date(year or today.year, month, day)
        if year is None and found > today:
            found = date(today.year - 1, month, day)
    except ValueError:
        return None
    return Piece("DATE", found.isoformat(), raw[at].start, raw[at + used - 1].end), used
