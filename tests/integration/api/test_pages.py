"""The pages of a running server: what / says to programs, and the commands of /docs, run as they stand there."""

import html
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import ADMIN_KEY, READ_KEY, WRITE_KEY, Server, bearer, served, until
from tinycdp import __version__
from tinycdp.products.analytics.packages import has_engine

KEYS = {"ADMIN_KEY": ADMIN_KEY, "READ_KEY": READ_KEY, "WRITE_KEY": WRITE_KEY}
#: What stands for the name in a path, by what is before it.
NAMES = {
    "traits": "orders_90d",
    "segments": "regulars",
    "flags": "thanks",
    "segment": "regulars.csv",
    "exposures": "thanks.csv",
    "policies": "enrichment",
    "keys": "999",
}
#: What documents in the commands name.
NAMED = {
    "/v1/admin/segments/power_users": {"rule": "events.purchase.count_30d >= 1"},
    "/v1/admin/traits/spend_90d": {"expression": "events.purchase.sum(amount, 90d)"},
    "/v1/admin/segments/customers": {"rule": "spend_90d > 0"},
    "/v1/destinations/crm": {"url": "https://hooks.example.com/tinycdp"},
}
#: The link of a download is signed by the server, and typed by hand it is refused.
SIGNED = "INVALID_DOWNLOAD_LINK"
STREAMS = ("/v1/events/live", "/ofrep/v1/stream")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("pages"), analytics=str(has_engine()).lower()) as running:
        yield running


@pytest.mark.parametrize("accept", ["application/json", "*/*"])
def test_a_program_gets_what_this_is_as_json(server: Server, accept: str) -> None:
    answer = server.http.get("/", headers={"Accept": accept})
    found = answer.json()
    assert (answer.status_code, found["name"], found["version"]) == (200, "TinyCDP", __version__)
    for field in ("docs", "openapi", "health", "readiness", "metrics"):
        assert server.http.get(f"/{found[field]}").status_code == 200, field


def commands(server: Server, **headers: str) -> list[str]:
    page = server.http.get("/docs", headers=headers).text
    return [html.unescape(found) for found in re.findall(r"<pre><code>(curl .*?)</code></pre>", page, re.DOTALL)]


def test_every_command_of_the_reference_runs_as_it_stands(server: Server, tmp_path: Path) -> None:
    """On this server's address, with its three keys in the shell; only names in paths and files are filled in."""
    if not has_engine():
        pytest.skip("chdb is not installed, and some commands ask analytics")
    until(lambda: server.http.get("/v1/analytics/lag", headers=bearer(READ_KEY)).json()["state"] == "following")
    file, body = tmp_path / "history.csv", tmp_path / "body.json"
    file.write_text("user_id,event\nmia,open\n")
    body.write_text("{}")
    assert server.track({"userId": "ada", "event": "purchase", "properties": {"amount": 25}}).status_code == 200
    context = {"context": {"targetingKey": "ada"}}
    evaluated = server.http.post("/ofrep/v1/evaluate/flags", json=context, headers=bearer(READ_KEY)).json()
    token = evaluated["eventStreams"][0]["endpoint"]["requestUri"].rpartition("=")[2]
    for flag in ("premium", "thanks"):
        made = server.http.put(f"/v1/admin/flags/{flag}", json={"rule": "true"}, headers=bearer(ADMIN_KEY))
        assert made.status_code == 201, made.text
    for address, document in NAMED.items():
        made = server.http.put(address, json=document, headers=bearer(ADMIN_KEY))
        assert made.status_code == 201, made.text
    found = commands(server)
    assert len(found) > 100
    wrong = []
    for command in found:
        assert f"'{server.url}/" in command
        filled = (
            _filled(command)
            .replace("token=…", f"token={token}")
            .replace("@FILE", f"@{file}")
            .replace("@body.json", f"@{body}")
        )
        patience = "--max-time 1" if any(path in filled for path in STREAMS) else "--max-time 60"
        said = subprocess.run(
            ["sh", "-c", f"{filled} {patience} --silent --show-error --write-out '\n%{{http_code}}'"],
            env=KEYS | {"SOURCE_KEY": ADMIN_KEY},
            capture_output=True,
            text=True,
            errors="replace",  # some answers are files
            check=False,
        )
        text, _, status = said.stdout.rpartition("\n")
        # A path may name what does not exist in this project, or cannot be undone now; all else has to succeed.
        absent = status in {"404", "409"} and "ROUTE_NOT_FOUND" not in text
        signed = SIGNED in text and re.search("/v1/(exports?/download|downloads)/", filled)
        expected = status.startswith("2") or absent or signed
        if not expected:
            wrong.append((filled, status, text[:300], said.stderr))
    assert wrong == [], "\n\n".join(map(str, wrong))


def _filled(command: str) -> str:
    """The command with names in its path, and values of its required parameters."""
    address, rest = re.fullmatch(r"(.*?'\S+')(.*)", command, re.DOTALL).groups()  # type: ignore[union-attr]
    address = re.sub(r"(?<=/)([\w-]+)/\{(\w+)\}", lambda part: f"{part[1]}/{_name(part[1], part[2])}", address)
    return address + rest


def _name(before: str, parameter: str) -> str:
    people = parameter == "id" and before in {"profiles", "users", "journeys"}
    return NAMES.get(before) or ("ada" if people else "purchase" if parameter == "name" else "1")


def test_the_commands_name_the_address_that_the_client_used(server: Server) -> None:
    (first, *_) = commands(server, Host="cdp.example.org", **{"X-Forwarded-Proto": "https"})
    assert "'https://cdp.example.org/" in first
    (first, *_) = commands(server, Host="[::1]:8000")
    assert "'http://[::1]:8000/" in first


def test_a_host_that_is_no_host_reaches_no_command(server: Server) -> None:
    for host in ("x'; rm -rf ~; '", "a b", "<script>"):
        assert all(f"'{server.url}/" in command for command in commands(server, Host=host))
