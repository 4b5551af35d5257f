"""Exposures that clients report in a batch, because they know when a value was used.

Shape   known(…) divides what was reported into what can be recorded and rejections · record(…) after the commit
Laws    an exposure is no event: it is not stored as one, wakes no segment and moves no `last_seen`.
        Consent and suppression count as for an event named $exposure. One that is sent twice counts once
Errors  Rejections UNKNOWN_FLAG and UNKNOWN_VARIANT
Source  docs/reference/exposures.md "Reported by a client"
"""

from collections.abc import Sequence
from typing import Any, Protocol

from tinycdp.api.http.encoding import encode
from tinycdp.api.ingest.adapters.canonical import SentExposure
from tinycdp.engine.catalog import Catalog
from tinycdp.model import Instant, Rejection
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.ingest.pipeline import Pipeline


class Reporting(Protocol):
    """The parts that a reported exposure goes through."""

    @property
    def catalogs(self) -> Catalogs: ...
    @property
    def exposures(self) -> Exposures: ...
    @property
    def now(self) -> Clock: ...
    @property
    def pipeline(self) -> Pipeline: ...


def known(
    parts: Reporting, environment_id: int, reported: Sequence[SentExposure]
) -> tuple[list[SentExposure], list[Rejection]]:
    """Those that consent, suppression and the live flags allow, and rejections of the others."""
    catalog, now = parts.catalogs.current(environment_id), parts.now()
    admitted, rejections = parts.pipeline.admit(environment_id, [exposure.message for exposure in reported])
    kept = {id(message) for message in admitted}
    found = []
    for exposure in reported:
        if id(exposure.message) not in kept:
            continue
        code, message, field = _fault(catalog, exposure.message.properties, now)
        if not code:
            found.append(exposure)
            continue
        payload = encode(exposure.message.properties)
        rejections.append(
            Rejection(code=code, message=message, path=f"{exposure.path}.properties.{field}", payload=payload)
        )
    return found, rejections


def record(parts: Reporting, environment_id: int, reported: Sequence[SentExposure]) -> None:
    """Record these exposures, without I/O, each for the profile that its strongest identifier belongs to."""
    catalog, now = parts.catalogs.current(environment_id), parts.now()
    for exposure in reported:
        message = exposure.message
        flag, variant = message.properties["flag"], message.properties["variant"]
        program = catalog.live.flags.get(flag) if catalog is not None else None
        if catalog is None or program is None:
            continue  # it was deleted while the events were stored
        # A rule that is gone meanwhile gave what no rule gives today.
        named = message.properties.get("rule")
        rule = next((rule.id for rule in program.at(now).flag.rules if rule.id == named), None)
        identifier = message.identifiers[0]
        parts.exposures.record_reported(catalog, flag, variant, rule, identifier, message.occurred_at, now)


def _fault(catalog: Catalog | None, properties: dict[str, Any], now: Instant) -> tuple[str, str, str]:
    flag, variant = properties.get("flag"), properties.get("variant")
    program = catalog.live.flags.get(flag) if catalog is not None and type(flag) is str else None
    if program is None:
        return "UNKNOWN_FLAG", f"There is no flag {flag!r}: send the key of a flag that is live.", "flag"
    if type(variant) is not str or variant not in program.at(now).flag.variants:
        return "UNKNOWN_VARIANT", f"The flag {flag!r} has no variant {variant!r}.", "variant"
    return "", "", ""
