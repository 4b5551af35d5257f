"""Documents of destinations.

Shape   DestinationDocument: one struct for each type, told apart by `type`; without it, it is a webhook.
        Those of BatchDestination get records in batches, the others messages one by one
Laws    unknown fields are errors. A document without its key is what is stored. No secret is in it
Source  docs/reference/webhooks.md
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from tinycdp.products.delivery.happenings import Type
from tinycdp.products.delivery.mapping.reading import path_below, quoted
from tinycdp.products.delivery.mapping.urls import PLACE
from tinycdp.products.delivery.reach import HostToReach

#: `$` alone lets a line break follow.
_END = r"$(?!\n)"


class SecretVariable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret: the value of an environment variable of the server, whose name begins with DELIVERY_."""

    env: Annotated[str, msgspec.Meta(pattern="^DELIVERY_[A-Z0-9_]+" + _END)]


class FromVariable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The value of an environment variable of the server, whose name begins with DELIVERY_.

    prefix  stands before it, such as "Bearer " """

    env: Annotated[str, msgspec.Meta(pattern="^DELIVERY_[A-Z0-9_]+" + _END)]
    prefix: Annotated[str, msgspec.Meta(max_length=100)] = ""


_Many = msgspec.Meta(max_length=500)


class AnyDestination(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What the document of every destination has.

    key       may be left out in a PUT, whose path has it
    name      what people call it; its key if empty
    events    the types that are sent; empty for one that only gets the records of syncs
    segments  of segment events, only those of these segments; empty: of all
    event_names  of events, only those of these names; empty: of all
    sample    the share of people whose happenings are sent, from 0 to 1: always the same people
    consent   purposes; an event whose message refuses one of them is left out
    where     a condition on the person as they are when it is sent, and on an event; the rest is left out
    paused    nothing is sent; what happens meanwhile waits"""

    key: str = ""
    name: str = ""
    description: str = ""
    events: Annotated[tuple[Type, ...], msgspec.Meta(max_length=20)] = ()
    segments: Annotated[tuple[str, ...], msgspec.Meta(max_length=500)] = ()
    where: Annotated[str, msgspec.Meta(max_length=4_000)] = ""
    event_names: Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ...], _Many] = ()
    sample: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1
    consent: Annotated[tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ...], _Many] = ()
    paused: bool = False

    def addresses(self) -> tuple[tuple[str, str], ...]:
        """(path, URL) of all that it leads to."""
        return ()

    def hosts(self) -> tuple[HostToReach, ...]:
        """Where it connects to, other than by a URL."""
        return ()

    def mappings(self) -> tuple[tuple[str, Any], ...]:
        """(path, document) of all mappings in it."""
        return ()


class OneByOneDestination(AnyDestination, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A destination that gets each message on its own, over a channel.

    rate         deliveries a second at most; 0: no limit
    concurrency  deliveries at once at most"""

    rate: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8


class WebhookDocument(
    OneByOneDestination,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    tag_field="type",
    tag="webhook",
):
    """Where events are sent as signed webhooks.

    url      https, on a public address
    headers  beside those of the standard; a value, or the variable that has it"""

    url: str
    headers: dict[str, str | FromVariable] = {}

    def addresses(self) -> tuple[tuple[str, str], ...]:
        """(path, URL) of all that it leads to."""
        return (("$.url", self.url),)


Statuses = Annotated[tuple[Annotated[int, msgspec.Meta(ge=300, le=599)], ...], msgspec.Meta(max_length=20)]
Method = Literal["POST", "PUT", "PATCH", "DELETE", "GET"]


class HttpVariant(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is different for one type of what happened; what is left out stays.

    method      of the request
    url         as in the document
    parameters  as in the document
    mapping     the body; null for none
    success     as in the document"""

    method: Method | msgspec.UnsetType = msgspec.UNSET
    url: str | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    mapping: Any | msgspec.UnsetType = msgspec.UNSET
    success: Statuses | msgspec.UnsetType = msgspec.UNSET


class HttpDocument(
    OneByOneDestination,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    tag_field="type",
    tag="http",
):
    """Requests in the form that a receiver wants.

    method      of the request
    url         https, on a public address. A place such as {email} in the path or the query is filled by a parameter
    parameters  a mapping for each place of the URL, or the variable that has it
    headers     a value, or the variable that has it
    mapping     the body: a mapping of JSON. Without it, POST, PUT and PATCH have the body of a webhook
    success     statuses that mean delivered, beside 2xx
    by_type     what is different for one type"""

    method: Method = "POST"
    url: str
    parameters: dict[str, Any] = {}
    headers: dict[str, str | FromVariable] = {}
    mapping: Any = None
    success: Statuses = ()
    by_type: dict[Type, HttpVariant] = {}

    def addresses(self) -> tuple[tuple[str, str], ...]:
        """(path, URL) of all that it leads to, with a text in each place."""
        found = [("$.url", self.url)]
        for name, variant in self.by_type.items():
            if isinstance(variant.url, str):
                found.append((f"$.byType[{quoted(name)}].url", variant.url))
        return tuple((path, PLACE.sub("x", url)) for path, url in found)

    def mappings(self) -> tuple[tuple[str, Any], ...]:
        """(path, document) of all mappings in it."""
        found = [*_mappings_of("$", self.parameters, self.mapping)]
        for name, variant in self.by_type.items():
            found += _mappings_of(f"$.byType[{quoted(name)}]", variant.parameters, variant.mapping)
        return tuple(found)


def _mappings_of(path: str, parameters: Any, mapping: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(parameters, dict):
        yield from (
            (path_below(f"{path}.parameters", name), one) for name, one in parameters.items() if not is_variable(one)
        )
    if mapping is not None and mapping is not msgspec.UNSET:
        yield f"{path}.mapping", mapping


def is_variable(document: Any) -> bool:
    """Whether a parameter is a variable of the server, and no mapping."""
    return isinstance(document, dict) and "env" in document


#: Addresses of e-mail, as most servers take them: no dot begins, ends or doubles.
ADDRESS = re.compile(
    r"(?=[^@]{1,64}@)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
)
#: What the mapping of an e-mail may give.
MAIL_FIELDS = frozenset({"to", "subject", "text", "html", "replyTo"})


class SmtpDocument(
    OneByOneDestination,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    tag_field="type",
    tag="smtp",
):
    """E-mail, handed to a server that sends it on.

    host      of the server: on a public address, or one that the operator names
    tls       starttls, tls from the first byte, or off: only for a host that the operator names
    password  the variable that has it
    ca        the variable with the certificates to trust, in PEM; left out: those of the system
    sender    the address that it is from, such as hello@shop.example, or "Shop <hello@shop.example>"
    mapping   of `to`, `subject`, `text`, and perhaps `html` and `replyTo`"""

    host: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9.:_-]{1,253}" + _END)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 587
    tls: Literal["starttls", "tls", "off"] = "starttls"
    user: Annotated[str, msgspec.Meta(max_length=200)] = ""
    password: SecretVariable | None = None
    ca: SecretVariable | None = None
    sender: Annotated[str, msgspec.Meta(max_length=500)] = msgspec.field(name="from")
    mapping: Any

    def hosts(self) -> tuple[HostToReach, ...]:
        """Where it connects to, other than by a URL."""
        why = "without TLS only such a host is used" if self.tls == "off" else ""
        usual = 465 if self.tls == "tls" else 587
        return (HostToReach("$.host", self.host, self.port, usual=usual, named_because=why),)

    def mappings(self) -> tuple[tuple[str, Any], ...]:
        """(path, document) of all mappings in it."""
        return (("$.mapping", self.mapping),)


class BatchLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a batch is full. Left out: as the type of the destination has it.

    rows     records at most
    seconds  how old the oldest one may be"""

    rows: Annotated[int, msgspec.Meta(ge=1, le=20_000)] | None = None
    seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None


_Host = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9.:_-]{1,253}" + _END)]
_Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
_SqlName = Annotated[str, msgspec.Meta(min_length=1, max_length=63, pattern="^[^\\x00-\\x1f]+" + _END)]


class BatchDestination(AnyDestination, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A destination that gets records in batches.

    batch    when one is full
    mapping  makes the data of a record; left out: as the body of a webhook has it"""

    #: Rows and seconds of a batch, if the document says nothing.
    usual: ClassVar[tuple[int, int]] = (5_000, 60)

    batch: BatchLimits = BatchLimits()
    mapping: dict[str, Any] | None = None

    def mappings(self) -> tuple[tuple[str, Any], ...]:
        """(path, document) of all mappings in it."""
        return () if self.mapping is None else (("$.mapping", self.mapping),)

    @property
    def rows(self) -> int:
        return self.batch.rows or self.usual[0]

    @property
    def seconds(self) -> int:
        return self.batch.seconds or self.usual[1]


class PostgresDocument(
    BatchDestination, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, tag_field="type",
    tag="postgres",
):  # fmt: skip
    """A table of Postgres.

    host      on a public address, or one that the operator names
    password  the variable that has it
    schema    made if it is not there, like the table
    tls       off: only for a host that the operator names
    ca        the variable with the certificates to trust, in PEM; left out: those of the system"""

    usual: ClassVar[tuple[int, int]] = (5_000, 5)

    host: _Host
    port: _Port = 5432
    database: _SqlName
    user: _SqlName
    password: SecretVariable | None = None
    schema: _SqlName = "public"
    table: _SqlName = "tinycdp_happenings"
    tls: Literal["verify", "off"] = "verify"
    ca: SecretVariable | None = None

    def hosts(self) -> tuple[HostToReach, ...]:
        """Where it connects to, other than by a URL."""
        why = "without TLS only such a host is used" if self.tls == "off" else ""
        return (HostToReach("$.host", self.host, self.port, usual=5432, named_because=why),)


class ClickHouseDocument(
    BatchDestination, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, tag_field="type",
    tag="clickhouse",
):  # fmt: skip
    """A table of ClickHouse.

    url    of its HTTP interface
    table  made if it is not there"""

    usual: ClassVar[tuple[int, int]] = (5_000, 10)

    url: str
    database: _SqlName = "default"
    table: _SqlName = "tinycdp_happenings"
    user: _SqlName = "default"
    password: SecretVariable | None = None

    def addresses(self) -> tuple[tuple[str, str], ...]:
        """(path, URL) of all that it leads to."""
        return (("$.url", self.url),)


class BucketDestination(BatchDestination, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A destination in a bucket of an S3-compatible storage.

    endpoint   the storage's URL; left out: that of AWS in this region
    accessKey  the variable that has it; likewise `secretKey`"""

    usual: ClassVar[tuple[int, int]] = (5_000, 300)

    bucket: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]" + _END)]
    region: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,40}" + _END)] = "us-east-1"
    endpoint: str = ""
    access_key: SecretVariable
    secret_key: SecretVariable

    @property
    def address(self) -> str:
        return self.endpoint.rstrip("/") or f"https://s3.{self.region}.amazonaws.com"

    def addresses(self) -> tuple[tuple[str, str], ...]:
        """(path, URL) of all that it leads to."""
        return (("$.endpoint", self.address),)


class S3Document(
    BucketDestination, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, tag_field="type", tag="s3"
):
    """Objects of a bucket.

    prefix  what their names begin with, such as `tinycdp/vip/`"""

    prefix: Annotated[str, msgspec.Meta(pattern="^([A-Za-z0-9=_.-]+/)*" + _END, max_length=500)] = ""
    format: Literal["parquet", "jsonl"] = "parquet"


class DeltaDocument(
    BucketDestination, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, tag_field="type",
    tag="delta",
):  # fmt: skip
    """A table of Delta Lake.

    path  of the table in the bucket, such as `lake/happenings`; made if it is not there"""

    path: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9=_.-]+(/[A-Za-z0-9=_.-]+)*" + _END, max_length=500)]


class KafkaDocument(
    BatchDestination, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, tag_field="type",
    tag="kafka",
):  # fmt: skip
    """A topic of Kafka's protocol.

    brokers    host:port of some; the operator names each
    mechanism  how the user logs in
    tls        false: nothing is encrypted
    ca         the variable with the certificates to trust, in PEM; left out: those of the system"""

    usual: ClassVar[tuple[int, int]] = (1_000, 1)

    brokers: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,253}:[0-9]{1,5}" + _END)], ...],
        msgspec.Meta(min_length=1, max_length=20),
    ]
    topic: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,249}" + _END)]
    tls: bool = True
    user: Annotated[str, msgspec.Meta(max_length=200)] = ""
    password: SecretVariable | None = None
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    ca: SecretVariable | None = None

    def hosts(self) -> tuple[HostToReach, ...]:
        """Where it connects to, other than by a URL."""
        why = "a broker sends its clients on to others, so only such ones are used"
        split = [broker.rpartition(":") for broker in self.brokers]
        return tuple(
            HostToReach(f"$.brokers[{n}]", host, int(port), named_because=why)
            for n, (host, _, port) in enumerate(split)
        )


#: A union of all types.
DestinationDocument = (
    WebhookDocument
    | HttpDocument
    | SmtpDocument
    | PostgresDocument
    | ClickHouseDocument
    | S3Document
    | DeltaDocument
    | KafkaDocument
)
#: The type of a document that names none.
DEFAULT_TYPE = {"type": "webhook"}
