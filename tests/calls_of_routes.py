"""A call of every route, with the scope of the key that it needs: what the tests of authorization walk.

Shape   CALLS = SHOWING (what a key may read) | CHANGING (what it may change) | NEITHER
        Call.request(route, names) is what httpx sends; DOORS says where a key may stand
        presenting(key, place, request) puts it there
Laws    a test compares CALLS with the routes that the application has: none is missing, and none is too many
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from string import Template
from typing import Any

from tinycdp.api.pages.console import SEGMENTS

#: In everything that prod has and an answer may show, and in nothing that is asked.
MARK = "onlyprod"
#: What no id is, and no key.
NOTHING = "999999999"

#: Where a key may stand, by who looks for it: in a header, in the query, in the body, in the address.
_HEADERS = ("Bearer", "Basic", "X-API-Key", "X-Write-Key")
_POSTHOG = (
    "?token", '{"api_key": KEY}', '{"token": KEY}', '{"properties": {"token": KEY}}', '{"batch": [{"api_key": KEY}]}',
    '[{"token": KEY}]',
)  # fmt: skip
DOORS: Mapping[str, tuple[str, ...]] = {
    "guard": (*_HEADERS, "?writeKey"),
    "segment": (*_HEADERS, "?writeKey", "?apiKey", "?token", '{"writeKey": KEY}'),
    "posthog": (*_HEADERS, "?writeKey", "?apiKey", *_POSTHOG),
    "flags": (*_HEADERS, *_POSTHOG),
    "address": ("address",),
}
PLACES = tuple(dict.fromkeys(place for door in DOORS.values() for place in door))


@dataclass(frozen=True)
class Call:
    """A request of a route. `at` is what stands in its address, in order; `$name` is what prod has under that name.

    scope   of the key it needs, "any" if every key may ask; None where anybody may ask
    status  of prod's own answer
    marked  whether prod's own answer has MARK in it; else it only differs from the others'"""

    scope: str | None
    at: tuple[Any, ...] = ()
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)
    door: str = "guard"
    status: int = 200
    marked: bool = True

    def request(self, route: str, names: Mapping[str, str]) -> dict[str, Any]:
        """What httpx sends; every `$name` that is not known is a number that nothing has."""
        known = {**dict.fromkeys(re.findall(r"\$(\w+)", repr(self)), NOTHING), **names}
        method, path = route.split(" ")
        at = iter(self.at)
        path = re.sub(r"{\w+}", lambda _: Template(str(next(at))).substitute(known), path)
        query = {name: Template(str(value)).substitute(known) for name, value in self.query.items()}
        sent = {} if self.body is None else self.body
        body = sent if isinstance(sent, str) else Template(json.dumps(sent)).substitute(known)
        return {"method": method, "url": path, "params": query, "content": body}


def presenting(key: str, place: str, request: dict[str, Any]) -> dict[str, Any]:
    """The request with a key in that place."""
    if place == "address":
        return {**request, "url": request["url"].replace(NOTHING, key)}
    if place.startswith("?"):
        return {**request, "params": {**request["params"], place[1:]: key}}
    if place.startswith(("{", "[")):
        return {**request, "content": place.replace("KEY", json.dumps(key))}
    if place == "Basic":
        return {**request, "auth": (key, "")}
    return {**request, "headers": {"Authorization": f"Bearer {key}"} if place == "Bearer" else {place: key}}


def read(*at: Any, body: Any = None, **query: Any) -> Call:
    return Call("read", at, body, query)


def admin(*at: Any, body: Any = None, status: int = 200, **query: Any) -> Call:
    return Call("admin", at, body, query, status=status)


def counted(call: Call) -> Call:
    """Shows how many there are, or what something means, and nothing that was written."""
    return replace(call, marked=False)


def asks(*at: Any, body: Any = None, door: str = "guard", **query: Any) -> Call:
    return Call("decide", at, body, query, door)


def tracks(body: Any, door: str = "segment", status: int = 200) -> Call:
    return Call("write", (), body, door=door, status=status)


ADA = {"userId": "ada"}
LESS = {"kind": "segment", "expression": "opens > 3"}
FORMS = ("csv", "jsonl", "parquet")
#: A document of each kind that analytics saves.
SAVED: dict[str, dict[str, Any]] = {
    "event": {"any": [{"event": "app_open"}]},
    "metric": {"event": "app_open"},
    "report": {"question": {"kind": "trend", "last": "7d", "series": [{"event": "app_open"}]}},
    "dashboard": {"tiles": [{"text": "hello"}]},
}
SYNC = {
    "destination": "one",
    "mapping": {"id": {"field": "profile.id"}, "constant": MARK},
    "match": ["id"],
    "mode": "mirror",
}
#: What nothing answers for: an address that no machine has.
DESTINATION = {"url": "https://destination.invalid/", "events": ["flag.changed"]}
#: Never due.
SCHEDULE = {"cron": "0 0 29 2 *", "what": "profiles"}
SHOWING: dict[str, Call] = {
    "GET /v1/decide": asks(flag="on", **ADA),
    "POST /v1/decide": asks(body={**ADA, "sessionId": "s-1"}),
    "POST /v1/decide/replay": admin(body={**ADA, "at": "$now"}),
    "POST /v1/snapshot": asks(body=ADA),
    "POST /flags": asks(body={"distinct_id": "ada"}, door="flags"),
    "POST /decide": asks(body={"distinct_id": "ada"}, door="flags"),
    "POST /ofrep/v1/evaluate/flags": asks(body={"context": {"targetingKey": "ada"}}),
    "POST /ofrep/v1/evaluate/flags/{flag}": asks("on", body={"context": {"targetingKey": "ada"}}),
    "GET /v1/me": counted(Call("any")),
    "GET /v1/profiles/search": read(q="ada"),
    "GET /v1/profiles/{id}": read("ada"),
    "GET /v1/profiles/{id}/history": read("ada", **{"from": "2020-01-01T00:00:00Z"}),
    "GET /v1/profiles/{id}/lifetime": counted(read("ada")),
    "GET /v1/admin/users/search": admin(property="plan", value="pro"),
    "GET /v1/admin/users/{id}": admin("$ada", by="profileId"),
    "GET /v1/journeys/{id}": read("ada"),
    "GET /v1/events/recent": read(),
    "GET /events/recent": read(),
    "GET /v1/export/segment/{file}": read("openers.csv"),
    "GET /v1/export/list": read(),
    "GET /v1/export/exposures/{file}": read("on.csv"),
    "GET /v1/admin/profiles/{id}/graph": admin("ada"),
    "GET /v1/admin/profiles/{id}/export": admin("profileId:$ada"),
    "GET /v1/admin/merges": admin(),
    "GET /v1/admin/identity/rejected-claims": admin(),
    "GET /v1/admin/identity/blocked": admin(),
    "GET /v1/admin/groups": admin(),
    "GET /v1/admin/groups/{name}": admin("acme"),
    "GET /v1/admin/groups/{name}/members": admin("acme"),
    "GET /v1/admin/traits": read(),
    "GET /v1/admin/traits/{name}": read("opens"),
    "GET /v1/admin/traits/{name}/versions": read("opens"),
    "GET /v1/admin/traits/{name}/impact": read("opens"),
    "GET /v1/admin/traits/{name}/distribution": counted(read("opens")),
    "GET /v1/admin/segments": read(),
    "GET /v1/admin/segments/{name}": read("openers"),
    "GET /v1/admin/segments/{name}/versions": read("openers"),
    "GET /v1/admin/segments/{name}/impact": read("openers"),
    "GET /v1/admin/segments/{name}/members": read("openers"),
    "GET /v1/admin/segments/{name}/list": read("listed"),
    "GET /v1/admin/segments/{name}/history": counted(read("openers")),
    "GET /v1/admin/segments/{name}/transitions": read("openers"),
    "GET /v1/admin/flags": read(),
    "GET /v1/admin/flags/{name}": read("on"),
    "GET /v1/admin/flags/{name}/versions": read("on"),
    "GET /v1/admin/flags/{name}/impact": read("on"),
    "GET /v1/admin/flags/{name}/kills": read("killed"),
    "GET /v1/admin/flags/{name}/exposures": read("on"),
    "GET /v1/admin/exposures": read(profile="ada"),
    "GET /v1/admin/stale-flags": counted(read()),
    "GET /v1/admin/backfills": counted(read()),
    "GET /v1/admin/revisions": read(),
    "GET /v1/admin/revisions/{revision}": read("$revision"),
    "GET /v1/admin/diff": read(**{"from": 0, "to": "$revision"}),
    "POST /v1/admin/preview": admin(
        body={"changes": [{"kind": "segment", "key": "openers", "document": {"rule": "opens > 100"}}]}
    ),
    "POST /v1/admin/preview/profile": admin(
        body={**ADA, "changes": [{"kind": "segment", "key": "openers", "document": {"rule": "opens > 100"}}]}
    ),
    "GET /v1/admin/explain": read(flag="on", **ADA),
    "POST /v1/admin/explain": read(body={"kind": "flag", "key": "on", **ADA}),
    "POST /v1/admin/validate": counted(read(body=LESS)),
    "POST /v1/dsl/check": counted(read(body=LESS)),
    "POST /v1/dsl/explain": counted(read(body=LESS)),
    "POST /v1/dsl/complete": read(body={"source": "profile.only", "position": 12}),
    "POST /v1/dsl/hover": read(body={"source": "opens > 3", "position": 2}),
    "GET /v1/admin/policies/{name}": admin("limits"),
    "GET /v1/admin/policies/{name}/versions": admin("limits"),
    "GET /v1/admin/erasures": admin(),
    "GET /v1/admin/erasures/{id}": admin("$erasure"),
    "POST /v1/admin/erasures/{id}/check": counted(admin("$erasure")),
    "GET /v1/admin/suppressions": admin(),
    "GET /v1/registry/events": read(),
    "GET /v1/registry/events/{name}": read("app_open"),
    "GET /v1/registry/events/{name}/properties/{property_name}": read("app_open", "n"),
    "GET /v1/registry/properties": read(),
    "GET /v1/registry/sdks": read(),
    "GET /v1/registry/violations": read(),
    "GET /v1/registry/plan": read(),
    "GET /v1/registry/names": read(),
    "GET /v1/registry/plan/{name}/versions": read("app_open"),
    "GET /v1/admin/imports": admin(),
    "GET /v1/admin/imports/{id}": admin("$import_id"),
    "GET /v1/admin/imports/{id}/report": counted(admin("$import_id")),  # a rejection repeats no value
    "GET /v1/admin/keys": admin(),
    "GET /v1/admin/audit": admin(),
    "GET /v1/admin/metrics": counted(admin()),
    "GET /v1/admin/rejections": admin(),
    "GET /v1/admin/rejections/counts": counted(admin()),
    "GET /v1/admin/dead-letters": admin(),
    "GET /v1/admin/dead-letters/{id}": admin("$letter"),
    **{
        route: read("one")
        for kind in SAVED
        for route in (
            f"GET /v1/analytics/{kind}s",
            f"GET /v1/analytics/{kind}s/{{name}}",
            f"GET /v1/analytics/{kind}s/{{name}}/versions",
        )
    },
    "GET /v1/analytics/revisions": read(),
    "GET /v1/destinations": admin(),
    "GET /v1/destinations/{name}": admin("one"),
    "GET /v1/destinations/{name}/versions": admin("one"),
    "GET /v1/delivery/health": admin(),
    "GET /v1/destinations/{name}/health": admin("one"),
    "GET /v1/destinations/{name}/secrets": counted(admin("one")),
    "GET /v1/destinations/{name}/messages/{seq}": admin("one", 1),
    "GET /v1/destinations/{name}/undelivered": admin("one"),
    "GET /v1/destinations/{name}/deliveries": admin("one"),
    "GET /v1/syncs": admin(),
    "GET /v1/syncs/{name}": admin("one"),
    "GET /v1/syncs/{name}/versions": admin("one"),
    "GET /v1/syncs/{name}/health": admin("one"),
    "GET /v1/syncs/{name}/records": admin("one"),
    "GET /v1/syncs/{name}/removals": admin("one"),
    "POST /v1/syncs/{name}/preview": admin("one", body={}),
    "GET /v1/exports": read(),
    "GET /v1/exports/{id}": read("$export"),
    "GET /v1/exports/schedules": read(),
    "GET /v1/exports/schedules/{name}": read("one"),
    "GET /v1/exports/schedules/{name}/versions": read("one"),
    "GET /array/{token}/config": counted(Call("write", ("$key",), door="address")),
    "GET /array/{token}/config.js": counted(Call("write", ("$key",), door="address")),
}

KINDS: dict[str, dict[str, Any]] = {
    "track": {**ADA, "event": "app_open"},
    "identify": {**ADA, "traits": {"plan": "free"}},
    "page": {**ADA, "name": "Home"},
    "screen": {**ADA, "name": "Home"},
    "group": {**ADA, "groupId": "acme", "traits": {"seats": 2}},
    "alias": {**ADA, "previousId": "ada-2"},
}
BATCH = {"batch": [{"type": "track", **KINDS["track"]}]}
CAPTURE = {"event": "app_open", "distinct_id": "ada", "properties": {}}

#: In an order in which each can be done.
CHANGING: dict[str, Call] = {
    "POST /v1/admin/profiles/merge": admin(body={"profiles": ["bob", "profileId:$carol"]}),
    "POST /v1/admin/profiles/{id}/split": admin(
        "profileId:$ada", body={"identifiers": [{"kind": "anonymousId", "value": "tab"}]}
    ),
    "POST /v1/admin/merges/{id}/undo": admin("$merge"),
    "POST /v1/admin/profiles/{id}/anonymize": admin("frank", body={}),
    "DELETE /v1/admin/profiles/{id}": admin("profileId:$dan"),
    "POST /v1/admin/erasures": admin(body={"profiles": ["eve"]}),
    "POST /v1/admin/suppressions": admin(body={"identifiers": [{"kind": "userId", "value": "grace"}]}),
    "DELETE /v1/admin/suppressions": admin(body={"identifiers": [{"kind": "userId", "value": "mallory"}]}),
    "POST /v1/admin/flags/{name}/kill": admin("on", body={"note": "smoke"}),
    "POST /v1/admin/flags/{name}/revive": admin("killed"),
    "PUT /v1/admin/traits/{name}": admin("opens", body={"expression": "events.app_open.count_7d"}),
    "PUT /v1/admin/segments/{name}": admin("openers", body={"rule": "opens > 1"}),
    "POST /v1/admin/segments/{name}/list": admin("listed", body={"identifiers": ["eve"]}),
    "POST /v1/admin/segments/{name}/list/upload": admin("listed", body="userId\ndan\n"),
    "PUT /v1/admin/flags/{name}": admin("killed", body={"rule": "opens > 1"}),
    "POST /v1/admin/traits/{name}/versions/{version}/restore": admin("opens", 1),
    "POST /v1/admin/segments/{name}/versions/{version}/restore": admin("openers", 1),
    "POST /v1/admin/flags/{name}/versions/{version}/restore": admin("killed", 1),
    "POST /v1/admin/traits": admin(body={"key": "trait_2", "expression": "1"}, status=201),
    "POST /v1/admin/segments": admin(body={"key": "segment_2", "rule": "true"}, status=201),
    "POST /v1/admin/flags": admin(body={"key": "flag_2", "rule": "true"}, status=201),
    "DELETE /v1/admin/traits/{name}": admin("spare"),
    "DELETE /v1/admin/segments/{name}": admin("spare"),
    "DELETE /v1/admin/flags/{name}": admin("spare"),
    "POST /v1/admin/publish": admin(
        body={"changes": [{"kind": "segment", "key": "openers", "document": {"rule": "opens > 2"}}]}
    ),
    "POST /v1/admin/traits/{name}/rename": admin("opens", body={"key": "opened"}),
    "POST /v1/admin/segments/{name}/rename": admin("openers", body={"key": "opened"}),
    "POST /v1/admin/flags/{name}/rename": admin("on", body={"key": "opened"}),
    "POST /v1/admin/revisions/{revision}/restore": admin("$revision"),
    **{f"PUT /v1/analytics/{kind}s/{{name}}": admin("one", body=body) for kind, body in SAVED.items()},
    **{f"POST /v1/analytics/{kind}s/{{name}}/versions/{{version}}/restore": admin("one", 1) for kind in SAVED},
    **{f"POST /v1/analytics/{kind}s/{{name}}/rename": admin("one", body={"key": "two"}) for kind in SAVED},
    **{f"DELETE /v1/analytics/{kind}s/{{name}}": admin("spare") for kind in SAVED},
    "POST /v1/analytics/revisions/{revision}/restore": admin(1),
    "PUT /v1/syncs/{name}": admin("one", body=SYNC),
    "POST /v1/syncs/{name}/versions/{version}/restore": admin("one", 1),
    "DELETE /v1/syncs/{name}": admin("spare"),
    "POST /v1/syncs/{name}/run": admin("one", body={"prove": True}),
    "POST /v1/syncs/{name}/release": admin("one", body={}),
    "POST /v1/syncs/{name}/rename": admin("one", body={"key": "two"}),
    "PUT /v1/destinations/{name}": admin("one", body=DESTINATION),
    "POST /v1/destinations/{name}/versions/{version}/restore": admin("one", 1),
    "DELETE /v1/destinations/{name}": admin("spare"),
    "POST /v1/destinations/{name}/pause": admin("one", body={"reason": "smoke"}),
    "POST /v1/destinations/{name}/resume": admin("one"),
    "POST /v1/destinations/{name}/replay": admin("one", body={"undelivered": True}),
    "POST /v1/destinations/{name}/secrets": replace(admin("one"), status=201),
    "POST /v1/destinations/{name}/rename": admin("one", body={"key": "two"}),
    "POST /v1/exports": replace(read(body={"what": "profiles"}), status=202),
    "DELETE /v1/exports/{id}": read("$export"),
    "PUT /v1/exports/schedules/{name}": admin("one", body=SCHEDULE),
    "POST /v1/exports/schedules/{name}/versions/{version}/restore": admin("one", 1),
    "DELETE /v1/exports/schedules/{name}": admin("spare"),
    "POST /v1/exports/schedules/{name}/rename": admin("one", body={"key": "two"}),
    "PUT /v1/admin/policies/{name}": admin("limits"),
    "PUT /v1/registry/plan/{name}": admin("app_open"),
    "DELETE /v1/registry/plan/{name}": admin("app_open"),
    "POST /v1/admin/keys": admin(body={"name": "shop", "scopes": ["read"]}, status=201),
    "PATCH /v1/admin/keys/{id}": admin("$key_id", body={"name": "renamed"}),
    "POST /v1/admin/keys/{id}/rotate": admin("$key_id", body={"overlap": "1h"}, status=201),
    "DELETE /v1/admin/keys/{id}": admin("$key_id"),
    "POST /v1/admin/dead-letters/replay": admin(body={"ids": ["$letter"]}),
    "POST /v1/admin/dead-letters/discard": admin(body={"ids": ["$letter"]}),
    "DELETE /v1/admin/dead-letters/{id}": admin("$letter_2"),
    "POST /v1/admin/imports": admin(body=json.dumps({"type": "track", **KINDS["track"]}), name="b.jsonl", status=202),
    "DELETE /v1/admin/imports/{id}": admin("halfway"),
    "POST /v1/admin/environments/{name}/rename": admin("prod", body={"key": "production"}),
    **{f"POST /v1/{kind}": tracks(body) for kind, body in KINDS.items()},
    **{f"POST /{kind}": tracks(body) for kind, body in KINDS.items()},
    **{f"POST /v1/{kind[0]}": tracks(body) for kind, body in KINDS.items()},
    **{f"POST /api/s/{kind}": tracks(body) for kind, body in KINDS.items()},
    **{f"POST /api/s/s2s/{kind}": tracks(body) for kind, body in KINDS.items()},
    **{
        f"POST {path}": tracks(BATCH)
        for path in (
            "/v1/batch",
            "/v1/b",
            "/v1/import",
            "/beacon/v1/batch",
            "/api/s/batch",
            "/api/s/s2s/batch",
            "/api/analytics/batch",
        )
    },
    **{
        f"POST {path}": tracks(CAPTURE, door="posthog")
        for path in ("/batch", "/e", "/i/v0/e", "/capture", "/i/v1/analytics/events")
    },
    "POST /collect": tracks([{"event_name": "app_open", "user": {"user_id": "ada"}}], status=202),
    "POST /api/events": tracks(KINDS["track"]),
}

OPEN = Call(None, marked=False)
NEITHER: dict[str, Call] = {
    "GET /v1/projects/{write_key}/settings": Call("write", ("$key",), door="address"),
    "GET /sourceConfig": Call("write"),
    "POST /ofrep/v1/evaluate/flags/{flag}/{rest}": replace(asks("on", "more"), status=404),
    # What they do is in test_environments.py: prod's own rows stay as they are.
    "GET /v1/admin/environments": admin(),
    "POST /v1/admin/environments": admin(body={"key": "staging"}, status=201),
    "POST /v1/admin/promote": admin(body={"dryRun": True}, status=400),
    "POST /v1/dsl/format": read(body={"source": "a and b"}),
    # Counted by the minute, and written by the clock: what it answers is in test_metrics_history.py.
    "GET /v1/admin/metrics/history": replace(read(minutes=2), query={"to": "2020-01-01"}),
    # Here is no ClickHouse: what questions answer is in integration/analytics.
    "POST /v1/analytics/query": Call("read", body={}, status=400),
    "POST /v1/analytics/ask": Call("read", body={}, status=400),
    "POST /v1/analytics/segments": admin(body={}, status=400),
    "GET /v1/analytics/lag": read(),
    "DELETE /v1/analytics/queries/{id}": Call("read", ("mine",), status=404),
    "POST /v1/analytics/people": Call("read", body={}, status=400),
    "POST /v1/analytics/export": Call("read", body={}, status=400),
    "POST /v1/analytics/sql": Call("read", body={}, status=400),
    **{f"GET /v1/analytics/events.{form}": replace(read(), query={"nosuch": "x"}, status=400) for form in FORMS},
    **{
        f"GET {prefix}{path}": replace(read(), query={"nosuch": "x"}, status=400)
        for prefix in ("", "/v1")
        for path in ("/events/count", "/events/by-day", "/events/top")
    },
    **{f"GET {prefix}/active": replace(read(), query={"nosuch": "x"}, status=400) for prefix in ("", "/v1")},
    **{f"GET {prefix}/funnels": read() for prefix in ("", "/v1")},
    **{f"POST {prefix}/funnels": admin(body={}, status=400) for prefix in ("", "/v1")},
    **{f"GET {prefix}/funnels/{{key}}/results": Call("read", ("nosuch",), status=404) for prefix in ("", "/v1")},
    "POST /v1/destinations/{name}/test": Call("admin", ("nosuch",), body={"type": "flag.changed"}, status=404),
    "POST /v1/analytics/reports/{name}/run": Call("read", ("nosuch",), status=404),
    "POST /v1/analytics/dashboards/{name}/run": Call("read", ("nosuch",), status=404),
    # Streams have tests of their own: they do not end.
    "GET /v1/events/live": replace(read(kind="none"), status=400),
    "GET /ofrep/v1/stream": replace(OPEN, query={"token": "none"}, status=403),
    # They show what is sent, and the folder of the machine.
    "POST /v1/admin/imports/inspect": admin(body=json.dumps({"type": "track", **KINDS["track"]}), name="b.jsonl"),
    "GET /v1/admin/imports/files": admin(),
    # An address is never the same: what it opens is in test_downloads.py.
    "POST /v1/admin/downloads": Call("read", body={"path": "/v1/me"}, status=400),
    "GET /v1/downloads/{token}": replace(OPEN, at=("none",), status=403),
    "GET /v1/export/download/{token}": replace(OPEN, at=("none",), status=403),
    "GET /v1/exports/download/{token}": replace(OPEN, at=("none",), status=403),
    # No worker writes the file; what is in it, and what a link opens, is in integration/exports.
    "GET /v1/exports/{id}/file": Call("read", (NOTHING,), status=404),
    "POST /v1/exports/{id}/link": Call("read", (NOTHING,), status=404),
    "GET /assets/{name}": replace(OPEN, at=("none.js",), status=404),
    **{f"GET /{segment}": OPEN for segment in SEGMENTS},
    **{f"GET /{segment}/{{name}}": replace(OPEN, at=("none",)) for segment in SEGMENTS},
    "GET /flags/definitions": replace(OPEN, status=401),
    "GET /api/feature_flag/local_evaluation": replace(OPEN, status=401),
    "POST /v1/m": OPEN,
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": OPEN,
    "GET /openapi.json": OPEN,
    "GET /docs": OPEN,
    "GET /": OPEN,
}
CALLS = {**SHOWING, **CHANGING, **NEITHER}
