"""`check` accepts what a publish accepts: documents with a mistake anywhere, by files and over HTTP."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application import running
from laws import examples
from tinycdp.errors import TinyCDPError
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.file_reports import check_sources
from tinycdp.runtime.definitions.publish import publish
from tinycdp.runtime.definitions.sources import Sources, read_sources
from tinycdp.runtime.edits import Edit

VALID: dict[str, Any] = {
    "traits": [
        {"key": "spent", "expression": "events.purchase.sum(amount, 30d)", "description": "Money."},
        {"key": "days_left", "expression": "days(until(profile.trial_ends_at))"},
    ],
    "segments": [{"key": "big", "rule": "spent > 100 && days_left >= 3"}],
    "flags": [
        {"key": "short", "rule": "segments.big"},
        {
            "key": "long",
            "type": "string",
            "variants": {"a": "A", "b": "B"},
            "offVariant": "a",
            "default": {"serve": "a"},
            "prerequisites": [{"flag": "short", "variants": ["on"]}],
            "overrides": [{"segment": "big", "serve": "b"}],
            "rules": [{"id": "r", "when": 'context.os == "ios"', "serve": "b", "rollout": 12.5}],
            "schedule": [{"at": "2026-12-01T00:00:00Z", "set": {"/rules/r/rollout": 50}}],
            "stickyFor": "30m",
            "sticky": True,
            "metadata": {"team": "x"},
        },
    ],
}
_ODD = st.sampled_from(
    ("", "x", "big", "spent", "true", "on", "a.b", "segments.big", "flag(\"long\")", "é", "\0", "x" * 70, 0, 5, -1,
     10**40, 12.5, True, False, None, [], {}, [1], {"x": 1}, ["on"], {"serve": "on"}, [{"key": "k", "rule": "true"}])
)  # fmt: skip
law = examples(60, deep=1_000)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        return found + [place for name, inner in value.items() for place in places(inner, (*path, name))]
    if isinstance(value, list):
        return found + [place for n, inner in enumerate(value) for place in places(inner, (*path, n))]
    return found


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A valid document with some keys and values dropped, renamed, doubled or of another type."""
    document = json.loads(json.dumps(VALID))
    for _ in range(draw(st.integers(0, 2))):
        if not (found := places(document)):
            break
        *way, last = draw(st.sampled_from(found))
        parent = document
        for step in way:
            parent = parent[step]
        match draw(st.sampled_from(("drop", "rename", "set", "double"))):
            case "drop":
                del parent[last]
            case "rename" if isinstance(parent, dict):
                value = parent.pop(last)
                parent[draw(st.sampled_from((str(last)[:-1], f"{last}s", "when", "rule", "was", "salt", "é")))] = value
            case "double" if isinstance(parent, list):
                parent.append(parent[last])
            case _:
                parent[last] = draw(_ODD)
    return document


def checked(file: Path) -> Sources | None:
    """The files as `check` accepts them; None if it refuses them."""
    try:
        found = read_sources([file])
        return found if not check_sources(found).errors else None
    except TinyCDPError as refused:
        assert refused.message.startswith(str(file)), refused.message
        return None


def over_http(document: Any) -> list[dict[str, Any]] | None:
    """The same document as the body of a publish; None if it has no such form."""
    if not isinstance(document, dict) or document.keys() - VALID.keys():
        return None
    changes = []
    for kind in ("trait", "segment", "flag"):
        entries = document.get(f"{kind}s")
        if entries is None:
            continue
        if not isinstance(entries, list):
            return None
        for entry in entries:
            if not isinstance(entry, dict) or not isinstance(entry.get("key"), str) or "was" in entry:
                return None
            changes.append({"kind": kind, "key": entry["key"], "document": entry})
    return changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("definitions")


async def test_check_plan_apply_and_http_give_one_verdict(dsn: str, folder: Path) -> None:
    async with running(dsn) as app:
        loop = asyncio.get_running_loop()
        environment = app.service.environment(app.environment_id)

        async def published(changes: tuple[Change, ...], *, dry_run: bool) -> bool:
            try:
                await publish(environment, changes, Edit("test", app.service.now(), dry_run=dry_run), prune=True)
            except TinyCDPError:
                return False
            return True

        async def asked(changes: list[dict[str, Any]]) -> httpx.Response:
            body = {"changes": changes, "prune": True, "dryRun": True}
            return await app.admin.post("/v1/admin/publish", json=body)

        @law
        @given(documents())
        def holds(document: Any) -> None:
            file = folder / "a.json"
            file.write_text(json.dumps(document))
            accepted = checked(file)
            try:
                changes = read_sources([file]).changes
            except TinyCDPError:
                changes = None
            if changes is not None:
                for dry_run in (True, False):
                    done = published(changes, dry_run=dry_run)
                    verdict = asyncio.run_coroutine_threadsafe(done, loop).result()
                    assert verdict is (accepted is not None), (document, dry_run)
            if (body := over_http(document)) is not None:
                answer = asyncio.run_coroutine_threadsafe(asked(body), loop).result()
                assert answer.status_code in {200, 400, 409}, (answer.text, document)
                assert (answer.status_code == 200) is (accepted is not None), (answer.text, document)

        await asyncio.to_thread(holds)
