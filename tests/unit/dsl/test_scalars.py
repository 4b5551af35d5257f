import pytest

from tinycdp.dsl.values.scalars import duration_text, is_date, parse_instant, semver_key, version_text


def test_versions_order_as_semver_2_says() -> None:
    ascending = [
        "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
        "1.0.0-rc.1", "1.0.0", "1.0.1", "1.9.0", "1.10.0", "2.0.0",
    ]  # fmt: skip
    keys = [semver_key(text) for text in ascending]
    assert None not in keys
    assert sorted(keys) == keys  # type: ignore[type-var]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("text", "same"), [("1", "1.0.0"), ("1.2", "1.2.0"), ("v1.2.3", "1.2.3"), ("1.2.3+b7", "1.2.3")]
)
def test_versions_are_read_leniently(text: str, same: str) -> None:
    assert semver_key(text) == semver_key(same) is not None


@pytest.mark.parametrize(
    ("text", "full"),
    [("v2", "2.0.0"), ("1.10", "1.10.0"), ("2.10.0-rc.1+build.7", "2.10.0-rc.1"), ("1.0.0-0.a.00b", "1.0.0-0.a.00b")],
)
def test_a_version_is_written_in_full(text: str, full: str) -> None:
    key = semver_key(text)
    assert key is not None
    assert version_text(key) == full
    assert semver_key(full) == key


@pytest.mark.parametrize(
    "text", ["", "1.2.3.4", "01.2", "1.02", "1.2.3-", "1.2.3-01", "one", "1.2 ", "-1", "1" * 300, "१.२"]
)
def test_what_is_no_version_is_none(text: str) -> None:
    assert semver_key(text) is None


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-01T00:00:00Z", 1767225600000),
        ("2026-01-01T02:00:00+02:00", 1767225600000),
        ("2025-12-31T18:30-0530", 1767225600000),
        ("2026-01-01 00:00:00z", 1767225600000),
        ("2026-01-01T00:00:00.5Z", 1767225600500),
        ("2026-01-01T00:00:00.999999999Z", 1767225600999),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_instants(text: str, ms: int) -> None:
    assert parse_instant(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "20260101T000000Z",
        "2026-01-01T00:00:00+99:00",
        "9999-12-31T23:59:59-24:00",
        "٢٠٢٦-01-01T00:00:00Z",
    ],
)
def test_what_names_no_instant_is_none(text: str) -> None:
    assert parse_instant(text) is None


def test_dates() -> None:
    assert is_date("2024-02-29")
    assert not any(map(is_date, ["2023-02-29", "2024-2-9", "20240229", "2024-W09-4", ""]))


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0s"), (1_000, "1s"), (90_000, "90s"), (3_600_000, "1h"), (86_400_000, "1d"), (1_209_600_000, "14d")],
)
def test_a_duration_is_written_in_its_largest_exact_unit(ms: int, text: str) -> None:
    assert duration_text(ms) == text
