"""A real browser for tests, the pages it opens, and a server behind a proxy that can fail.

Shape   chromium() → a Playwright browser · accessible(page, axe, view) holds what it shows to axe
        Site(folder) serves pages that load the SDK as a customer's would
        Backend(server) passes requests on to a real server, records them, and fails as it is told to
Laws    a page is on another origin than the server, as a customer's is; the browser asks nothing else of the network
Errors  Missing where Chromium is not installed
"""

import contextlib
import json
import shutil
import threading
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import httpx
from playwright.async_api import Browser, Page, async_playwright

from javascript import Missing
from serving import PATIENCE_SECONDS

_ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
_TYPES = {".html": "text/html", ".js": "text/javascript", ".map": "application/json"}
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "date", "server"}


#: Until colours that change have changed: a transition takes a moment, even where motion is reduced.
_SETTLED = """
async () => {
  const frame = () => new Promise(requestAnimationFrame)
  await frame(), await frame()
  const ending = animation => animation.effect.getComputedTiming().endTime !== Infinity
  await Promise.allSettled(document.getAnimations().filter(ending).map(animation => animation.finished))
  await frame()
}
"""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The system's Chromium. Raises Missing if absent."""
    program = shutil.which("chromium")
    if program is None:
        raise Missing("chromium is not installed: nothing is tested in a browser")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


async def accessible(page: Page, axe: str, view: str) -> None:
    """Axe finds nothing wrong with what the page shows, in both themes, and it does not scroll sideways."""
    await page.evaluate(axe)  # by the debugger, which no policy holds back
    for theme, rules in (("light", None), ("dark", ["color-contrast"])):  # a theme changes nothing but colours
        await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        await page.evaluate(_SETTLED)
        found = await page.evaluate(
            "runOnly => axe.run(document, {resultTypes: ['violations'], ...(runOnly && { runOnly })})", rules
        )
        problems = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]
        assert problems == [], (view, theme, problems)
    too_wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert too_wide <= 0, f"{view} scrolls sideways"


class _Listening:
    """An HTTP server in a thread, for as long as the block lasts."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Site(_Listening):
    """The files of a folder under /, and pages: a path that ends in .html is the text of `pages`, or of its own."""

    def __init__(self, folder: Path, page: str) -> None:
        self.pages: dict[str, str] = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(handler) -> None:
                path = handler.path.partition("?")[0]
                file = folder / path.lstrip("/")
                if path.endswith(".html"):
                    body = self.pages.get(path, page).encode()
                elif file.is_file():
                    body = file.read_bytes()
                else:
                    handler.send_error(404)
                    return
                handler.send_response(200)
                handler.send_header("Content-Type", _TYPES.get(Path(path).suffix, "text/plain"))
                handler.send_header("Content-Length", str(len(body)))
                with contextlib.suppress(ConnectionError):
                    handler.end_headers()
                    handler.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing reads it."""

        super().__init__(Handler)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes
    status: int

    @property
    def messages(self) -> list[dict[str, Any]]:
        found = json.loads(self.body)["batch"] if self.path.startswith("/v1/batch") and self.body else []
        assert isinstance(found, list)
        return found


class Backend(_Listening):
    """A real server as the network shows it.

    state    up: requests pass · away: connections end without an answer · busy: 503 · deaf: the server does its
             work, and its answer is lost
    seen     the requests in order, with the status that was answered; 0 if none was"""

    state: Literal["up", "away", "busy", "deaf"] = "up"

    def __init__(self, server: str) -> None:
        self.seen: list[Request] = []
        self._open_streams: set[BaseHTTPRequestHandler] = set()
        self._lock = threading.Lock()
        self._upstream = httpx.Client(base_url=server, timeout=PATIENCE_SECONDS)
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                state = backend.state
                if state == "away":
                    backend._saw(self, body, 0)
                    self.close_connection = True
                elif state == "busy" and self.command != "OPTIONS":
                    backend._saw(self, body, 503)
                    self._answer(503, {"Access-Control-Allow-Origin": "*"}, b"{}")
                else:
                    self._pass_on(body, lost=state == "deaf")

            def _pass_on(self, body: bytes, *, lost: bool) -> None:
                sent = [(k, v) for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP]
                upstream = backend._upstream
                with upstream.stream(self.command, self.path, headers=sent, content=body) as answer:
                    headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
                    if headers.get("content-type", "").startswith("text/event-stream"):
                        backend._saw(self, body, answer.status_code)
                        self._stream(answer, headers)
                        return
                    content = answer.read()
                backend._saw(self, body, 0 if lost else answer.status_code)
                if lost:
                    self.close_connection = True
                else:
                    self._answer(answer.status_code, headers, content)

            def _stream(self, answer: httpx.Response, headers: dict[str, str]) -> None:
                backend._open_streams.add(self)
                threading.Thread(target=self._watch, daemon=True).start()
                self.close_connection = True
                # The page is gone, or the server.
                with contextlib.suppress(OSError, ValueError, httpx.HTTPError, httpx.StreamError):
                    self.send_response(answer.status_code)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Connection", "close")
                    self.end_headers()
                    for part in answer.iter_raw():
                        self.wfile.write(part)
                backend._open_streams.discard(self)

            def _watch(self) -> None:
                """A page sends nothing on its stream: what can be read is its end."""
                with contextlib.suppress(OSError, ValueError):
                    self.connection.recv(1)
                backend._open_streams.discard(self)

            def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                with contextlib.suppress(ConnectionError):  # the page may be gone
                    self.end_headers()
                    self.wfile.write(content)

            do_GET = do_POST = do_OPTIONS = handle_any  # the names http.server calls

            def log_message(self, format: str, *args: Any) -> None:
                """Tests read `seen` instead."""

        super().__init__(Handler)

    def _saw(self, request: BaseHTTPRequestHandler, body: bytes, status: int) -> None:
        with self._lock:
            self.seen.append(Request(request.command, request.path, body, status))

    @property
    def streams(self) -> int:
        """How many event streams are open."""
        return len(self._open_streams)

    def batches(self) -> list[Request]:
        return [request for request in self.seen if request.path.startswith("/v1/batch") and request.method == "POST"]

    def arrived(self, event: str) -> Counter[int]:
        """How often each `n` of the event was sent to the server and answered, or worked on."""
        return Counter(
            message["properties"]["n"]
            for request in self.batches()
            if request.status == 200
            for message in request.messages
            if message.get("event") == event
        )

    def close(self) -> None:
        super().close()
        self._upstream.close()
