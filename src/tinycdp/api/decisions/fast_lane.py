"""GET /v1/decide by a user id, answered by hand for speed: from memory, or with one read.

Laws    the same answer as by the ordinary route: both end in decide_one and answer_of, and record the same exposure.
        What is not plain is left to the ordinary route
"""

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any, Protocol, cast
from urllib.parse import unquote_plus

from litestar.types import Scope

from tinycdp.api.decisions.answers import answer_of
from tinycdp.api.http.auth import text_of_header
from tinycdp.api.http.encoding import encode
from tinycdp.errors import Unavailable
from tinycdp.model import Identifier, IdentifierKind
from tinycdp.runtime.access.keys import Key, Keyring
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.decide import ProfileLoader, decide_one
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.decisions.snapshots import Snapshots
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.metrics import Metrics

#: Of a scope: why a lane could not answer, after it had waited. The ordinary route does not wait once more.
FAILED = "tinycdp.lane_failed"


class Memory(Protocol):
    """The parts that answer without a database."""

    @property
    def catalogs(self) -> Catalogs: ...
    @property
    def exposures(self) -> Exposures: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def profile_loader(self) -> ProfileLoader: ...
    @property
    def now(self) -> Clock: ...
    @property
    def snapshots(self) -> Snapshots: ...


async def fast_lane(memory: Memory, scope: Scope) -> bytes | None:
    """The body of the answer to GET /v1/decide; None if the ordinary route has to answer.

    The ordinary route answers for other parameters, a wrong key, a sticky flag, and while the database is away."""
    start = perf_counter()
    key = admitted(memory, scope["headers"])
    if key is None or memory.snapshots.away:
        return None
    user_id, flag = _user_and_flag(scope["query_string"])
    if not user_id or not flag:
        return None
    snapshot = memory.snapshots.find(key.environment_id, IdentifierKind.USER, user_id)
    try:
        catalog = memory.catalogs.serving(key.environment_id)
        now = memory.now()
        stale = False
        if flag in catalog.live.sticky:
            return None
        if snapshot is None:
            if flag not in catalog.live.flags:
                return None
            user = Identifier(IdentifierKind.USER, user_id)
            catalog, snapshot, stale = await memory.profile_loader.load(key.environment_id, user, now, flags=())
            now = memory.now()
            if flag in catalog.live.sticky:
                return None
        decision = decide_one(catalog, flag, snapshot, now)
    except Unavailable as failure:
        cast("dict[str, Any]", scope)[FAILED] = failure
        return None
    except Exception:  # the ordinary route answers it, and logs it
        return None
    memory.metrics.fast[decision.reason] += 1
    memory.metrics.minutes[key.environment_id].decisions += 1
    memory.exposures.record(catalog, decision, snapshot, now)
    answer = encode(answer_of(catalog, decision, snapshot, user_id, stale))
    memory.metrics.decided_one.observe(perf_counter() - start)
    return answer


def admitted(memory: Memory, headers: Iterable[tuple[bytes, bytes]]) -> Key | None:
    """The key in the headers, if it may decide now and from the website that asks.

    The ordinary route answers what this refuses."""
    key = key_of(memory, headers)
    if key is None or not key.may("decide"):
        return None
    if key.restrictions is not None:
        origin = next((value.decode("latin-1") for name, value in headers if name == b"origin"), None)
        if not key.restrictions.admit(origin, memory.now()):
            return None
    memory.keyring.used[key.id] = key.environment_id
    return key


def key_of(memory: Memory, headers: Iterable[tuple[bytes, bytes]]) -> Key | None:
    """The key in the headers; None if there is no valid one."""
    api_key = None
    for name, value in headers:
        if name == b"authorization":  # counts before the other, as in `auth.in_headers`
            return memory.keyring.remembered(value) or _read_key(memory.keyring, value, text_of_header)
        if name == b"x-api-key" and api_key is None:
            api_key = value
    return None if api_key is None else memory.keyring.remembered(api_key) or _read_key(memory.keyring, api_key, str)


def _read_key(keyring: Keyring, header: bytes, text_of: Callable[[str], str]) -> Key | None:
    key = keyring.find(text_of(header.decode("latin-1")))
    if key is not None:
        keyring.remember(header, key)
    return key


def _user_and_flag(query: bytes) -> tuple[str, str]:
    """The parameters `userId` and `flag`; empty if there are other parameters."""
    user_id = flag = ""
    escaped = b"%" in query or b"+" in query
    for part in query.decode("latin-1").split("&"):
        name, _, value = part.partition("=")
        if escaped:
            value = unquote_plus(value)
        if name == "userId" and not user_id:
            user_id = value
        elif name == "flag" and not flag:
            flag = value
        else:
            return "", ""
    return user_id, flag
