"""HTTP with what Python has: connections that stay open, gzip, proxies of the environment.

Shape   Transport(endpoint).request(…) → Answer · .stream(…) → a response to read line by line
Laws    a request on a connection that the server had closed meanwhile is sent again on a new one, once; all requests
        of this client may be repeated
        no redirect is followed: a key goes only to the endpoint that was named
Errors  Unreachable: no answer came
"""

import gzip
import http.client
import json
import ssl
import threading
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .version import VERSION

#: Smaller bodies do not get shorter.
_COMPRESS_FROM = 1024
_MOST_IDLE = 32
_AGENT = f"tinycdp-client-python/{VERSION}"


class Unreachable(Exception):
    """The server did not answer: no connection, a timeout, or a connection that broke."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; `fields` is its JSON object, empty if it is something else."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        with suppress(ValueError):
            found = json.loads(self.body)
            if isinstance(found, dict):
                return found
        return {}

    @property
    def retry_after(self) -> float | None:
        """The seconds that the server wants to be left alone, if it says so."""
        with suppress(ValueError):
            return max(0.0, float(self.headers.get("retry-after", "")))
        return None


class Transport:
    """Requests to one server. May be used by many threads at once."""

    def __init__(self, endpoint: str, ssl_context: ssl.SSLContext | None = None) -> None:
        url = urllib.parse.urlsplit(endpoint)
        if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
            raise ValueError(f"endpoint is {endpoint!r}; give the server's address, such as https://cdp.example.com")
        self._scheme, self._host, self._path = url.scheme, url.netloc.rpartition("@")[2], url.path.rstrip("/")
        self._tls = None
        if url.scheme == "https":
            self._tls = ssl_context or ssl.create_default_context()
        self._proxy = _proxy(url)
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []

    def request(
        self,
        path: str,
        *,
        key: str,
        body: bytes,
        seconds: float,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Posts JSON, and returns what comes back, whatever its status. Raises Unreachable."""
        sent = {"Content-Type": "application/json"} | self._headers(key) | dict(headers or {})
        if len(body) >= _COMPRESS_FROM:
            body = gzip.compress(body, 6, mtime=0)
            sent["Content-Encoding"] = "gzip"
        while True:
            connection, is_new = self._take(seconds)
            try:
                connection.request("POST", self._target(path), body, sent)
                response = connection.getresponse()
                answer = Answer(response.status, _lower(response), response.read())
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if is_new or isinstance(error, TimeoutError):
                    raise Unreachable(f"{self._host} did not answer: {error or type(error).__name__}") from error
                continue
            except BaseException:
                connection.close()
                raise
            if response.will_close:
                connection.close()
            else:
                self._give_back(connection)
            return answer

    def stream(
        self, path: str, seconds: float, last_id: str | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Opens a stream of events, on a connection of its own that the caller closes. Raises Unreachable."""
        connection = self._connect(seconds)
        headers = {"Accept": "text/event-stream", "User-Agent": _AGENT}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        try:
            connection.request("GET", self._target(path), headers=headers)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(f"{self._host} did not answer: {error or type(error).__name__}") from error

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self) -> None:
        self._lock.release()

    def forked(self) -> None:
        """The connections are the parent's: two processes that write to one would garble it."""
        self._lock = threading.Lock()
        self.close()

    def _headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}", "User-Agent": _AGENT}

    def _target(self, path: str) -> str:
        whole = f"{self._path}{path}"
        return f"http://{self._host}{whole}" if self._proxy and self._tls is None else whole

    def _take(self, seconds: float) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            if not self._idle:
                return self._connect(seconds), True
            connection = self._idle.pop()
        connection.timeout = seconds
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        return connection, False

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        host = self._proxy or self._host
        made: http.client.HTTPConnection
        if self._tls is None:
            made = http.client.HTTPConnection(host, timeout=seconds)
        else:
            made = http.client.HTTPSConnection(host, timeout=seconds, context=self._tls)
            if self._proxy:
                made.set_tunnel(self._host)
        return made

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()


def _proxy(url: urllib.parse.SplitResult) -> str | None:
    """The proxy that the environment names for this address, as host and port."""
    named = urllib.request.getproxies().get(url.scheme)
    if not named or urllib.request.proxy_bypass(url.hostname or ""):
        return None
    return urllib.parse.urlsplit(named if "//" in named else f"//{named}").netloc.rpartition("@")[2] or None


def _lower(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}
