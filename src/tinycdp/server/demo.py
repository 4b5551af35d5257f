"""The example workspace for `serve --demo`: keys, definitions and a shop's events, put in once.

Shape   data_dir/demo.json remembers the keys and whether the rest was done, readable by its owner only: the database
        keeps keys as hashes, and a second run prints the same ones
Laws    events are generated from the instant in the file, and their message ids are deterministic: an interrupted
        seeding that is run again adds nothing twice
"""

import os
import secrets
from pathlib import Path

import msgspec

from tinycdp import resources
from tinycdp.model import Instant
from tinycdp.settings import Settings


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    admin_key: str
    write_key: str
    read_key: str
    seeded_at: Instant
    done: bool = False

    @classmethod
    def of(cls, data_dir: Path, now: Instant) -> "Demo":
        """The folder's demo, with new keys where it has none yet."""
        path = _path(data_dir)
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=cls)
        demo = cls(
            admin_key=f"admin_{secrets.token_urlsafe(24)}",
            write_key=f"write_{secrets.token_urlsafe(24)}",
            read_key=f"read_{secrets.token_urlsafe(24)}",
            seeded_at=now,
        )
        demo._save(data_dir)
        return demo

    def with_keys(self, settings: Settings) -> Settings:
        """Settings whose bootstrap keys are the demo's, those already set aside."""
        return msgspec.structs.replace(
            settings,
            bootstrap_admin_key=settings.bootstrap_admin_key or self.admin_key,
            bootstrap_write_key=settings.bootstrap_write_key or self.write_key,
            bootstrap_read_key=settings.bootstrap_read_key or self.read_key,
        )

    def finish(self, data_dir: Path) -> None:
        """The workspace is in the database: the next run only serves."""
        msgspec.structs.replace(self, done=True)._save(data_dir)

    def apply_arguments(self) -> list[str]:
        return ["apply", *map(str, sorted((resources.folder("dsl") / "examples").glob("*.yaml")))]

    def seed_arguments(self, settings: Settings) -> list[str]:
        return ["seed", "--url", settings.url, "--until", str(self.seeded_at)]

    def banner(self, settings: Settings) -> str:
        """The address, the keys and three commands to try."""
        url, read, write = settings.url, settings.bootstrap_read_key, settings.bootstrap_write_key
        return f"""
TinyCDP serves {url}

  admin key   {settings.bootstrap_admin_key}
  write key   {write}
  read key    {read}

Try
  curl '{url}/v1/decide?userId=ada&flag=premium' -H 'Authorization: Bearer {read}'
  curl '{url}/v1/profiles/ada' -H 'Authorization: Bearer {read}'
  curl '{url}/v1/track' -H 'Authorization: Bearer {write}' -H 'Content-Type: application/json' \\
       -d '{{"userId":"ada","event":"app_open"}}'

Ctrl-C stops everything; the data stays in {settings.data_dir}.
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
