"""What happens to messages between their arrival and their storage, as the environment's policies say.

Shape   Door.pass_through(environment, messages, client) -> messages
Laws    the same message passes in the same way by whichever endpoint it comes
Source  docs/architecture.md
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from tinycdp.model import Message
from tinycdp.runtime.catalogs import Catalogs
from tinycdp.runtime.enrichment import Choices, Enricher
from tinycdp.runtime.policies import Policies


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


class Door:
    def __init__(self, policies: Policies, catalogs: Catalogs, enricher: Enricher) -> None:
        self._policies = policies
        self._catalogs = catalogs
        self._enricher = enricher

    def pass_through(self, environment_id: int, messages: Sequence[Message], client: Client) -> list[Message]:
        """The messages as they are stored."""
        choices = self._policies.of(environment_id, Choices)
        catalog = self._catalogs.current(environment_id)
        zone = catalog.zone if catalog is not None else "UTC"
        return [
            self._enricher.enrich(
                message,
                client.ip if client.is_browser or message.context.get("direct") is True else "",
                choices,
                zone,
            )
            for message in messages
        ]
