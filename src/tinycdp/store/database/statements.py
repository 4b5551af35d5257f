"""The named statements of store/sql/*.sql, and of a product's sql/*.sql.

Shape   load("profiles") -> {"lock_profiles": "SELECT …", …}; a statement begins at a line `-- name: lock_profiles`
Errors  KeyError at import if a statement does not exist
"""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load(topic: str, package: str = "tinycdp.store") -> dict[str, str]:
    """The statements of one file, by name."""
    text = (files(package) / "sql" / f"{topic}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
