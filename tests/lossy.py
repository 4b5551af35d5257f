"""A proxy that loses answers on purpose: what a client sees when the network fails after the server has done its work.

Shape   losing(server, n) → Lossy: `url` for the client; the answers to its first n tracking requests never arrive
        Lossy.seen lists (method, path, status) of what the server answered, lost or not; `sent_again` says whether a
        message whose answer was lost has come once more
"""

import contextlib
import re
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from serving import PATIENCE_SECONDS, Server

_ID = re.compile(rb'"(?:messageId|uuid)":\s*"([^"]+)"')

#: Says something of the connection and not of the message, or is made anew by who sends it on.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Lossy:
    def __init__(self, server: Server, lose: int) -> None:
        self.seen: list[tuple[str, str, int]] = []
        self.lost = 0
        self.sent_again = False
        self._lose = lose
        self._unanswered: set[bytes] = set()
        self._lock = threading.Lock()
        self._upstream = httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._upstream.close()

    def _loses(self, method: str, path: str, status: int, body: bytes) -> bool:
        # gzip or deflate, by their first bytes; 47 reads both.
        ids = set(_ID.findall(zlib.decompress(body, 47) if body.startswith((b"\x1f\x8b", b"x")) else body))
        with self._lock:
            self.seen.append((method, path, status))
            self.sent_again = self.sent_again or bool(ids & self._unanswered)
            # Flags are asked for by POST as well, and carry no id.
            if method != "POST" or not ids or self.lost >= self._lose:
                return False
            self._unanswered |= ids
            self.lost += 1
            return True

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        lossy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                sent = [(k, v) for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP]
                answer = lossy._upstream.request(self.command, self.path, headers=sent, content=body)
                if lossy._loses(self.command, self.path, answer.status_code, body):
                    self.close_connection = True
                    return
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in _HOP_BY_HOP | {"content-encoding"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                with contextlib.suppress(ConnectionError):  # the client may be gone
                    self.end_headers()
                    self.wfile.write(answer.content)

            do_GET = do_POST = do_OPTIONS = handle_any  # the names http.server calls

            def log_message(self, format: str, *args: Any) -> None:
                """Tests read `seen` instead."""

        return Handler


@contextlib.contextmanager
def losing(server: Server, lose: int = 1) -> Iterator[Lossy]:
    proxy = Lossy(server, lose)
    try:
        yield proxy
    finally:
        proxy.close()
