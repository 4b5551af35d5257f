"""The packed TypeScript SDK in empty projects: as ES modules, as CommonJS, in TypeScript, and in a browser's bundle.

Shape   `npm pack`, then an installation without a network; each project runs against a small server of the test
"""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from javascript import PATH, Package

FOLDER = Path(__file__).parents[2] / "sdk-ts"
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAG = {"key": "price", "value": "7.99", "variant": "lower", "reason": "SPLIT", "metadata": {"rule": "test"}}

#: What each project does: every entry point, an event and a flag.
STORY = """
const client = initTinyCDP({ endpoint: process.argv[2], writeKey: "write_12345678", readKey: "read_12345678",
  onError: (problem) => { throw new Error(problem.message) } })
const tracker = createTracker({ endpoint: process.argv[2], writeKey: "write_12345678" })
const flags = createFlags({ endpoint: process.argv[2], readKey: "read_12345678" })
const run = async () => {
  client.track("from the client", { n: 1 }, { userId: "ada" })
  tracker.track("from the tracker", {}, { userId: "ada" })
  const provider = new ServerProvider(flags)
  const answers = [
    await client.decide("price", { userId: "ada" }),
    await provider.resolveStringEvaluation("price", "", {}),
  ]
  await client.shutdown()
  await tracker.shutdown()
  console.log(JSON.stringify([answers.map((answer) => answer.value), typeof pageViews, typeof WebProvider]))
}
run()
"""
NAMES = {
    "": "initTinyCDP",
    "/track": "createTracker",
    "/flags": "createFlags",
    "/auto": "pageViews",
    "/openfeature": "ServerProvider, WebProvider",
}


class Server(ThreadingHTTPServer):
    """Answers as TinyCDP would, serves the files of a folder, and keeps what it got."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self.arrived = threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/batch":
            self.server.events += body["batch"]
            self.server.arrived.set()
            answer: Any = {"success": True, "accepted": 1, "duplicates": 0, "version": 1, "rejected": []}
        else:
            answer = {"flags": [FLAG]} if "flags?" in self.path else FLAG
        self._send(json.dumps(answer).encode(), "application/json")

    def do_GET(self) -> None:
        file = self.server.folder / self.path.lstrip("/")
        if file.is_file():
            kind = "text/javascript" if file.suffix == ".js" else "text/html"
            self._send(file.read_bytes(), kind)
        else:
            self.send_error(404)

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def sdk() -> Package:
    package = Package(FOLDER)
    package.run("tsdown")
    return package


@pytest.fixture(scope="module")
def installed(sdk: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has installed the package; the projects are in it."""
    folder = tmp_path_factory.mktemp("installed")
    _npm(sdk.folder, "pack", "--ignore-scripts", "--pack-destination", str(folder))
    [packed] = folder.glob("*.tgz")
    (folder / "package.json").write_text('{"name": "empty", "private": true}')
    _npm(folder, "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", str(packed))
    return folder


@pytest.fixture
def project(installed: Path, tmp_path: Path) -> Callable[..., Path]:
    """An empty project with these files."""

    def make(kind: str, **files: str) -> Path:
        folder = installed / tmp_path.name
        folder.mkdir()
        (folder / "package.json").write_text(json.dumps({"name": "project", "private": True, "type": kind}))
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text)
        return folder

    return make


@pytest.fixture
def server(installed: Path, tmp_path: Path) -> Iterator[Server]:
    running = Server(installed / tmp_path.name / "dist")
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def _npm(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["npm", *arguments], cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"npm {arguments[0]} failed:\n{done.stdout}\n{done.stderr}"


def _environment() -> dict[str, str]:
    return {"PATH": PATH, "HOME": str(Path.home()), "NO_COLOR": "1", "LANG": "C.UTF-8"}


def _check(sdk: Package, folder: Path, script: str, server: Server) -> None:
    said = json.loads(sdk.script(script, server.address, folder=folder))
    assert said == [["7.99", "7.99"], "function", "function"]
    assert {event["event"] for event in server.events} == {"from the client", "from the tracker"}


def test_as_es_modules(sdk: Package, project: Callable[..., Path], server: Server) -> None:
    imports = "".join(f'import {{ {names} }} from "@tinycdp/sdk{path}"\n' for path, names in NAMES.items())
    _check(sdk, project("module", main__js=imports + STORY), "main.js", server)


def test_as_commonjs(sdk: Package, project: Callable[..., Path], server: Server) -> None:
    requires = "".join(f'const {{ {names} }} = require("@tinycdp/sdk{path}")\n' for path, names in NAMES.items())
    _check(sdk, project("commonjs", main__js=requires + STORY), "main.js", server)


@pytest.mark.parametrize("kind", ["module", "commonjs"])
@pytest.mark.parametrize("resolution", ["nodenext", "bundler"])
def test_in_typescript_with_types_of_a_tracking_plan(
    sdk: Package, project: Callable[..., Path], kind: str, resolution: str
) -> None:
    """The types of `tinycdp codegen ts` check names and properties."""
    imports = "".join(f'import {{ {names} }} from "@tinycdp/sdk{path}"\n' for path, names in NAMES.items())
    main = imports + (
        'import "./plan.js"\n'
        'const client = initTinyCDP({ endpoint: "/t", writeKey: "w", plugins: [pageViews()] })\n'
        'client.track("purchase", { amount: 25 })\n'
        'const price: string = client.flag("price", "9.99")\n'
        "// @ts-expect-error: no number\n"
        'client.track("purchase", { amount: "25" })\n'
        "// @ts-expect-error: misspelt\n"
        'client.track("purchse", {})\n'
        "// @ts-expect-error: misspelt\n"
        'client.flag("prise", "")\n'
        "console.log(price, createTracker, createFlags, ServerProvider, WebProvider)\n"
    )
    plan = (
        'import "@tinycdp/sdk"\n'
        'declare module "@tinycdp/sdk" {\n'
        "  interface EventTypes { purchase: { amount: number } }\n"
        "  interface FlagTypes { price: string }\n"
        "}\n"
    )
    options = {
        "module": "nodenext" if resolution == "nodenext" else "esnext",
        "moduleResolution": resolution,
        "target": "es2022",
        "lib": ["es2022", "dom"],
        "strict": True,
        "exactOptionalPropertyTypes": True,
        "skipLibCheck": False,
        "noEmit": True,
        "types": [],
    }
    folder = project(kind, main__ts=main, plan__ts=plan, tsconfig__json=json.dumps({"compilerOptions": options}))
    sdk.run("tsc", "-p", ".", folder=folder)


@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
def test_in_a_browser_s_bundle(sdk: Package, project: Callable[..., Path], server: Server) -> None:
    """Bundled by Vite: only what browsers need is in it, and it runs."""
    main = (
        'import { initTinyCDP } from "@tinycdp/sdk"\n'
        'const keys = { writeKey: "write_12345678", readKey: "read_12345678" }\n'
        "const client = initTinyCDP({ endpoint: location.origin, ...keys })\n"
        'client.track("from the page")\n'
        'client.decide("price").then(({ value }) => { document.title = value })\n'
    )
    page = '<!doctype html><script type="module" src="./main.js"></script>'
    folder = project("module", main__js=main, index__html=page)
    sdk.run("vite", "build", "--logLevel", "error", folder=folder)
    [bundle] = (folder / "dist" / "assets").glob("*.js")
    assert "NOT_SENT" not in bundle.read_text(), "this part is for servers"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        tab = browser.new_page()
        tab.goto(f"{server.address}/index.html")
        tab.wait_for_function("document.title === '7.99'")
        browser.close()
    assert [event.get("event") for event in server.events][:1] == ["from the page"]
