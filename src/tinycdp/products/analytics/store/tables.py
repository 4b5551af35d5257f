"""The tables of analytics, made from the numbered templates in migrations/analytics.

Shape   prepare(clickhouse, now) applies the missing templates in order and returns their names;
        the table `migrations` records them
        statements(template, place) are the statements of one for a place: embedded, a server, or a cluster
Laws    only the templates name engines. Each statement can be run twice: an interrupted template is run again
        a template that changed after it was applied is an error
        on a cluster a table is two: `<name>_local` on each shard, and `<name>`, which is all of them
Errors  Conflict ANALYTICS_CHANGED, ANALYTICS_NEWER
Source  docs/decisions/0036-analytics-engine.md
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from string import Template
from types import MappingProxyType

from tinycdp.errors import Conflict
from tinycdp.products.analytics.store.clickhouse import ClickHouse, Site
from tinycdp.resources import folder

_RECORDS = "0000_migrations.sql"
_LINE_FOR = re.compile(r"[ \t]*-- @(single|cluster)$")


async def prepare(clickhouse: ClickHouse, now: int) -> list[str]:
    """Make what is missing; returns the names of the templates applied."""
    place = clickhouse.place
    on_cluster = f"ON CLUSTER '{place.cluster}'" if place.cluster else ""
    await clickhouse.command(f"CREATE DATABASE IF NOT EXISTS `{place.database}` {on_cluster}", anywhere=True)
    known = dict(templates())
    for statement in statements(known.pop(_RECORDS), place):
        await clickhouse.command(statement)
    done: dict[str, str] = dict(await clickhouse.query("SELECT name, any(digest) FROM migrations GROUP BY name"))
    _check(done, known)
    applied = []
    for name in sorted(known.keys() - done.keys()):
        for statement in statements(known[name], place):
            await clickhouse.command(statement)
        await clickhouse.command(
            "INSERT INTO migrations SELECT {name:String}, {digest:String}, fromUnixTimestamp64Milli({now:Int64})",
            {"name": name, "digest": _digest(known[name]), "now": now},
        )
        applied.append(name)
    return applied


def templates() -> list[tuple[str, str]]:
    """(name, text) of every template, in order."""
    files = sorted((folder("migrations") / "analytics").glob("[0-9]*.sql"))
    return [(path.name, path.read_text(encoding="utf-8")) for path in files]


def statements(template: str, place: Site, more: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """The statements of a template for a place, without comments. more: other names in it, and what they are."""
    kind = "cluster" if place.cluster else "single"
    lines = []
    for line in template.splitlines():
        found = _LINE_FOR.search(line)
        if (found is None or found[1] == kind) and not line.startswith("--"):
            lines.append(line[: found.start()] if found else line)
    account = f"USER {_literal(place.user)} PASSWORD {_literal(place.password)}" if place.user else ""
    filled = Template("\n".join(lines)).substitute(
        database=f"`{place.database}`",
        database_name=place.database,
        cluster=place.cluster,
        on_cluster=f"ON CLUSTER '{place.cluster}'" if place.cluster else "",
        local="_local" if place.cluster else "",
        account=account,
        **more,
    )
    return [statement for part in re.split(r";\s*?(?:\n|$)", filled) if (statement := part.strip())]


def _check(done: dict[str, str], known: dict[str, str]) -> None:
    if unknown := sorted(done.keys() - known.keys()):
        raise Conflict(
            "ANALYTICS_NEWER",
            f"The tables of analytics were made by a newer release: this one does not know {unknown[0]}."
            " Install the newer release.",
        )
    for name, digest in done.items():
        if digest != _digest(known[name]):
            raise Conflict("ANALYTICS_CHANGED", f"{name} was changed after it was applied; add a new file instead.")


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
