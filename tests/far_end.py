"""The far end of a client under test: a server that answers as it is told, and remembers every message it took.

Shape   far_end() → FarEnd with a `url` · answer(status, …) for the next request · always(status, …) from now on
        taken lists the messages of requests that were answered 200; statuses lists what was answered
"""

import contextlib
import gzip
import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | str | None = None


class FarEnd:
    def __init__(self, port: int = 0) -> None:
        self._next: deque[Reply] = deque()
        self._standing = Reply()
        self._lock = threading.Lock()
        self.taken: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.statuses: list[int] = []
        self.headers: list[dict[str, str]] = []
        self.asked: list[dict[str, Any]] = []
        #: A request waits for this before it is answered.
        self.open = threading.Event()
        self.open.set()
        self._http = _Quiet(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def answer(self, status: int, body: Mapping[str, Any] | str | None = None, **headers: str) -> None:
        """The next request that has no answer yet gets this one."""
        self._next.append(Reply(status, headers, body))

    def always(self, status: int, body: Mapping[str, Any] | str | None = None, **headers: str) -> None:
        """Every further request gets this one."""
        self._standing = Reply(status, headers, body)

    @property
    def ids(self) -> list[str]:
        return [message["messageId"] for message in self.taken]

    def close(self) -> None:
        self.open.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _reply(self, path: str, headers: Mapping[str, str], asked: dict[str, Any]) -> tuple[Reply, dict[str, Any]]:
        batch = asked.get("batch", [])
        with self._lock:
            reply = self._next.popleft() if self._next else self._standing
            self.statuses.append(reply.status)
            self.headers.append({name.lower(): value for name, value in headers.items()})
            self.asked.append(asked)
            self.batches.append(len(batch))
            known = set(self.ids)
            duplicates = sum(message["messageId"] in known for message in batch)
            if reply.status == 200 and reply.body is None:
                self.taken += batch
            body = {"success": True, "accepted": len(batch) - duplicates, "duplicates": duplicates, "version": 1}
            return reply, body | {"rejected": []}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        far_end = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                far_end.open.wait()
                reply, taken = far_end._reply(self.path, self.headers, json.loads(body))
                said = reply.body if reply.body is not None else taken
                text = said.encode() if isinstance(said, str) else json.dumps(said).encode()
                with contextlib.suppress(ConnectionError):
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name.replace("_", "-"), value)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                """Tests read `statuses` instead."""

        return Handler


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that ends in the middle of a request is what some tests are about."""


@contextlib.contextmanager
def far_end(port: int = 0) -> Iterator[FarEnd]:
    made = FarEnd(port)
    try:
        yield made
    finally:
        made.close()
