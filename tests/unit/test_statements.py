"""Every statement of the product could run on the shard of its environment: decision 30, held over all of them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinycdp
import tinycdp.store
from planner_rules import complaints
from tinycdp.dsl.check.workspace import DefinitionSource, check_workspace
from tinycdp.dsl.sql import select
from tinycdp.store import events as event_store
from tinycdp.store import memberships as membership_store
from tinycdp.store.database.statements import load

PACKAGE = Path(tinycdp.__file__).parent
NAMED = {
    f"{file.stem}.{name}": text
    for package in ("tinycdp.store", "tinycdp.products.analytics")
    for file in sorted((PACKAGE.parent / package.replace(".", "/") / "sql").glob("*.sql"))
    for name, text in load(file.stem, package).items()
}

#: Statements that ask all shards, and why they may. Each reads one table, and joins nothing.
EVERYWHERE = {
    "policies.current_policies": "a process loads the policies of all environments, at its start and when they change",
    "privacy.suppression_marks": "the same of suppressed identifiers",
    "registry.current_plan_entries": "the same of tracking plans",
    "partitions.default_partition_holds": "a partition holds a month of all environments",
    "outbox.lags": "a process reports the consumers of all environments",
    "feed.months_of_events": "the feed drops the months of all environments that Postgres has dropped",
    "outbox.lapse_cursors": "the worker tidies the outbox of all environments",
}

#: The same of statements inside of code, by what they begin with.
EVERYWHERE_INLINE = {
    "SELECT EXISTS (SELECT 1 FROM outbox_": "a partition of the outbox holds the changes of all environments",
}

#: Definitions that between them need every part of the statement that computes expressions from raw events.
EXPRESSIONS = (
    "events.purchase.where(amount >= 50 && category == kind).sum(amount, 30d)",
    "events.view.unique(sku, 7d) + events.view.percentile(ms, 0.75, 7d)",
    "events.view.top(category) == profile.favourite.category",
    "events.any.count(60d..30d) > 3 && last_seen_days_ago < 7",
    "events.app_open.streak_days >= 3 || events.app_open.unique_days_14d > 5",
    'group.plan == "pro" && exists(profile.address)',
    "traits.t0 > 100 && segments.s",
    "first_seen_at",
)


def inline() -> Iterator[tuple[str, str]]:
    """(place, SQL) of what is written where it is run. What is put into a text stands as the name of a table."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for line, text in _texts(ast.parse(file.read_text(encoding="utf-8"))):
            if text.startswith(_BEGINNINGS):
                yield f"{file.relative_to(PACKAGE)}:{line}", text


_BEGINNINGS = ("SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH ", "CREATE TABLE ", "SET LOCAL ")


def _texts(node: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of every string below the node."""
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "events" for part in node.values)
        yield node.lineno, "".join(map(str, parts))
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.lineno, node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


INLINE = [
    (place, text)
    for place, text in inline()
    # Generated from expressions, and tested as a whole below; or around a named statement, which is tested itself.
    # Those of analytics are ClickHouse's: what it asks of Postgres is all named.
    if not place.startswith(("dsl/sql/", "products/analytics/")) and "FROM (events)" not in text
]


@pytest.mark.parametrize("name", NAMED)
def test_a_named_statement_stays_on_one_shard(name: str) -> None:
    found = complaints(NAMED[name])
    if name not in EVERYWHERE:
        assert found == []
        return
    assert found, "the statement need not be listed"
    assert all("is not held to the environment" in complaint for complaint in found)


def test_what_asks_everywhere_exists() -> None:
    assert EVERYWHERE.keys() <= NAMED.keys()


@pytest.mark.parametrize(("place", "text"), INLINE)
def test_a_statement_inside_of_code_stays_on_one_shard(place: str, text: str) -> None:
    found = complaints(text)
    if any(text.startswith(known) for known in EVERYWHERE_INLINE):
        found = [complaint for complaint in found if "is not held to the environment" not in complaint]
    assert found == []


def test_statements_inside_of_code_are_found() -> None:
    texts = [text for _, text in INLINE]
    assert any("pg_advisory_lock" in text for text in texts)
    assert any(text.startswith("CREATE TABLE IF NOT EXISTS events PARTITION OF") for text in texts)
    assert any('FROM "events" WHERE environment_id = $1' in text for text in texts)


def test_the_statement_of_an_expression_stays_on_one_shard() -> None:
    sources = [DefinitionSource("trait", f"t{n}", text) for n, text in enumerate(EXPRESSIONS)]
    checked = check_workspace([*sources, DefinitionSource("segment", "s", "events.cart.exists(1d)")]).checked
    nodes = {name: parts[0].node for name, parts in checked.items()}
    for name, node in nodes.items():
        assert node is not None, checked[name][0].diagnostics
        statement = select([node], resolve=nodes.get, zone="Europe/Berlin", context={})
        assert "environment_id" in statement
        assert complaints(statement) == []


def test_copied_rows_begin_with_the_environment() -> None:
    assert event_store._EVENT_COLUMNS[0] == membership_store._EDIT_COLUMNS[0] == "environment_id"
    copies = {file.name for file in PACKAGE.rglob("*.py") if "copy_records_to_table(" in file.read_text()}
    assert copies == {"events.py", "memberships.py"}


OUTER = """
    SELECT g.unit, whose.id FROM unnest($2::text[], $3::text[]) AS g (unit, value)
    LEFT JOIN LATERAL (SELECT p.id FROM profiles p WHERE p.environment_id = $1 LIMIT 1) AS whose ON true"""


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("SELECT id FROM profiles", "profiles is not held"),
        ("SELECT id FROM profiles WHERE environment_id = $2", "profiles is not held"),
        ("SELECT id FROM profiles WHERE environment_id = $1 OR id = $2", "profiles is not held"),
        ("SELECT id FROM profiles WHERE environment_id = ANY ($1)", "profiles is not held"),
        ("SELECT id FROM profiles WHERE environment_id > $1", "profiles is not held"),
        (
            "SELECT 1 FROM profiles p, identifiers a WHERE p.environment_id = $1 AND a.profile_id = p.id",
            "identifiers is not",
        ),
        ("SELECT 1 FROM profiles p JOIN identifiers a ON a.environment_id = p.environment_id", "profiles is not held"),
        (
            "SELECT 1 FROM profiles p JOIN identifiers a USING (environment_id) WHERE p.environment_id = $1",
            "identifiers is not",
        ),
        ("SELECT id FROM environments e WHERE EXISTS (SELECT 1 FROM profiles p WHERE p.id = e.id)", "profiles is not"),
        ("SELECT (SELECT max(id) FROM profiles) FROM events WHERE environment_id = $1", "profiles is not held"),
        ("WITH p AS (SELECT id FROM profiles) SELECT id FROM p", "profiles is not held"),
        (
            "SELECT 1 FROM identifiers WHERE environment_id = $1 UNION SELECT 1 FROM identifiers",
            "identifiers is not held",
        ),
        ("DELETE FROM events WHERE received_at < $1", "events is not held"),
        ("UPDATE profiles SET version = 1 WHERE id = $1", "profiles is not held"),
        (
            "DELETE FROM events e USING identifiers a WHERE e.environment_id = $1 AND a.id = e.identifier_id",
            "identifiers is not",
        ),
        ("INSERT INTO groups (key, environment_id) VALUES ($2, $1)", "not the first column"),
        ("INSERT INTO groups (environment_id, key) VALUES (7, $1)", "inserted into groups is not held"),
        (
            "INSERT INTO groups (environment_id, key) SELECT e, k FROM unnest($1::int[], $2::text[]) AS g (e, k)",
            "not held",
        ),
        (
            "INSERT INTO groups (environment_id, key) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING",
            "does not begin with the environment",
        ),
        ("SELECT EXISTS (SELECT FROM groups WHERE environment_id = $1)", "an empty select list"),
        (OUTER, "an outer join that keeps"),
        ("SELECT ctid FROM exposures WHERE environment_id = $1", "ctid"),
    ],
)
def test_the_rules_notice(sql: str, complaint: str) -> None:
    assert any(complaint in found for found in complaints(sql)), complaints(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM profiles WHERE id = 2 AND environment_id = $1",
        "SELECT 1 FROM profiles p JOIN identifiers i ON i.environment_id = p.environment_id"
        " WHERE p.environment_id = $1",
        "SELECT 1 FROM identifiers i LEFT JOIN profiles p ON p.environment_id = $1"
        " WHERE i.environment_id = $1::integer",
        "SELECT id FROM profiles p WHERE environment_id = $1 AND EXISTS (SELECT 1 FROM identifiers a"
        " WHERE a.environment_id = p.environment_id)",
        "INSERT INTO groups (environment_id, key) SELECT $1, k FROM unnest($2::text[]) AS k",
        "WITH events AS (SELECT 1 AS id) SELECT id FROM events",
        "SELECT id FROM environments WHERE id = $1",
    ],
)
def test_the_rules_let_pass(sql: str) -> None:
    assert complaints(sql) == []
