"""The ingest pipeline: applies an environment's policies to messages before storage.

Shape   Pipeline.run(environment, messages, client) → Processed: the messages to store, and the rejections
Laws    The result does not depend on the endpoint.
Source  docs/architecture.md
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from tinycdp.engine.schema.tracking_plan import renamed
from tinycdp.model import Message, Rejection
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.policies.documents import Policies
from tinycdp.runtime.policies.enrichment import Enricher, EnrichmentPolicy
from tinycdp.runtime.policies.limits import Charge, Limiter, Limits
from tinycdp.runtime.policies.privacy_rules import Privacy, PrivacyPolicy
from tinycdp.runtime.policies.rejections import RejectionCounter
from tinycdp.runtime.policies.validation import rejection

#: An IP address in a rejected payload, which may be truncated or invalid JSON.
_ADDRESS = re.compile(rb'"(\$?ip)"\s*:\s*"[^"]*"?')


@dataclass(frozen=True, slots=True)
class Client:
    """The client of a request.

    is_browser: the address is the visitor's own, not that of a server."""

    ip: str = ""
    is_browser: bool = False


def address_of(peer: str, forwarded: str, trusted: int) -> str:
    """The client's address behind `trusted` proxies.

    Each proxy appends the address of its peer to X-Forwarded-For."""
    if not trusted:
        return peer
    bucket_widths = [part.strip() for part in forwarded.split(",")] if forwarded else []
    found = bucket_widths[-trusted] if len(bucket_widths) >= trusted else (bucket_widths[0] if bucket_widths else peer)
    try:
        return str(ipaddress.ip_address(found))
    except ValueError:
        return peer


@dataclass(frozen=True, slots=True)
class Processed:
    """The result of the pipeline. sampled: how many messages sampling dropped."""

    messages: list[Message]
    rejections: Sequence[Rejection] = ()
    sampled: int = 0


class Pipeline:
    """Names, consent and suppression, validation, limits and sampling, enrichment, privacy rules: in this order.

    rejection_counter  counts what validation rejects"""

    def __init__(
        self,
        policies: Policies,
        catalogs: Catalogs,
        enricher: Enricher,
        limiter: Limiter,
        privacy: Privacy,
        rejection_counter: RejectionCounter,
    ) -> None:
        self._rejection_counter = rejection_counter
        self._policies = policies
        self._privacy = privacy
        self._catalogs = catalogs
        self._enricher = enricher
        self._limiter = limiter

    def run(
        self, environment_id: int, messages: Sequence[Message], client: Client, charge: Charge | None = None
    ) -> Processed:
        """The messages as they are stored. Without a `charge` profiles have no rate limit."""
        enrichment = self._policies.of(environment_id, EnrichmentPolicy)
        limits = self._policies.of(environment_id, Limits)
        privacy = self._policies.of(environment_id, PrivacyPolicy)
        catalog = self._catalogs.current(environment_id)
        zone = catalog.zone if catalog is not None else "UTC"
        # First, so that every policy knows an event by one name.
        if (renaming := self._policies.renaming(environment_id)) is not None:
            messages = [renamed(message, renaming) for message in messages]
        messages, dropped = self._privacy.admit(environment_id, privacy, messages)
        invalid: list[Rejection] = []
        if (validation := self._policies.validation(environment_id)) is not None:
            messages, failed = validation.check(messages)
            for message, wrong in failed:
                self._rejection_counter.count_rejected(environment_id, message, wrong)
                invalid.append(rejection(message, wrong))
        messages, rejections, sampled = self._limiter.apply_limits(limits, environment_id, messages, charge)
        enriched = [
            self._enricher.enrich(
                message,
                client.ip if client.is_browser or message.context.get("direct") is True else "",
                enrichment,
                zone,
            )
            for message in messages
        ]
        if limits.sampling:
            enriched = [self._limiter.add_sample_factor(limits, environment_id, message) for message in enriched]
        if privacy.rules:  # last: enrichment may have copied a value that a rule hides
            enriched = [self._privacy.redact(environment_id, privacy, message) for message in enriched]
        redacted = self.redact_rejections(environment_id, [*invalid, *rejections])
        return Processed(enriched, [*dropped, *redacted], sampled)

    def admit(self, environment_id: int, messages: Sequence[Message]) -> tuple[Sequence[Message], list[Rejection]]:
        """The messages that consent and suppression allow, and rejections of the others."""
        return self._privacy.admit(environment_id, self._policies.of(environment_id, PrivacyPolicy), messages)

    def visible(self, environment_id: int, messages: Iterable[Message]) -> Iterator[Message]:
        """Messages as they arrived, for display: privacy rules are applied."""
        policy = self._policies.of(environment_id, PrivacyPolicy)
        renaming = self._policies.renaming(environment_id)
        for message in messages:
            known = message if renaming is None else renamed(message, renaming)
            for kept in self.admit(environment_id, [known])[0]:
                redacted = self._privacy.redact(environment_id, policy, kept)
                if known is not message:
                    redacted = msgspec.structs.replace(redacted, name=message.name, warnings=message.warnings)
                yield redacted

    def redact_rejections(self, environment_id: int, rejections: Sequence[Rejection]) -> Sequence[Rejection]:
        """Rejections as the log may store them."""
        if not rejections:
            return rejections
        policy = self._policies.of(environment_id, PrivacyPolicy)
        rejections = self._privacy.redact_rejections(environment_id, policy, rejections)
        if self._policies.of(environment_id, EnrichmentPolicy).store_ip:
            return rejections
        return [msgspec.structs.replace(one, payload=_ADDRESS.sub(rb'"\1":null', one.payload)) for one in rejections]
