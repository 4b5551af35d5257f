"""All settings of an operator, read once from the environment.

Shape   Settings, one field per variable: DATABASE_URL, REDIS_URL, CLICKHOUSE_URL, CLICKHOUSE_CLUSTER, and
        TINYCDP_<FIELD> for the rest
Units   durations in whole seconds; sizes in items, memory in megabytes
Laws    load(to_environ(s)) == s, which is how settings reach child processes
Errors  InvalidInput `SETTING_UNKNOWN` and `SETTING_INVALID`, with the variable and what to do
Source  docs/reference/settings.md documents every field; a test compares the two
"""

import difflib
import os
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from tinycdp.errors import InvalidInput

PREFIX = "TINYCDP_"
PLAIN_NAMES = {
    "database_url": "DATABASE_URL",
    "redis_url": "REDIS_URL",
    "clickhouse_url": "CLICKHOUSE_URL",
    "clickhouse_cluster": "CLICKHOUSE_CLUSTER",
}
_ADDRESSES = {"database_url", "redis_url", "clickhouse_url"}
_SECRETS = _ADDRESSES | {
    "bootstrap_admin_key",
    "bootstrap_write_key",
    "bootstrap_read_key",
    "demo_key",
    "key",
    "source_key",
    "export_s3_secret",
}

Key = Annotated[str, Meta(min_length=16)]
ClusterName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+$")]


def _default_workers() -> int:
    """One HTTP process, or two.

    Two if at least four cores leave room for Postgres and the background worker."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 2 if cores >= 4 else 1


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of an operator; each field has its description."""

    database_url: Annotated[str | None, Meta(description="Postgres 15 or newer; without it, an embedded one")] = None
    redis_url: Annotated[str | None, Meta(description="Redis 7 or newer; one count of limits for all processes")] = None
    clickhouse_url: Annotated[
        str | None, Meta(description="ClickHouse 25.8 or newer for analytics; without it, an embedded one")
    ] = None
    clickhouse_cluster: Annotated[
        ClusterName | None, Meta(description="cluster of that ClickHouse to make the tables on")
    ] = None
    host: Annotated[str, Meta(description="address the HTTP server listens on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="port the HTTP server listens on")] = 8000
    workers: Annotated[int, Meta(ge=1, le=64, description="HTTP processes")] = msgspec.field(
        default_factory=_default_workers
    )
    data_dir: Annotated[Path, Meta(description="folder of the embedded Postgres and ClickHouse")] = Path(".data")
    postgres_bin: Annotated[
        str | None, Meta(description="folder of Postgres binaries for the embedded server, or `wheel`")
    ] = None
    log_format: Annotated[Literal["text", "json"], Meta(description="form of the log: lines of text, or JSON")] = "text"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="least severe line logged")] = (
        "info"
    )
    access_log: Annotated[bool, Meta(description="log each request that was answered")] = False
    url: Annotated[str | None, Meta(description="server that the command line uses instead of the database")] = None
    key: Annotated[str | None, Meta(description="admin key of the command line for that server")] = None
    source_key: Annotated[str | None, Meta(description="admin key of the environment that `promote` reads")] = None
    environment: Annotated[str, Meta(min_length=1, description="environment the command line acts on")] = "prod"
    zone: Annotated[str, Meta(description="IANA time zone of new environments")] = "UTC"
    bootstrap_admin_key: Annotated[Key | None, Meta(description="first admin key of an empty database")] = None
    bootstrap_write_key: Annotated[Key | None, Meta(description="first write key of an empty database")] = None
    bootstrap_read_key: Annotated[Key | None, Meta(description="first read key of an empty database")] = None
    demo_key: Annotated[
        Key | None, Meta(description="key of the demo shop's page, with the scopes write and decide; it opens /demo")
    ] = None
    database_pool: Annotated[int, Meta(ge=2, le=100, description="Postgres connections per process")] = 8
    ingest_batch: Annotated[int, Meta(ge=1, le=10_000, description="most messages in one transaction")] = 1_000
    ingest_queue: Annotated[int, Meta(ge=1, description="messages waiting per process before answering 429")] = 10_000
    snapshot_cache_size: Annotated[int, Meta(ge=1, description="profiles kept in memory per process")] = 100_000
    backfill_share: Annotated[
        int, Meta(ge=1, le=100, description="percentage of the time a backfill works while there is live traffic")
    ] = 25
    exposure_days: Annotated[int, Meta(ge=1, le=3_650, description="days that exposures are kept")] = 400
    outbox_days: Annotated[int, Meta(ge=1, le=365, description="days that the outbox waits for a consumer")] = 7
    analytics: Annotated[
        bool, Meta(description="run an embedded ClickHouse for analytics, unless CLICKHOUSE_URL names another")
    ] = True
    analytics_memory: Annotated[
        int, Meta(ge=400, description="megabytes of memory that the embedded ClickHouse may use")
    ] = 1_000
    delivery_days: Annotated[
        int, Meta(ge=5, le=365, description="days that what destinations want is kept, for replays and for paused ones")
    ] = 30
    delivery_private_hosts: Annotated[
        str | None, Meta(description="hosts that destinations may reach though they are private, separated by commas")
    ] = None
    delivery_ports: Annotated[
        str,
        Meta(
            pattern=r"^ *\d{1,5}( *, *\d{1,5})* *$",
            description="ports that destinations may reach, separated by commas",
        ),
    ] = "443,8443"
    export_storage: Annotated[
        str | None,
        Meta(description="folder for files of exports, or s3://bucket/prefix; by default `exports` in the data folder"),
    ] = None
    export_days: Annotated[int, Meta(ge=1, le=3_650, description="days that the file of an export is kept")] = 7
    export_s3_endpoint: Annotated[
        str | None, Meta(description="address of an S3-compatible storage; by default that of AWS")
    ] = None
    export_s3_region: Annotated[str | None, Meta(description="region of the bucket of exports")] = None
    export_s3_key_id: Annotated[
        str | None,
        Meta(description="access key id for that bucket; by default what the AWS_ variables or the machine have"),
    ] = None
    export_s3_secret: Annotated[str | None, Meta(description="secret of that access key")] = None
    stream_limit: Annotated[int, Meta(ge=0, description="event streams one process holds open")] = 10_000
    trusted_proxies: Annotated[
        int, Meta(ge=0, le=10, description="proxies in front whose X-Forwarded-For is believed")
    ] = 0
    geoip_file: Annotated[
        Path | None, Meta(description="MaxMind database of countries or cities; without it, a table of IPv4 addresses")
    ] = None
    idle_seconds: Annotated[
        int, Meta(ge=1, le=3_600, description="a connection that sends no request for so long is closed")
    ] = 30
    drain_seconds: Annotated[int, Meta(ge=1, description="longest wait for requests in flight when stopping")] = 15

    @property
    def local_host(self) -> str:
        """A host name by which this machine can reach the server."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    @property
    def local_url(self) -> str:
        """The server's address, as seen from this machine."""
        return (
            f"http://[{self.local_host}]:{self.port}"
            if ":" in self.local_host
            else f"http://{self.local_host}:{self.port}"
        )

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value}' for name, value in describe(self).items())})"


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from `environ`.

    An empty value means the default; an unknown TINYCDP_ name is an error."""
    fields = {variable(name): name for name in Settings.__struct_fields__}
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in fields)
    if unknown:
        near = difflib.get_close_matches(unknown[0], fields, n=1, cutoff=0.0)[0]
        raise InvalidInput("SETTING_UNKNOWN", f"unknown setting {unknown[0]}; did you mean {near}?", name=unknown[0])
    given = {field: environ[name] for name, field in fields.items() if environ.get(name)}
    return _checked(given)


def override(settings: Settings, **changes: Any) -> Settings:
    """Settings with the changes that are not None, checked like values from the environment."""
    return _checked(msgspec.structs.asdict(settings) | {k: v for k, v in changes.items() if v is not None})


def to_environ(settings: Settings) -> dict[str, str]:
    """The variables from which `load` returns these settings."""
    values = msgspec.structs.asdict(settings)
    return {variable(name): str(value) for name, value in values.items() if value is not None}


def describe(settings: Settings) -> dict[str, str]:
    """The fields as text for a log, with secrets masked."""
    values = msgspec.structs.asdict(settings)
    return {name: "***" if name in _SECRETS and value else str(value) for name, value in values.items()}


def variable(field: str) -> str:
    """The environment variable of a field."""
    return PLAIN_NAMES.get(field, PREFIX + field.upper())


def descriptions() -> dict[str, str]:
    """Field → its one-line description, in the order of the struct."""
    hints = get_type_hints(Settings, include_extras=True)
    return {
        name: next(meta.description or "" for meta in get_args(hints[name])[1:] if isinstance(meta, Meta))
        for name in Settings.__struct_fields__
    }


def _checked(given: Mapping[str, Any]) -> Settings:
    # One field at a time, so that an error can name its variable: msgspec puts the path only into the message.
    hints = get_type_hints(Settings, include_extras=True)
    values: dict[str, Any] = {}
    for name, raw in given.items():
        try:
            values[name] = msgspec.convert(raw, hints[name], strict=False, dec_hook=_decode)
        except msgspec.ValidationError:
            # A secret is not repeated.
            given_as = f"has {len(raw)} characters" if name in _SECRETS else f"is {str(raw)!r}"
            raise _invalid(name, f"{given_as}; it takes {_taken(hints[name])}") from None
    settings = Settings(**values)
    _check_addresses(settings)
    try:
        zoneinfo.ZoneInfo(settings.zone)
    except (KeyError, ValueError, OSError):  # not found, a path such as "../x", a folder such as "Europe"
        wrong = f"is {settings.zone!r}, which is no IANA time zone; it takes a name such as Europe/Paris"
        raise _invalid("zone", wrong) from None
    return settings


#: The schemes of the settings that are addresses.
_SCHEMES = {
    "database_url": ("postgresql", "postgres"),
    "redis_url": ("redis", "rediss", "unix"),
    "clickhouse_url": ("http", "https"),
    "url": ("http", "https"),
    "export_s3_endpoint": ("http", "https"),
}
#: The settings that are files to read. The folders are made, or searched for programs, by the embedded Postgres.
_FILES = ("geoip_file",)


def _check_addresses(settings: Settings) -> None:
    """Reject an address of another form, and a file that cannot be read.

    Never repeats an address: it has a password."""
    for field, schemes in _SCHEMES.items():
        value = getattr(settings, field)
        if value is not None and (wrong := _wrong_address(value, schemes)):
            raise _invalid(field, wrong)
    for field in _FILES:
        path: Path | None = getattr(settings, field)
        if path is None:
            continue
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise _invalid(field, f"{path}: {error.strerror}; give a file that can be read, or unset it") from None


def _wrong_address(value: str, schemes: tuple[str, ...]) -> str:
    """What is wrong with the form of an address, "" if nothing."""
    try:
        split = urlsplit(value)
        if split.scheme not in schemes or "://" not in value:
            scheme = f"the scheme {split.scheme!r}" if "://" in value else "no scheme"
            return f"has {scheme}; it begins with {schemes[0]}://"
        if "," not in split.netloc and split.port == 0:
            return "has port 0; use 1 to 65535"
    except ValueError as wrong:
        if "port" in str(wrong).lower():
            return "has a port that is not a number from 1 to 65535; percent-encode /, : and @ in the password"
        return "is not an address such as " + schemes[0] + "://user:password@host:5432/name"
    return ""


def _taken(hint: Any) -> str:
    """What a setting of a type takes, in words."""
    found = msgspec.inspect.type_info(hint)
    while isinstance(found, msgspec.inspect.Metadata | msgspec.inspect.UnionType):
        if isinstance(found, msgspec.inspect.Metadata):
            found = found.type
        else:
            found = next(one for one in found.types if not isinstance(one, msgspec.inspect.NoneType))
    match found:
        case msgspec.inspect.IntType(ge=least, le=most):
            return f"a whole number of at least {least:,}" if most is None else f"a whole number from {least} to {most}"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case msgspec.inspect.StrType(min_length=int(n)):
            return f"at least {n} character{'' if n == 1 else 's'}"
    return "text"


def _invalid(field: str, message: str) -> InvalidInput:
    name = variable(field)
    return InvalidInput("SETTING_INVALID", f"{name} {message}.", name=name)


def _decode(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)
