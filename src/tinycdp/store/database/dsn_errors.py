"""Why Postgres cannot be used under an address, for the person who set DATABASE_URL.

Shape   explained(dsn, error) → the error to raise instead, None for any other failure
Laws    one sentence, which names the part of DATABASE_URL that is wrong and what to do. Never the password
Errors  DATABASE_AWAY no server answers there · DATABASE_LOGIN_REFUSED user or password · DATABASE_UNKNOWN name ·
        DATABASE_FORBIDDEN a missing permission · DATABASE_READ_ONLY a replica · SETTING_INVALID the form of the address
"""

import socket
import ssl
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from tinycdp.errors import Forbidden, InvalidInput, TinyCDPError, Unavailable

_STARTING = (
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


def explained(dsn: str, error: BaseException) -> TinyCDPError | None:
    """What is wrong with the address, as an error to report."""
    user, where, database = _parts(dsn)
    said = _first_line(error)
    match error:
        case asyncpg.InvalidPasswordError():
            return Forbidden(
                "DATABASE_LOGIN_REFUSED",
                f"Postgres at {where} refuses the password of user {user!r}; correct the password in DATABASE_URL.",
            )
        case asyncpg.InvalidAuthorizationSpecificationError():
            return Forbidden(
                "DATABASE_LOGIN_REFUSED",
                f"Postgres at {where} refuses user {user!r} ({said}); correct the user in DATABASE_URL, or let it in.",
            )
        case asyncpg.InvalidCatalogNameError():
            return Unavailable(
                "DATABASE_UNKNOWN",
                f"Postgres at {where} has no database {database!r}; correct the name in DATABASE_URL, or create it.",
            )
        case asyncpg.InsufficientPrivilegeError():
            return Forbidden(
                "DATABASE_FORBIDDEN",
                f"User {user!r} may not use the database {database!r} at {where} ({said}); make it the owner.",
            )
        case asyncpg.ReadOnlySQLTransactionError():
            return Unavailable(
                "DATABASE_READ_ONLY",
                f"The database {database!r} at {where} is read-only, as a replica is; set DATABASE_URL to the primary.",
            )
        case socket.gaierror():
            return _away(f"No address is known for the host in {where} ({said}); correct the host in DATABASE_URL.")
        case ConnectionRefusedError():
            return _away(f"No Postgres listens at {where}; start it, or correct host and port in DATABASE_URL.")
        case FileNotFoundError():
            return _away(f"There is no socket of Postgres at {where}; start it, or correct the host in DATABASE_URL.")
        case TimeoutError():
            return _away(f"Nothing answers at {where} in 5 s; correct host and port in DATABASE_URL, or the network.")
        case asyncpg.ClientConfigurationError() | ValueError():
            return InvalidInput("SETTING_INVALID", f"DATABASE_URL: {said}.", name="DATABASE_URL")
        case asyncpg.PostgresError() if isinstance(error, _STARTING):
            return _away(f"Postgres at {where} takes no connection now ({said}); try again.")
        case ssl.SSLError() | asyncpg.InterfaceError() | asyncpg.InternalClientError() | OSError():
            return _away(f"What answers at {where} is not a usable Postgres ({said}); correct DATABASE_URL.")
        case asyncpg.PostgresConnectionError():
            return _away(f"What answers at {where} ends the connection ({said}); correct DATABASE_URL.")
    return None


def _away(message: str) -> Unavailable:
    return Unavailable("DATABASE_AWAY", message)


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _parts(dsn: str) -> tuple[str, str, str]:
    """User, place and database of an address, as far as they can be read."""
    try:
        split = urlsplit(dsn)
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        user = unquote(split.username or query.get("user", "")) or "(yours)"
        host = unquote(split.netloc.rpartition("@")[2]) or ":".join(filter(None, map(query.get, ("host", "port"))))
        return user, host or "the default address", unquote(split.path.lstrip("/")) or query.get("dbname", "") or user
    except ValueError:
        return "?", "the address", "?"
