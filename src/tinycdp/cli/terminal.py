"""Terminal progress, files and standard streams of commands."""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from tinycdp.errors import InvalidInput

_BAR = 30


def bar(share: float) -> str:
    """A share from 0 to 1 as a bar."""
    return f"[{'#' * int(_BAR * share):{_BAR}}]"


def show_progress(text: str) -> None:
    """Replace the progress line on standard error, if that is a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:110}", end="", file=sys.stderr, flush=True)


def end_progress() -> None:
    """End the progress line."""
    if sys.stderr.isatty():
        print(file=sys.stderr)


@contextlib.contextmanager
def output(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears when it is complete.

    A failure leaves an existing file unchanged."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[BinaryIO]:
    """A file that is open for reading."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidInput("FILE_UNREADABLE", f"{path}: {error.strerror}") from error
    with file:
        yield file


def unwritable(path: Path, error: OSError) -> InvalidInput:
    """The error for a path that cannot be written."""
    return InvalidInput("FILE_UNWRITABLE", f"{path}: {error.strerror}")


def lines(files: Iterable[Path]) -> Iterator[str]:
    """Non-empty lines of the files, or of standard input if none is given."""
    if not files:
        yield from (line for line in sys.stdin if line.strip())
    for path in files:
        try:
            with path.open(encoding="utf-8") as file:
                yield from (line for line in file if line.strip())
        except OSError as error:
            raise InvalidInput("FILE_UNREADABLE", f"{path}: {error.strerror}") from error
