"""Refuses a wheel without the pages, which a checkout does not hold: `make console` builds them."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: A page of each kind that the server shows.
_PAGES = ("console.html", "demo.html")


class PagesAreBuilt(BuildHookInterface):  # type: ignore[misc]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable install shows them as soon as they are built."""
        if version == "editable":
            return
        folder = Path(self.root, "src", "tinycdp", "static", "console")
        missing = [name for name in _PAGES if not (folder / name).is_file()]
        if missing:
            raise SystemExit(f"{', '.join(missing)} is not built, and a wheel holds it. Run `make console` first.")
