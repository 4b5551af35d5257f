"""The data folders shipped with the code: `migrations`, `dsl`, and the built pages.

Shape   in a checkout the first two are beside src/; in a wheel, inside the package under _data/. The pages are built
        into the package
"""

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

#: The pages that `make console` builds from src/console. Absent in a checkout where nothing was built.
PAGES = _PACKAGE / "static" / "console"


def folder(name: str) -> Path:
    """The folder `name`. Raises FileNotFoundError if the installation lacks it."""
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parents[1] / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"this installation of TinyCDP has no {name} folder; install it again")


def read_text(path: str) -> str:
    """The text of one resource, by its path in the repository: read_text("dsl/grammar.lark")."""
    top, _, rest = path.partition("/")
    return (folder(top) / rest).read_text(encoding="utf-8")


@cache  # a process reads them at each look at the schema
def migration_files() -> tuple[tuple[str, str], ...]:
    """(name, text) of every migration, in numerical order."""
    files = sorted(path for path in folder("migrations").glob("[0-9]*.sql"))
    return tuple((path.name, path.read_text(encoding="utf-8")) for path in files)
