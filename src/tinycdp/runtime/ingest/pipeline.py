"""What happens to messages between their arrival and their storage, as the environment's policies say.

Shape   Door.pass_through(environment, messages, client) -> Passed: the messages as they are stored, and what is not
Laws    the same message passes in the same way by whichever endpoint it comes
Source  docs/architecture.md
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from tinycdp.model import Message, Rejection
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.policies.documents import Policies
from tinycdp.runtime.policies.enrichment import Choices, Enricher
from tinycdp.runtime.policies.limits import Charge, Limiter, Limits
from tinycdp.runtime.policies.privacy_rules import Privacy, PrivacyPolicy

#: An address in a payload that was refused and may be cut off anywhere, or no JSON at all.
_ADDRESS = re.compile(rb'"(\$?ip)"\s*:\s*"[^"]*"?')


@dataclass(frozen=True, slots=True)
class Client:
    """Who sent a request. is_browser: the connection is the visitor's own, not that of a server."""

    ip: str = ""
    is_browser: bool = False


def address_of(peer: str, forwarded: str, trusted: int) -> str:
    """The client's address behind `trusted` proxies: each wrote whom it heard from at the end of X-Forwarded-For."""
    if not trusted:
        return peer
    heard = [part.strip() for part in forwarded.split(",")] if forwarded else []
    found = heard[-trusted] if len(heard) >= trusted else (heard[0] if heard else peer)
    try:
        return str(ipaddress.ip_address(found))
    except ValueError:
        return peer


@dataclass(frozen=True, slots=True)
class Passed:
    """sampled: how many were left out because only a share of their event is kept."""

    messages: list[Message]
    rejections: Sequence[Rejection] = ()
    sampled: int = 0


class Door:
    def __init__(
        self, policies: Policies, catalogs: Catalogs, enricher: Enricher, limiter: Limiter, privacy: Privacy
    ) -> None:
        self._policies = policies
        self._privacy = privacy
        self._catalogs = catalogs
        self._enricher = enricher
        self._limiter = limiter

    def pass_through(
        self, environment_id: int, messages: Sequence[Message], client: Client, charge: Charge | None = None
    ) -> Passed:
        """What becomes of the messages. `charge` is what their request pays; without one, people have no limit."""
        choices = self._policies.of(environment_id, Choices)
        limits = self._policies.of(environment_id, Limits)
        privacy = self._policies.of(environment_id, PrivacyPolicy)
        catalog = self._catalogs.current(environment_id)
        zone = catalog.zone if catalog is not None else "UTC"
        messages, unwilling = self._privacy.admit(environment_id, privacy, messages)
        messages, rejections, sampled = self._limiter.sift(limits, environment_id, messages, charge)
        enriched = [
            self._enricher.enrich(
                message,
                client.ip if client.is_browser or message.context.get("direct") is True else "",
                choices,
                zone,
            )
            for message in messages
        ]
        if limits.sampling:
            enriched = [self._limiter.scaled(limits, environment_id, message) for message in enriched]
        if privacy.rules:  # last: what was added may have been taken from what they hide
            enriched = [self._privacy.treated(environment_id, privacy, message) for message in enriched]
        return Passed(enriched, [*unwilling, *self.logged(environment_id, rejections)], sampled)

    def admit(self, environment_id: int, messages: Sequence[Message]) -> tuple[Sequence[Message], list[Rejection]]:
        """The messages that people agree to, and the refusals of the others."""
        return self._privacy.admit(environment_id, self._policies.of(environment_id, PrivacyPolicy), messages)

    def shown(self, environment_id: int, messages: Iterable[Message]) -> Iterator[Message]:
        """Messages as they arrived, for people to look at: without what nobody is to see."""
        policy = self._policies.of(environment_id, PrivacyPolicy)
        for message in messages:
            for kept in self.admit(environment_id, [message])[0]:
                yield self._privacy.treated(environment_id, policy, kept)

    def logged(self, environment_id: int, rejections: Sequence[Rejection]) -> Sequence[Rejection]:
        """Refusals as the log may keep them."""
        if not rejections:
            return rejections
        policy = self._policies.of(environment_id, PrivacyPolicy)
        rejections = self._privacy.logged(environment_id, policy, rejections)
        if self._policies.of(environment_id, Choices).store_ip:
            return rejections
        return [msgspec.structs.replace(one, payload=_ADDRESS.sub(rb'"\1":null', one.payload)) for one in rejections]
