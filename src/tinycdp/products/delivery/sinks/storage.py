"""What object storages have in common: keys, a way out, and what their errors mean."""

import os
import re

from tinycdp.products.delivery.definitions.schemas import BucketDestination
from tinycdp.products.delivery.reach import NotAllowed, Reach
from tinycdp.products.delivery.sinks.relay import Relay
from tinycdp.products.delivery.sinks.sink import SinkError, secret_of

#: Delta's errors are drawn for a terminal.
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_ANSWER = re.compile(r"status code\W+(\d{3})")
_CODE = re.compile(r"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")
_LASTING = frozenset({"301", "400", "401", "403", "404", "405", "411", "501"})
_PASSING_CODES = frozenset({"QuotaExceeded", "RequestTimeTooSkewed", "RequestTimeout", "SlowDown", "StorageFull"})


def _leave_the_machine_out(named_host: str) -> None:
    """Take variables out of this process that the libraries read by themselves.

    They would add the machine's token to the document's keys, lead to another address than was checked, or go by a
    proxy."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    if named_host:
        for name in ("NO_PROXY", "no_proxy"):
            hosts = os.environ.get(name, "")
            if named_host not in hosts.split(","):
                os.environ[name] = f"{hosts},{named_host}".lstrip(",")


async def options_of(document: BucketDestination, reach: Reach, relay: Relay) -> dict[str, str]:
    """What a storage is opened with: nothing of the machine's own."""
    try:
        place = reach.place_of(document.address)
    except NotAllowed as error:
        raise SinkError(f"The address is refused: {error}", lasting=True) from None
    _leave_the_machine_out(place.host if place.named else "")
    found = {
        "aws_endpoint": document.address,
        "aws_region": document.region,
        "aws_access_key_id": secret_of(document.access_key),
        "aws_secret_access_key": secret_of(document.secret_key),
        "aws_virtual_hosted_style_request": "false",
        "aws_conditional_put": "etag",
        "connect_timeout": "10s",
        "timeout": "60s",
    }
    if place.named:
        found["allow_http"] = "true"
    else:
        try:
            await reach.check(document.address)
        except NotAllowed as error:
            raise SinkError(f"The address is refused: {error}", lasting=True) from None
        found["proxy_url"] = await relay.url()
    return found


def failure_of(document: BucketDestination, error: Exception) -> SinkError:
    """What an error of a storage means, in its own words if it has some."""
    text = _COLOR.sub("", str(error))
    status = found[1] if (found := _ANSWER.search(text)) else ""
    code = found[1] if (found := _CODE.search(text)) else ""
    if not status:
        if "error sending request" in text:
            return SinkError(f"{document.address} cannot be reached.")
        return SinkError(f"The storage failed: {text.strip().partition(chr(10))[0]}")
    said = found[1].rstrip(".") if (found := _MESSAGE.search(text)) else f"answer {status}"
    named = f"{code}: {said}" if code else said
    return SinkError(
        f"The storage refuses bucket {document.bucket}: {named}.",
        lasting=status in _LASTING and code not in _PASSING_CODES,
    )
