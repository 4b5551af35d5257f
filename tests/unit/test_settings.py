"""Settings: what the environment may say, and that the documentation says it too."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycdp.cli import main as command_line
from tinycdp.errors import InvalidInput
from tinycdp.settings import Settings, describe, descriptions, load, override, to_environ, variable

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = load({"PATH": "/bin", "TINYCDP_PORT": ""})
    assert settings == Settings()
    assert (settings.port, settings.data_dir, settings.zone, settings.environment) == (
        8000,
        Path(".data"),
        "UTC",
        "prod",
    )


def test_values_come_from_their_variables() -> None:
    settings = load({"DATABASE_URL": "postgresql:///x", "TINYCDP_PORT": "9000", "TINYCDP_DATA_DIR": "/var/lib/tinycdp"})
    assert settings == Settings(database_url="postgresql:///x", port=9000, data_dir=Path("/var/lib/tinycdp"))


def test_an_unknown_name_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="TINYCDP_PROT; did you mean TINYCDP_PORT") as caught:
        load({"TINYCDP_PROT": "1"})
    assert caught.value.code == "SETTING_UNKNOWN"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("TINYCDP_PORT", "0", "TINYCDP_PORT is '0'; it takes a whole number from 1 to 65535."),
        ("TINYCDP_PORT", "65536", "TINYCDP_PORT is '65536'; it takes a whole number from 1 to 65535."),
        ("TINYCDP_PORT", "http", "TINYCDP_PORT is 'http'; it takes a whole number from 1 to 65535."),
        ("TINYCDP_WORKERS", "0", "TINYCDP_WORKERS is '0'; it takes a whole number from 1 to 64."),
        ("TINYCDP_STREAM_LIMIT", "-1", "TINYCDP_STREAM_LIMIT is '-1'; it takes a whole number of at least 0."),
        ("TINYCDP_ACCESS_LOG", "maybe", "TINYCDP_ACCESS_LOG is 'maybe'; it takes true or false."),
        ("TINYCDP_LOG_LEVEL", "loud", "TINYCDP_LOG_LEVEL is 'loud'; it takes one of debug, error, info, warning."),
        ("TINYCDP_ZONE", "Mars/Olympus", "TINYCDP_ZONE is 'Mars/Olympus', which is no IANA time zone;"),
        ("TINYCDP_ZONE", "../etc/passwd", "TINYCDP_ZONE is '../etc/passwd', which is no IANA time zone;"),
        ("TINYCDP_ZONE", "Europe", "it takes a name such as Europe/Paris."),
        ("TINYCDP_BOOTSTRAP_ADMIN_KEY", "short", "TINYCDP_BOOTSTRAP_ADMIN_KEY has 5 characters; it takes at least 16"),
    ],
)
def test_a_wrong_value_is_an_error_that_says_what_its_variable_takes(name: str, value: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load({name: value})
    assert (caught.value.code, caught.value.details["name"]) == ("SETTING_INVALID", name)
    assert message in caught.value.message


_DECODERS = re.compile(r"Expected|`|\bint\b|\bstr\b|\bbool\b|\bgot\b|\bNone\b")


@pytest.mark.parametrize("field", Settings.__struct_fields__)
def test_no_setting_shows_the_decoders_words(field: str) -> None:
    """Whatever is wrong with it."""
    for value in ("", "x", "-1", "9" * 30, "1.5", "[]"):
        try:
            load({variable(field): value})
        except InvalidInput as wrong:
            assert wrong.message.startswith(variable(field)) and wrong.message.endswith("."), wrong.message
            assert not _DECODERS.search(wrong.message), wrong.message


def test_secrets_are_never_shown() -> None:
    secret = "s3cret-s3cret-s3cret"
    settings = load({"DATABASE_URL": f"postgresql://u:{secret}@h/d", "TINYCDP_BOOTSTRAP_READ_KEY": secret})
    assert secret not in repr(settings)
    assert secret not in "".join(describe(settings).values())
    with pytest.raises(InvalidInput) as caught:
        load({"TINYCDP_BOOTSTRAP_ADMIN_KEY": "short-secret"})
    assert "short-secret" not in caught.value.message


def test_an_override_is_checked_and_none_leaves_the_setting() -> None:
    assert override(Settings(port=9000), port=None, host="::") == Settings(port=9000, host="::")
    with pytest.raises(InvalidInput, match="TINYCDP_PORT"):
        override(Settings(), port="99999")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("example.org", "http://example.org:8000"),
    ],
)
def test_the_url_is_one_this_machine_can_open(host: str, url: str) -> None:
    assert Settings(host=host).local_url == url


@given(
    st.builds(
        Settings,
        database_url=st.none() | st.text("abc:@%/é", max_size=9).map("postgresql://user@host/{}".format),
        log_format=st.sampled_from(["text", "json"]),
        access_log=st.booleans(),
        port=st.integers(1, 65535),
        workers=st.integers(1, 64),
        data_dir=st.text(min_size=1).map(Path),
        log_level=st.sampled_from(["debug", "info", "warning", "error"]),
        environment=st.text(min_size=1),
        bootstrap_admin_key=st.none() | st.text(min_size=16),
        zone=st.sampled_from(["UTC", "Europe/Paris", "America/New_York"]),
    )
)
def test_settings_survive_the_way_through_the_environment(settings: Settings) -> None:
    assert load(to_environ(settings)) == settings


def test_every_setting_is_described_and_documented_with_its_default() -> None:
    page = (REFERENCE / "settings.md").read_text()
    rows = {line.split("|")[1].strip(" `"): line for line in page.splitlines() if line.startswith("| `")}
    assert set(rows) == {variable(field) for field in Settings.__struct_fields__}
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    for field, description in descriptions().items():
        assert description
        default = defaults[field]
        if default is not msgspec.NODEFAULT and default is not None:
            shown = str(default).lower() if type(default) is bool else default
            assert f"`{shown}`" in rows[variable(field)], field


def test_every_command_and_option_is_documented() -> None:
    page = "".join(path.read_text() for path in sorted(REFERENCE.glob("cli*.md")))
    for name, options in _commands().items():
        assert f"## `tinycdp {name}" in page, name
        section = page.split(f"## `tinycdp {name}", 1)[1].split("\n## ", 1)[0]
        assert [option for option in options if option not in section] == [], name


def _commands() -> dict[str, list[str]]:
    """Command → its options, actions of `key` included, read from the parser."""
    found: dict[str, list[str]] = {}
    pending = [("", command_line.build_parser())]
    while pending:
        name, parser = pending.pop()
        for action in parser._actions:
            if isinstance(action.choices, dict):  # sub-parsers
                pending += [(f"{name} {key}".strip(), sub) for key, sub in action.choices.items()]
            elif name and action.dest != "help":
                found.setdefault(name.split()[0], []).extend(action.option_strings)
    return found
