"""What a request to ClickHouse says: its statement, format, settings and parameters.

Shape   ParsedStatement.of(sql) looks at the words outside quotes, comments and brackets
        Options.of(parameters) sorts the parameters of the address
        EngineError has ClickHouse's code, and the HTTP status for it
Laws    pure. SQL is never rewritten: it is cut before the data of an INSERT, and INTO OUTFILE is put before FORMAT
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

Lane = Literal["question", "feed", "control"]
#: In capitals, and where it begins and ends.
Word = tuple[str, int, int]

#: Parameters of an address that are neither settings nor parameters of the statement.
_TRANSPORT = frozenset(
    {
        "query",
        "database",
        "query_id",
        "default_format",
        "user",
        "password",
        "session_id",
        "session_timeout",
        "session_check",
        "quota_key",
        "role",
        "compress",
        "decompress",
        "buffer_size",
        "wait_end_of_query",
        "client_protocol_version",
        "enable_http_compression",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
    }
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(
    rb"""
    (?P<skip> \s+ | --[^\n]*(?:\n|$) | \#[ !][^\n]*(?:\n|$) | /\*.*?\*/ )
  | (?P<quoted> '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*` )
  | (?P<word> [A-Za-z_][A-Za-z0-9_]* )
  | (?P<open> [\(\[{] )
  | (?P<close> [\)\]}] )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_SELECTS = frozenset({"SELECT", "WITH", "FROM", "("})
_QUESTIONS = _SELECTS | {"SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK", ""}
_OF_A_SESSION = frozenset({"SET", "USE"})


class EngineError(Exception):
    """An error of ClickHouse: its code and its text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @classmethod
    def of(cls, text: str) -> "EngineError":
        """The error from ClickHouse's own message, which may have others around it."""
        found = re.search(r"Code: (\d+)\. ", text)
        return cls(int(found[1]), text[found.start() :]) if found else cls(UNKNOWN_EXCEPTION, text)

    @classmethod
    def because(cls, code: int, name: str, text: str) -> "EngineError":
        """An error that is found before ClickHouse sees the statement, in the same form."""
        return cls(code, f"Code: {code}. DB::Exception: {text} ({name})")

    @property
    def status(self) -> int:
        """The HTTP status. Never one that clients retry."""
        return _STATUSES.get(self.code, 500)


UNKNOWN_EXCEPTION = 1002
SYNTAX_ERROR = 62
AUTHENTICATION_FAILED = 516
_MISTAKES = (6, 26, 27, 36, 38, 41, 42, 43, 44, 46, 47, 48, 53, 57, 62, 70, 82, 115, 117, 386, 456, 457)
_STATUSES = dict.fromkeys(_MISTAKES, 400) | {60: 404, 81: 404, AUTHENTICATION_FAILED: 401}


class ParsedStatement(msgspec.Struct, frozen=True):
    """A statement, and the data that follow it.

    lane    which connections may run it
    format  that it names, for its data or for its result; "" without one
    format_at   where the word FORMAT stands in a statement with a result, else where it would
    data        what follows an INSERT in the same text
    takes_data  whether it is an INSERT of data
    is_select   whether its result may be large
    """

    sql: str
    lane: Lane
    format: str = ""
    format_at: int = 0
    data: bytes = b""
    takes_data: bool = False
    is_select: bool = False

    @classmethod
    def of(cls, text: bytes) -> "ParsedStatement":
        """The statement in a text. Raises EngineError if it is not one statement, or needs a session."""
        words = list(_words(text))
        first = _first(text)
        if first == "INSERT":
            return cls._insert(text, words)
        _forbid_more(text, words)
        _forbid_files(words)
        if first in _OF_A_SESSION:
            raise EngineError.because(
                48, "NOT_IMPLEMENTED", f"{first} needs a session; give settings with the statement, or in the address"
            )
        lane: Lane = "control" if first == "KILL" else "question" if first in _QUESTIONS else "feed"
        sql = _decoded(text).rstrip().removesuffix(";")
        name, at = _last_format(text, words)
        at = len(sql) if at is None else len(_decoded(text[:at]))
        return cls(sql, lane, name, at, is_select=first in _SELECTS)

    def into(self, path: str, format: str) -> str:
        """The statement, with its result written to a file that exists."""
        head, tail = self.sql[: self.format_at], self.sql[self.format_at :]
        return f"{head}\nINTO OUTFILE {quoted(path)} TRUNCATE {tail or f'FORMAT {format}'}"

    @classmethod
    def _insert(cls, text: bytes, words: "list[Word]") -> "ParsedStatement":
        _forbid_files(words)
        for (word, start, end), following in zip(words, [*words[1:], ("", len(text), len(text))], strict=True):
            if word == "VALUES":
                return cls(_decoded(text[:start]), "feed", "Values", data=text[end:], takes_data=True)
            if word == "FORMAT":
                name = text[following[1] : following[2]].decode()
                data = re.sub(rb"^[ \t\r]*(?:\n|;[ \t\r]*\n?)?", b"", text[following[2] :])
                return cls(_decoded(text[:start]), "feed", name, data=data, takes_data=True)
            if word in ("SELECT", "WITH"):
                _forbid_more(text, words)
                return cls(_decoded(text).rstrip().removesuffix(";"), "feed")
        return cls(_decoded(text).rstrip().removesuffix(";"), "feed", takes_data=True)

    @staticmethod
    def is_whole(text: bytes) -> bool:
        """Whether a text that is still arriving already says where the data of its INSERT begin."""
        words = [word for word, _, _ in _words(text)]
        if not words or words[0] != "INSERT":
            return False
        for n, word in enumerate(words):
            if word == "VALUES":
                return True
            if word == "FORMAT":
                return n + 1 < len(words) and re.search(rb"FORMAT\s+\w+\s", text, re.IGNORECASE) is not None
            if word in ("SELECT", "WITH"):
                return False
        return False


class Options(msgspec.Struct, frozen=True):
    """What the parameters of an address say beside the statement.

    waits  whether nothing of the answer is sent before all of it is there
    """

    database: str = ""
    query_id: str = ""
    format: str = "TabSeparated"
    waits: bool = False
    settings: Mapping[str, str] = {}
    parameters: Mapping[str, str] = {}

    @classmethod
    def of(cls, given: Iterable[tuple[str, str]]) -> "Options":
        """Sort them. Raises EngineError for a name that is not a setting's."""
        settings, parameters, transport = {}, {}, {}
        for name, value in given:
            if name in _TRANSPORT:
                transport[name] = value
            elif name.startswith("param_"):
                parameters[name.removeprefix("param_")] = value
            elif _NAME.fullmatch(name):
                settings[name] = value
            else:
                raise EngineError.because(115, "UNKNOWN_SETTING", f"Setting {name} is neither a builtin setting")
        return cls(
            database=transport.get("database", ""),
            query_id=transport.get("query_id", ""),
            format=transport.get("default_format") or "TabSeparated",
            waits=transport.get("wait_end_of_query", "0") in ("1", "true"),
            settings=settings,
            parameters=parameters,
        )


def quoted(text: str) -> str:
    """A text as a literal of ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _words(text: bytes) -> Iterator[Word]:
    """The words outside quotes, comments and brackets, in capitals, and each `;`, with where they stand.

    It stops at the data of an INSERT, which may be anything."""
    depth, first, before = 0, "", ""
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
        elif depth == 0 and (kind == "word" or token[0] == b";"):
            word = token[0].decode().upper()
            yield word, token.start(), token.end()
            first = first or word
            if first == "INSERT" and (word == "VALUES" or before == "FORMAT"):
                return
            before = word


def _forbid_more(text: bytes, words: "list[Word]") -> None:
    ends = [end for word, _, end in words if word == ";"]
    if ends and _first(text[ends[0] :]) not in ("", ";"):
        raise EngineError.because(SYNTAX_ERROR, "SYNTAX_ERROR", "Multi-statements are not allowed")


def _first(text: bytes) -> str:
    """The first word, or bracket, in capitals; "" without one."""
    for token in _TOKEN.finditer(text):
        if token.lastgroup != "skip":
            return token[0].decode(errors="replace").upper()
    return ""


def _last_format(text: bytes, words: "list[Word]") -> tuple[str, int | None]:
    """The name after the last FORMAT, if nothing but settings follows it, and where that FORMAT stands."""
    ending = [word for word in words if word[0] != ";"]
    for n in reversed(range(1, len(ending) - 1)):
        if ending[n][0] == "FORMAT" and (n + 2 == len(ending) or ending[n + 2][0] == "SETTINGS"):
            return text[ending[n + 1][1] : ending[n + 1][2]].decode(), ending[n][1]
    return "", None


def _forbid_files(words: "list[Word]") -> None:
    for (word, _, _), (following, _, _) in itertools.pairwise(words):
        if (word, following) in (("INTO", "OUTFILE"), ("FROM", "INFILE")):
            raise EngineError.because(358, "INTO_OUTFILE_NOT_ALLOWED", f"{word} {following} is not allowed")


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as wrong:
        raise EngineError.because(SYNTAX_ERROR, "SYNTAX_ERROR", f"The statement is not UTF-8: {wrong}") from None
