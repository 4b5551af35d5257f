"""Read definition files: every mistake of every file at once, each with its place.

Shape   read_sources(paths) → Sources: the documents, the changes they ask for, and where each field is ·
        InvalidFiles with the problems of all files · Sources.problem_of(…) puts a diagnostic in its place
Laws    what it rejects, `check`, `plan` and `apply` reject, in the same words. A problem is never an exception.
        A YAML value that reads as another type than it looks, such as `on`, is named as written, with the remedy
Units   lines and columns count from 1; a path is a JSONPath into its document
Errors  InvalidFiles FILE_MALFORMED, INVALID_DOCUMENT, INVALID_KEY, INVALID_FLAG · FILE_UNREADABLE
Source  docs/reference/cli.md
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from tinycdp.dsl.fields import valid_instead
from tinycdp.engine.catalog import Name
from tinycdp.errors import InvalidInput
from tinycdp.runtime.definitions.change_set import every_kind, read_entry
from tinycdp.runtime.definitions.changes import Change

_YAML = "tag:yaml.org,2002:"
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
#: `key: value`, where the value begins with a character that YAML reads as something else than text.
_MEANT_AS_TEXT = re.compile(r"""^\s*(?:-\s+)?[\w."'-]+\s*:\s+(?P<value>[!&*@`%|>"'\[{].*)$""")
_MOST_PROBLEMS = 50
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value is, and how it is written if it is a plain scalar."""

    line: int | None = None
    column: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, which definition it is in, and what to do."""

    file: str
    mark: Mark
    definition: str
    field: str
    message: str

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.mark.line, self.mark.column) if part is not None)
        subject = ", ".join(part for part in (self.definition, self.field) if part)
        return f"{place}: {subject + ': ' if subject else ''}{self.message}"


class InvalidFiles(InvalidInput):
    """Files with mistakes.

    `details["problems"]` lists them."""

    def __init__(self, code: str, problems: Sequence[Problem]) -> None:
        shown = [str(problem) for problem in problems[:_MOST_PROBLEMS]]
        if len(problems) > _MOST_PROBLEMS:
            shown.append(f"and {len(problems) - _MOST_PROBLEMS} more")
        listed = [
            {"file": p.file, "line": p.mark.line, "column": p.mark.column, "definition": p.definition, "path": p.field,
             "message": p.message}
            for p in problems
        ]  # fmt: skip
        super().__init__(code, "\n".join(shown), problems=listed)
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Document:
    """One document of a file, with the mark of each value by its path."""

    file: str
    value: dict[str, Any]
    marks: Mapping[str, Mark] = field(default_factory=dict)

    def mark(self, path: str) -> Mark:
        """The mark of a value, or of the nearest one around it that is in the file."""
        while path not in self.marks and path != "$":
            path = re.sub(r"(?:\.[^.\[\]]*|\[[^\[\]]*\])$", "", path) or "$"
            if not path.startswith("$"):
                return Mark()
        return self.marks.get(path, Mark())


@dataclass(frozen=True)
class Sources:
    """The definitions of some files.

    places  the document and the path of each definition"""

    documents: tuple[Document, ...]
    changes: tuple[Change, ...]
    places: Mapping[Name, tuple[Document, str]]

    def entry(self, name: Name) -> dict[str, Any]:
        """A definition as it is written; empty if no file has it."""
        if name not in self.places:
            return {}
        document, path = self.places[name]
        return dict(document.value[f"{name[0]}s"][int(path[path.index("[") + 1 : -1])])

    def place_of(self, name: Name, field: str = "") -> tuple[str, Mark]:
        """The file of a definition, and where one of its fields is; a definition that no file has is in none."""
        if name not in self.places:
            return "", Mark()
        document, path = self.places[name]
        return document.file, document.mark(f"{path}{field}")


def read_sources(paths: Iterable[Path]) -> Sources:
    """The definitions of JSON and YAML files. Raises InvalidFiles with all mistakes of all files."""
    problems: list[Problem] = []
    codes: list[str] = []
    documents: list[Document] = []
    for path in paths:
        try:
            documents += documents_of(path)
        except InvalidFiles as wrong:
            problems += wrong.problems
            codes.append(wrong.code)
    changes: list[Change] = []
    places: dict[Name, tuple[Document, str]] = {}
    for document in documents:
        for code, problem in _read(document, changes, places):
            codes.append(code)
            problems.append(problem)
    if problems:
        raise InvalidFiles(codes[0], problems)
    return Sources(tuple(documents), tuple(changes), places)


def _read(
    document: Document, changes: list[Change], places: dict[Name, tuple[Document, str]]
) -> Iterator[tuple[str, Problem]]:
    """Add the changes of a document; yield what is wrong with it."""

    def problem(path: str, message: str, definition: str = "", code: str = "INVALID_DOCUMENT") -> tuple[str, Problem]:
        return code, Problem(document.file, document.mark(path), definition, path, message)

    lists = {kind: f"{kind}s" for kind in every_kind()}
    for name in document.value:
        if name not in lists.values():
            yield problem(f"$.{name}", f"unknown key `{name}`. {valid_instead(name, list(lists.values()))}")
    for kind, listed in lists.items():
        entries = document.value.get(listed)
        if entries is None:
            continue
        if not isinstance(entries, list):
            yield problem(f"$.{listed}", f"`{listed}` is a list of {listed}, each with its `key`.")
            continue
        for n, entry in enumerate(entries):
            path = f"$.{listed}[{n}]"
            key = entry.get("key") if isinstance(entry, dict) else None
            definition = f"{kind} {key!r}" if isinstance(key, str) else kind
            try:
                change = read_entry(kind, entry, path)
            except InvalidInput as wrong:
                one = {"path": wrong.details.get("path", path), "message": wrong.message}
                for fault in wrong.details.get("problems", [one]):
                    where = fault["path"]
                    message = _with_remedy(document.mark(where), fault["message"].removeprefix(f"{where}: "))
                    yield problem(where, message, definition, wrong.code)
                continue
            name_of = (change.kind, change.key)
            if name_of in places:
                other, first = places[name_of]
                line = other.mark(first).line
                at = f"{other.file}:{line}" if line is not None else other.file
                yield problem(path, f"the {kind} is defined twice; it is in {at} already. Keep one.", definition)
                continue
            changes.append(change)
            places[name_of] = (document, path)


def _with_remedy(mark: Mark, message: str) -> str:
    """The message, and what to do if YAML read the value as another type than it looks."""
    if mark.text.lower() in _WORDS and "quote" not in message:
        return f'{message} YAML reads {mark.text} as {str(_WORDS[mark.text.lower()]).lower()}; quote it: "{mark.text}".'
    if mark.text and _is_number(mark.text) and "number" in message:
        return f'{message} YAML reads {mark.text} as a number; quote it: "{mark.text}".'
    return message


def _is_number(text: str) -> bool:
    try:
        Decimal(text.replace("_", ""))
    except InvalidOperation:
        return False
    return True


def documents_of(path: Path) -> list[Document]:
    file = str(path)

    def malformed(message: str, mark: Mark = Mark()) -> InvalidFiles:
        return InvalidFiles("FILE_MALFORMED", [Problem(file, mark, "", "", message)])

    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{error.strerror}. Name an existing file, or a folder with definition files."
        raise InvalidFiles("FILE_UNREADABLE", [Problem(file, Mark(), "", "", message)]) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        message = f"the file is not UTF-8: byte {wrong.start} is {data[wrong.start]:#04x}. Save it as UTF-8."
        raise malformed(message, Mark(line, wrong.start - data.rfind(b"\n", 0, wrong.start))) from wrong
    try:
        found = _of_json(file, text) if path.suffix == ".json" else _of_yaml(file, text)
    except RecursionError:
        raise malformed("the values nest too deeply.") from None
    if not found:
        raise malformed("the file is empty. Give it a list such as `traits`, `segments` or `flags`, or remove it.")
    expected = "a definition file is a mapping with lists such as `traits`, `segments` or `flags`."
    wrong_ones = [Problem(file, d.mark("$"), "", "", expected) for d in found if not isinstance(d.value, dict)]
    if wrong_ones:
        raise InvalidFiles("FILE_MALFORMED", wrong_ones)
    return found


def _of_json(file: str, text: str) -> list[Document]:
    problems: list[Problem] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        whole = dict(items)
        if len(whole) < len(items):
            names = [name for name, _ in items]
            twice = next(name for name in names if names.count(name) > 1)
            problems.append(Problem(file, Mark(), "", twice, f"the key `{twice}` is in one object twice. Keep one."))
        return whole

    def constant(name: str) -> Any:
        problems.append(Problem(file, Mark(), "", "", f"{name} is not a number of JSON."))

    if not text.strip():
        return []
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=constant, object_pairs_hook=pairs)
    except json.JSONDecodeError as wrong:
        mark = Mark(wrong.lineno, wrong.colno)
        raise InvalidFiles("FILE_MALFORMED", [Problem(file, mark, "", "", f"not JSON: {wrong.msg}.")]) from wrong
    except ValueError as wrong:
        raise InvalidFiles(
            "FILE_MALFORMED", [Problem(file, Mark(), "", "", "a number has too many digits.")]
        ) from wrong
    if problems:
        raise InvalidFiles("FILE_MALFORMED", problems)
    try:
        marks = next(iter(_of_yaml(file, text))).marks
    except (InvalidFiles, StopIteration):  # not all of JSON is YAML, such as tabs; then places have no line
        marks = {}
    return [Document(file, value, marks)]


def _of_yaml(file: str, text: str) -> list[Document]:
    problems = list(_surprises(file, text))
    found: list[Document] = []
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == f"{_YAML}null"):
                continue
            reader = _Reader(file)
            value = reader.value(node, "$", 0)
            problems += reader.problems
            found.append(Document(file, value, reader.marks))
    except yaml.YAMLError as wrong:
        problems.append(_in_words(file, text, wrong))
    if problems:
        unique = {(p.mark.line, p.mark.column): p for p in reversed(problems)}
        raise InvalidFiles(
            "FILE_MALFORMED", sorted(unique.values(), key=lambda p: (p.mark.line or 0, p.mark.column or 0))
        )
    return found


def _surprises(file: str, text: str) -> Iterator[Problem]:
    """Tags, anchors and aliases: definitions use none, so they are expressions that want quotes."""
    try:
        for event in yaml.parse(text, Loader=_Loader):
            mark = Mark(event.start_mark.line + 1, event.start_mark.column + 1)
            written = text[event.start_mark.index :].partition("\n")[0].strip()
            if isinstance(event, yaml.AliasEvent):
                yield Problem(file, mark, "", "", f"`*` begins an alias of YAML. {_quoted(written)}")
            elif getattr(event, "anchor", None) is not None:
                yield Problem(file, mark, "", "", f"`&` begins an anchor of YAML. {_quoted(written)}")
            elif getattr(event, "tag", None) is not None:
                yield Problem(file, mark, "", "", f"`!` begins a tag of YAML. {_quoted(written)}")
    except yaml.YAMLError:
        return  # composing reports it


def _quoted(written: str) -> str:
    return f"Quote the expression: '{written.replace(chr(39), chr(39) * 2)}'."


def _in_words(file: str, text: str, wrong: yaml.YAMLError) -> Problem:
    """What the YAML reader says, with the remedy for the usual causes."""
    at = getattr(wrong, "problem_mark", None) or getattr(wrong, "context_mark", None)
    if at is None:
        place = getattr(wrong, "position", None)
        number = text.count("\n", 0, place) + 1 if isinstance(place, int) else None
        return Problem(file, Mark(number), "", "", "the file has a character that YAML does not allow. Remove it.")
    mark = Mark(at.line + 1, at.column + 1)
    lines = text.split("\n")
    line = lines[at.line] if at.line < len(lines) else ""
    said = str(getattr(wrong, "problem", None) or "not YAML")
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in said:
        return Problem(file, mark, "", "", "a tab is no indentation in YAML. Use spaces.")
    if (meant := _MEANT_AS_TEXT.match(line)) is not None:
        return Problem(file, mark, "", "", f"not YAML: {said}. {_quoted(meant['value'].strip())}")
    if "mapping values are not allowed" in said:
        message = "not YAML: a second `: ` in one line. Quote the value, or check the indentation."
        return Problem(file, mark, "", "", message)
    return Problem(file, mark, "", "", f"not YAML: {said}.")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads an instant as text, as JSON does."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in {f"{_YAML}timestamp", f"{_YAML}merge"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Reader:
    """Makes values of the nodes of one document, and notes where each is."""

    def __init__(self, file: str) -> None:
        self.marks: dict[str, Mark] = {}
        self.problems: list[Problem] = []
        self._file = file

    def value(self, node: yaml.Node, path: str, depth: int) -> Any:
        plain = node.value if isinstance(node, yaml.ScalarNode) and node.style is None else ""
        mark = self.marks[path] = Mark(node.start_mark.line + 1, node.start_mark.column + 1, plain)
        if depth > _DEEPEST:
            self._problem(mark, path, "the values nest too deeply.")
            return None
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        return self._scalar(node, mark, path)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, item in node.value:
            at = Mark(name.start_mark.line + 1, name.start_mark.column + 1)
            if not isinstance(name, yaml.ScalarNode):
                self._problem(at, path, "a key is a word or a quoted text.")
                continue
            key = name.value
            if name.tag != f"{_YAML}str":
                read = name.tag.removeprefix(_YAML)
                as_ = str(_WORDS.get(key.lower(), "")).lower() if read == "bool" else f"a {read}"
                self._problem(
                    at, f"{path}.{key}", f'YAML reads the key {key or "(empty)"} as {as_}; quote it: "{key}".'
                )
            if key in found:
                self._problem(at, f"{path}.{key}", f"the key `{key}` is here twice. Keep one.")
            found[key] = self.value(item, f"{path}.{key}", depth + 1)
        return found

    def _scalar(self, node: yaml.ScalarNode, mark: Mark, path: str) -> Any:
        text, kind = str(node.value), node.tag.removeprefix(_YAML)
        match kind:
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return _WORDS[text.lower()]
            case "int" | "float":
                number = _number(text, kind)
                if number is None:
                    self._problem(mark, path, f"`{text[:40]}` is not a number of JSON; quote it if it is text.")
                return number
        self._problem(mark, path, _quoted(f"{node.tag}{' ' + text if text else ''}"))
        return None

    def _problem(self, mark: Mark, path: str, message: str) -> None:
        self.problems.append(Problem(self._file, mark, "", path, message))


def _number(text: str, kind: str) -> int | Decimal | None:
    """The number, exactly; None for what only YAML writes so, such as .inf, 0x1F, 017 and 1:30."""
    try:
        number = Decimal(text.replace("_", ""))
        plain = re.fullmatch(r"[-+]?(?:0|[1-9][0-9_]*)", text) is not None
        if not number.is_finite() or (kind == "int" and not plain):
            return None
        return int(number) if kind == "int" else number
    except (ArithmeticError, ValueError):
        return None
