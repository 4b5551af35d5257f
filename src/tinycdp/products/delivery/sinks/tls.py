"""TLS to an address that was checked, for the name that the document has."""

import ssl
from typing import Any

from tinycdp.products.delivery.definitions.schemas import SecretVariable
from tinycdp.products.delivery.sinks.sink import SinkError, secret_of


class _NamedContext(ssl.SSLContext):
    """Asks for the certificate of a host, whatever address is connected to."""

    host = ""

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        return super().wrap_bio(*arguments, **{**named, "server_hostname": self.host})


def context_for(host: str, ca: SecretVariable | None) -> ssl.SSLContext:
    """A context that trusts the system's certificates, or those of a variable."""
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.host = host
    if ca is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(cadata=secret_of(ca))
        except ssl.SSLError:
            raise SinkError(f"The variable {ca.env} has no certificates in PEM.", lasting=True) from None
    return context
