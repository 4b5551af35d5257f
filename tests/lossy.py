"""A proxy that loses answers on purpose: what a client sees when the network fails after the server has done its work.

Shape   losing(server, n) → Lossy: `url` for the client; the answers to its first n tracking requests never arrive
        Lossy.seen lists (method, path, status) of what the server answered, lost or not
"""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from serving import Server

#: Says something of the connection and not of the message, or is made anew by who sends it on.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Lossy:
    def __init__(self, server: Server, lose: int) -> None:
        self.seen: list[tuple[str, str, int]] = []
        self.lost = 0
        self._lose = lose
        self._lock = threading.Lock()
        self._upstream = httpx.Client(base_url=server.url, timeout=20)
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

    def statuses(self, path: str) -> list[int]:
        """What the server answered to requests of this path."""
        with self._lock:
            return [status for _, seen, status in self.seen if seen.partition("?")[0] == path]

    def _loses(self, method: str, path: str, status: int) -> bool:
        with self._lock:
            self.seen.append((method, path, status))
            # Settings are fetched, events are posted, and flags are asked for by post as well.
            if method != "POST" or "/flags" in path or self.lost >= self._lose:
                return False
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
                if lossy._loses(self.command, self.path, answer.status_code):
                    self.close_connection = True
                    return
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in _HOP_BY_HOP | {"content-encoding"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
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
