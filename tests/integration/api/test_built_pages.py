"""The built pages and their files: headers, compression, names; and a checkout in which nothing was built."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from application import Application, running
from tinycdp import __version__, resources
from tinycdp.api.pages.console import SEGMENTS

DEMO_KEY = "page-key-of-the-tests"
SCRIPT = "console.log('the script itself')"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pages as a build leaves them."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "console.html").write_text('<meta nonce="__NONCE__"><title>the console</title>')
    (tmp_path / "demo.html").write_text('<meta nonce="__NONCE__"><style nonce="__NONCE__"></style>')
    for name, content in {
        "demo-1a2b.js": SCRIPT,
        "demo-1a2b.js.br": "as brotli",
        "demo-1a2b.js.gz": "as gzip",
        "demo-1a2b.css": "p{}",
        "inter.woff2": "a font",
        ".hidden": "a secret",
    }.items():
        (tmp_path / "assets" / name).write_text(content)
    monkeypatch.setattr(resources, "PAGES", tmp_path)
    return tmp_path


@pytest.fixture
async def app(dsn: str, built: Path) -> AsyncIterator[Application]:
    async with running(dsn, demo_key=DEMO_KEY) as application:
        yield application


async def test_a_page_may_load_what_is_here_and_nothing_else(app: Application) -> None:
    answer = await app.keyless.get("/demo")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    nonce = re.search(r"'nonce-([\w-]{20,})'", policy.pop("style-src"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "font-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert nonce and answer.text.count(f'nonce="{nonce[1]}"') == 2
    expected = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-cache",
    }
    assert {name: answer.headers[name] for name in expected} == expected


async def test_each_answer_has_a_nonce_of_its_own(app: Application) -> None:
    texts = {(await app.keyless.get("/demo")).text for _ in range(5)}
    assert len(texts) == 5


async def test_a_link_to_a_page_may_have_parameters(app: Application) -> None:
    assert (await app.keyless.get("/demo?utm_source=mail&utm_source=again")).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "encoding", "text"),
    [
        ("gzip, deflate, br, zstd", "br", b"as brotli"),
        ("gzip", "gzip", b"as gzip"),
        ("GZIP;q=0.5", "gzip", b"as gzip"),
        ("br;q=0, gzip;q=0.1", "gzip", b"as gzip"),
        ("br; q=0.000", None, SCRIPT.encode()),
        ("", None, SCRIPT.encode()),
        ("identity", None, SCRIPT.encode()),
    ],
)
async def test_a_file_comes_compressed_as_the_client_takes_it(
    app: Application, accepted: str, encoding: str | None, text: bytes
) -> None:
    headers = {"accept-encoding": accepted}
    async with app.keyless.stream("GET", "/assets/demo-1a2b.js", headers=headers) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert (answer.status_code, raw) == (200, text)
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_file_that_was_not_compressed_comes_as_it_is(app: Application) -> None:
    answer = await app.keyless.get("/assets/inter.woff2")
    assert (answer.content, answer.headers["content-type"]) == (b"a font", "font/woff2")
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "name", ["nothing.js", ".hidden", "demo-1a2b.js.br", "..%2Fdemo.html", "%2e%2e", "a%00b", "assets/demo-1a2b.js"]
)
async def test_nothing_else_can_be_read(app: Application, name: str) -> None:
    answer = await app.keyless.get(f"/assets/{name}")
    assert answer.status_code in {400, 404}
    assert answer.json()["code"] in {"NOT_FOUND", "ROUTE_NOT_FOUND", "INVALID_REQUEST"}


@pytest.mark.parametrize("path", ["/demo", "/assets/demo-1a2b.js"])
async def test_pages_and_files_answer_head(app: Application, path: str) -> None:
    answer = await app.keyless.head(path)
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
    assert (await app.keyless.post(path)).status_code == 405


@pytest.mark.parametrize(
    "path", ["/", *(f"/{segment}" for segment in SEGMENTS), "/segments/a%2Fb", "/users/ada?by=userId"]
)
async def test_the_console_answers_its_own_addresses(app: Application, path: str) -> None:
    answer = await app.keyless.get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "the console" in answer.text and "__NONCE__" not in answer.text
    assert "'nonce-" in answer.headers["content-security-policy"]


async def test_the_console_takes_no_address_of_the_api(app: Application) -> None:
    for path in ("/nothing", "/segments/a/b", "/v1/segments", "/api/nothing"):
        answer = await app.keyless.get(path, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.json()["code"]) == (404, "ROUTE_NOT_FOUND"), path
    flags = await app.keyless.post("/flags", json={"distinct_id": "ada"})
    assert flags.status_code == 401, "PostHog's endpoint has the same path"


async def test_every_address_of_the_console_is_served() -> None:
    """The routes of the page, and the first segments that the server answers, are the same."""
    source = (Path(__file__).parents[3] / "src/console/app/definitions/kinds.ts").read_text()
    kinds = re.search(r"KINDS = \[(.+?)\]", source)
    folders = (Path(__file__).parents[3] / "src/console/app").glob("*/routes.ts*")
    routes = "".join(file.read_text() for file in folders)
    named = {*re.findall(r'path: "/(\w+)', routes), *(re.findall(r'"(\w+)"', kinds[1]) if kinds else ())}
    assert named == set(SEGMENTS)


async def test_what_is_not_built_says_how(app: Application, built: Path) -> None:
    (built / "demo.html").unlink()
    answer = await app.keyless.get("/demo")
    assert answer.status_code == 503
    assert "make console" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "script-src" not in answer.headers["content-security-policy"]


async def test_without_a_console_the_first_page_says_where_to_go(app: Application, built: Path) -> None:
    (built / "console.html").unlink()
    answer = await app.keyless.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert answer.headers["vary"] == "Accept"
    assert __version__ in answer.text and "make console" in answer.text
    assert not re.search("<(script|img|iframe|object|form|link)", answer.text)
    links = re.findall('href="(.*?)"', answer.text)
    assert set(links) == {"docs", "openapi.json", "healthz", "readyz", "metrics"}
    for link in links:
        assert (await app.keyless.get(f"/{link}")).status_code == 200, link


@pytest.mark.parametrize("path", ["/demo", "/demo/config", "/demo/me?id=demo_0123456789012345678901"])
async def test_a_server_without_the_demo_has_none_of_it(dsn: str, built: Path, path: str) -> None:
    async with running(dsn) as app:
        answer = await app.keyless.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "ROUTE_NOT_FOUND")
        assert (await app.keyless.get("/assets/demo-1a2b.css")).status_code == 200
