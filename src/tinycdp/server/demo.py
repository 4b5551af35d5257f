"""The example workspace of `serve --demo`: keys, definitions and events, added once.

Shape   data_dir/demo.json, readable by its owner only, holds the keys and whether the rest was done: the database
        stores only hashes of keys, and a second run prints the same keys
Laws    events are generated from the instant in the file, and their message ids are deterministic: repeating an
        interrupted seeding adds nothing twice
"""

import os
import secrets
from collections.abc import Collection
from pathlib import Path

import msgspec

from tinycdp import __version__, resources
from tinycdp.model import Instant
from tinycdp.server.first_keys import FirstKeys
from tinycdp.settings import Settings


class Demo(FirstKeys, frozen=True, kw_only=True):
    """The content of demo.json.

    page_key  of the page at /demo: it may write and decide; empty in a file of an older release
    done      the events are in the database"""

    seeded_at: Instant
    page_key: str = ""
    done: bool = False

    @classmethod
    def of(cls, data_dir: Path, now: Instant) -> "Demo":
        """The demo of a data folder, created with new keys if absent."""
        path = _path(data_dir)
        if path.exists():
            demo = msgspec.json.decode(path.read_bytes(), type=cls)
            if demo.page_key:
                return demo
        else:
            demo = cls(**msgspec.structs.asdict(FirstKeys.random()), seeded_at=now)
        demo = msgspec.structs.replace(demo, page_key=f"page_{secrets.token_urlsafe(24)}")
        demo._save(data_dir)
        return demo

    @staticmethod
    def is_in(data_dir: Path) -> bool:
        """Whether a data folder has the demo."""
        return _path(data_dir).exists()

    def given_to(self, settings: Settings) -> Settings:
        """Settings with these keys, except those that are set already."""
        given = super().given_to(settings)
        return msgspec.structs.replace(given, demo_key=settings.demo_key or self.page_key)

    def discard(self, data_dir: Path) -> None:
        """Undo `of`."""
        _path(data_dir).unlink()

    def finish(self, data_dir: Path) -> None:
        """Record that the workspace is in the database, so that the next run only serves."""
        msgspec.structs.replace(self, done=True)._save(data_dir)

    def apply_arguments(self) -> list[str]:
        """The command line that publishes the example definitions."""
        return ["apply", *map(str, sorted((resources.folder("dsl") / "examples").glob("*.yaml")))]

    def seed_arguments(self, settings: Settings) -> list[str]:
        """The command line that sends the example events."""
        return ["seed", "--url", settings.local_url, "--until", str(self.seeded_at)]

    def banner(self, settings: Settings, usable: Collection[str]) -> str:
        """The text to print: the address, the keys and three commands to try.

        A key that the database does not accept, because it was revoked, is not shown."""
        url = settings.local_url
        keys = {
            "admin": settings.bootstrap_admin_key,
            "write": settings.bootstrap_write_key,
            "read": settings.bootstrap_read_key,
        }
        listed = "\n".join(
            f"  {scope + ' key':12}"
            + (text if text and text in usable else f"revoked; `tinycdp key create --scope {scope}` makes another")
            for scope, text in keys.items()
        )
        write, read = (keys[scope] if keys[scope] in usable else f"${scope.upper()}_KEY" for scope in ("write", "read"))
        admin = keys["admin"] if keys["admin"] in usable else ""
        console, ending = (f"{url}/#key={admin}", ", signed in") if admin else (url, "")
        return f"""
TinyCDP {__version__} serves {url}, with an example shop

  Open {console}: the console{ending}
  Open {url}/demo: a shop whose prices fall while you look around, and what the server knows of you

{listed}

Try
  curl '{url}/v1/decide?userId=ada&flag=premium' -H "Authorization: Bearer {read}"
  curl '{url}/v1/profiles/ada' -H "Authorization: Bearer {read}"
  curl '{url}/v1/track' -H "Authorization: Bearer {write}" -H 'Content-Type: application/json' \\
       -d '{{"userId":"ada","event":"app_open"}}'

Ctrl-C stops everything; the data stays in {settings.data_dir}. For a project of your own, serve another folder without
--demo: docs/how-to/start-empty.md.
"""

    def _save(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        fresh = _path(data_dir).with_suffix(".new")
        descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.encode(self))
        fresh.replace(_path(data_dir))


def _path(data_dir: Path) -> Path:
    return data_dir / "demo.json"
