"""`query`: ask analytics, in words or with a question in a file."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinycdp.cli.options import REMOTE, Misuse, command
from tinycdp.cli.project import project_of
from tinycdp.errors import InvalidInput
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands

_FILES = (".json", ".yaml", ".yml")
_WIDTH_OF_FILES = 120


def add_to(commands: "Commands") -> None:
    query = command(commands, "query", run_query, "ask analytics, in words or with a question in a file", REMOTE)
    query.add_argument(
        "question", nargs="+", metavar="FILE|TEXT", help="a question as YAML or JSON, - for standard input, or words"
    )
    add_format(query)


def run_query(arguments: argparse.Namespace, settings: Settings) -> int:
    question = _question(arguments.question)
    project = project_of(settings)
    answer = _asked(project.ask(question)) if isinstance(question, str) else project.query(question)
    show_answer(answer, arguments.format)
    return 0


def add_format(to: argparse.ArgumentParser) -> None:
    """The option that says how answers are shown."""
    to.add_argument("--format", choices=("table", "json", "csv"), default="table", help="default: table")


def show_answer(answer: dict[str, Any], format: str) -> None:
    """Print an answer."""
    from tinycdp.cli.analytics.answers import as_text

    if format == "json":
        show_json(answer)
    elif format == "csv":
        for warning in answer.get("warnings", ()):
            print(f"warning: {warning['path']}: {warning['message']}", file=sys.stderr)
        print(as_csv(answer), end="")
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH_OF_FILES
        print(as_text(answer, width))


def as_csv(answer: dict[str, Any]) -> str:
    """The file of the answer, as an export has it."""
    import msgspec

    from tinycdp.products.analytics.answers.schemas import Answer
    from tinycdp.products.analytics.files.tables import table_of
    from tinycdp.products.analytics.files.writers import csv_parts

    try:
        found = msgspec.convert(answer, Answer)
    except msgspec.ValidationError as wrong:
        message = (
            f"The server answers in another form ({wrong}). Use the command line of its version, or --format json."
        )
        raise InvalidInput("SERVER_UNEXPECTED", message) from wrong
    return b"".join(csv_parts(table_of(found))).decode()


def show_json(value: dict[str, Any]) -> None:
    """Print what the server sent, with its exact numbers."""
    import msgspec

    encoded = msgspec.json.Encoder(decimal_format="number").encode(value)
    print(msgspec.json.format(encoded, indent=2).decode())


def _question(given: list[str]) -> dict[str, Any] | str:
    """A question as a document, or in words."""
    if given == ["-"]:
        return _document(sys.stdin.read(), "standard input")
    if len(given) == 1 and (given[0].endswith(_FILES) or Path(given[0]).is_file()):
        try:
            return _document(Path(given[0]).read_text(encoding="utf-8"), given[0])
        except OSError as error:
            raise InvalidInput("FILE_UNREADABLE", f"{given[0]}: {error.strerror}") from error
    return " ".join(given)


def _document(text: str, name: str) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.load(text, _Loader)
    except yaml.YAMLError as wrong:
        where = getattr(wrong, "problem_mark", None)
        place = f":{where.line + 1}:{where.column + 1}" if where is not None else ""
        raise Misuse("INVALID_QUESTION", f"{name}{place}: neither YAML nor JSON.") from wrong
    if not isinstance(found, dict) or not found:
        raise Misuse("INVALID_QUESTION", f"{name}: a question is an object with a `kind`.")
    return found


def _asked(found: dict[str, Any]) -> dict[str, Any]:
    """The answer to a question in words; what was understood goes to standard error."""

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    for ignored in found["ignored"]:
        say(f"not understood: {ignored['text']!r}: {ignored['meaning']}")
    if found["question"] is None:
        raise InvalidInput("INVALID_QUESTION", found["missing"])
    say(f"asked: {found['text']}")
    for assumed in found["assumed"]:
        say(f"assumed: {assumed}")
    for other in found["alternatives"]:
        say(f"or did you mean: {other['text']}")
    answer: dict[str, Any] = found["answer"]
    return answer


def _Loader(stream: Any) -> Any:
    """YAML whose dates stay texts, as the API takes them."""
    import yaml

    loader = yaml.SafeLoader(stream)
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return loader
