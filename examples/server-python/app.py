"""A newspaper with a paywall: three articles are free, then a pass opens all of them for 30 days.

Run it beside a served TinyCDP (README.md says how). It needs Python, and nothing else.
"""

import html
import os
import signal
import uuid
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tinycdp_client import Client

ARTICLES = {
    "tides": "Why the tide comes twice a day",
    "bees": "How bees decide where to live",
    "ink": "The blue that cost more than gold",
    "maps": "An island that was never there",
}

#: One client for the process: its events wait in a folder, so that a crash of this server loses none.
tinycdp = Client(
    write_key=os.environ["TINYCDP_WRITE_KEY"],
    read_key=os.environ["TINYCDP_READ_KEY"],
    endpoint=os.environ.get("TINYCDP_URL", "http://127.0.0.1:8000"),
    queue=os.environ.get("QUEUE_DIR", "memory"),
    flush_at=1,
)


class Newspaper(BaseHTTPRequestHandler):
    """Every reader has a random id in a cookie, and no account."""

    def do_GET(self) -> None:
        """The list of articles, or one of them."""
        reader, key = self.reader(), self.path.strip("/")
        if not key:
            links = "".join(f'<li><a href="/{name}">{html.escape(title)}</a>' for name, title in ARTICLES.items())
            return self.answer(reader, f"<h1>The Paper</h1><ul>{links}</ul>")
        if key not in ARTICLES:
            return self.answer(reader, "<h1>No such article</h1>", status=404)
        title = html.escape(ARTICLES[key])
        # Without an answer the article is open: a newspaper prefers a free reader to an angry one.
        if tinycdp.decide("paywall", anonymous_id=reader, default=False).allow:
            offer = '<form method="post" action="/pass"><button>Read everything for 30 days</button></form>'
            return self.answer(reader, f"<h1>{title}</h1><p>You have read three articles.</p>{offer}", status=402)
        tinycdp.track(event="article_read", properties={"article": key}, anonymous_id=reader)
        return self.answer(reader, f"<h1>{title}</h1><p>It is a long story.</p>")

    def do_POST(self) -> None:
        """Buys a pass."""
        reader = self.reader()
        order = str(uuid.uuid4())
        tinycdp.track(event="pass_bought", properties={"amount": 5}, anonymous_id=reader, message_id=order)
        tinycdp.flush(timeout=2)  # the next page has to know
        self.answer(reader, "", status=303, location="/")

    def reader(self) -> str:
        """The reader's id, as the browser sent it, or a new one."""
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("reader")
        return cookie.value if cookie else str(uuid.uuid4())

    def answer(self, reader: str, body: str, *, status: int = 200, location: str | None = None) -> None:
        page = f"<!doctype html><meta charset=utf-8><title>The Paper</title>{body}".encode()
        self.send_response(status)
        self.send_header("Set-Cookie", f"reader={reader}; HttpOnly; SameSite=Lax; Path=/; Max-Age=31536000")
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: who reads what is for TinyCDP."""


def stop(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Ctrl-C, and what process managers send; a shell may start a process that ignores the first.
    for end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(end, stop)
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Newspaper)
    print(f"The Paper is at http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("Sending what waits", flush=True)
    finally:
        tinycdp.shutdown()
