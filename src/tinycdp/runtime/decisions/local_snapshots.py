"""A profile's flags for a client that decides them itself, as JSON.

Shape   local_answers(catalog, snapshot, now) -> LocalAnswers
Laws    equal flags have equal digests, on every process: nothing in them says when they were evaluated
Source  dsl/SNAPSHOT.md; docs/decisions/0040-snapshots-for-clients.md
"""

from hashlib import blake2b
from typing import NamedTuple

import msgspec

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.local import local_flags
from tinycdp.model import Instant
from tinycdp.runtime.decisions.decide import prepare
from tinycdp.runtime.decisions.snapshots import Snapshot

_encode = msgspec.json.Encoder(decimal_format="number").encode


class LocalAnswers(NamedTuple):
    """flags   a JSON object with an entry for each flag
    digest  of that object and of the unit
    until   the first instant at which a flag is not known any more"""

    flags: bytes
    digest: bytes
    until: Instant

    @property
    def mark(self) -> int:
        """The digest as twelve decimal digits, as in the event ids of a stream."""
        return int.from_bytes(self.digest[:8], "big") % 10**12


def local_answers(catalog: Catalog, snapshot: Snapshot, now: Instant) -> LocalAnswers:
    """Every flag of the profile."""
    prepare(catalog, snapshot, now)
    found = local_flags(catalog.live.local, snapshot, snapshot.now)
    snapshot.release()
    flags = _encode(dict(sorted(found.flags.items())))
    digest = blake2b(_encode(snapshot.unit) + flags, digest_size=16).digest()
    return LocalAnswers(flags, digest, found.until)
