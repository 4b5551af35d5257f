"""Random flags, profiles, contexts and instants, for the laws of local evaluation.

Shape   World(seed): definitions that compile, with a profile; contexts() and instants() to decide by
        answered(world, key, …) is what the engine decides; snapshot(world, …) what a client is sent
Laws    a seed gives the same world on every machine. Contexts are what a browser can send: numbers are doubles
Source  dsl/SNAPSHOT.md
"""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from builders import iso, make_message
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, Definition, build_catalog
from tinycdp.engine.flags.decide import Decision, FlagActivation, decide
from tinycdp.engine.flags.document import read_flag
from tinycdp.engine.flags.local import local_flags
from tinycdp.engine.profile import Profile
from tinycdp.errors import InvalidInput
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, NEVER

START = 1_772_366_400_000
_BEGINNING = (-NEVER, "")
_encode = msgspec.json.Encoder(decimal_format="number").encode

TEXTS = [
    "",
    "a",
    "A",
    "ios",
    "Ünï",
    "2.10",
    "v2.9.7-rc.1",
    "😀x",
    "é",
    "2026-03-01T00:00:00Z",
    "2026-03-02 12:00:00.5+01:00",
]
NUMBERS = [0, 1, -1, 2, 3, 5, 0.1, 0.2, 0.3, 1.5, -2.5, 2.5, 49.9, 1e-7, 5e-10, 1e21, 123456789.987654321, 1e28, 14]
JSONS: list[Any] = [
    {},
    {"a": 1},
    {"a": 1.0, "b": [1, None]},
    {"b": [1, None], "a": 1},
    [],
    [1],
    [1, 2],
    [{"x": "é"}],
    {"é": 0.1, "😀": 1, "\uffff": 2},
]
VERSIONS = ["1", "2.9.7", "2.10", "v2.10.0-rc.1", "2.10.0-alpha.2", "2.10.0-alpha.10", "no", "1.02", "2.10.0+build"]
INSTANTS = [iso(START + ms) for ms in (-40 * DAY_MS, -DAY_MS, -HOUR_MS, -1, 0, 1, MINUTE_MS, DAY_MS)]
SPANS = ["30s", "1m", "1h", "24h", "7d", "60m"]


class World:
    """A catalog of random definitions, and a profile with a random history, as of START."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.catalog = self._catalog()
        self.profile = self._profile()
        self.unit = self.random.choice(["u-1", "u-2", "ユーザー", None])

    def pick(self, options: list[Any]) -> Any:
        return self.random.choice(options)

    def context(self) -> dict[str, Any]:
        """A context, as JSON has it after a browser wrote it."""
        found: dict[str, Any] = {}
        for name in ("b1", "b2", "n1", "n2", "s1", "s2", "v1", "t1", "j1", "j2"):
            if self.random.random() < 0.2:
                continue
            kind = name[0] if self.random.random() < 0.85 else self.pick(list("bnsvtj"))
            values = {"b": [True, False], "n": NUMBERS, "s": TEXTS, "v": VERSIONS, "t": INSTANTS, "j": JSONS}[kind]
            found[name] = self.pick(values)
        if self.random.random() < 0.8:
            found["in"] = {"n": self.pick(NUMBERS), "s": self.pick([*TEXTS, None])}
        return found

    def instants(self) -> list[int]:
        """START and later instants."""
        return [
            START,
            *(START + self.random.randrange(40 * DAY_MS) for _ in range(2)),
            START + self.pick([1, HOUR_MS, DAY_MS]),
        ]

    def activation(self, now: int, context: dict[str, Any]) -> FlagActivation:
        """The profile as flags read it."""
        profile = self.profile
        activation = FlagActivation(
            now, calendar=self.catalog.calendar, properties=profile.properties, state=profile.state,
            first_seen=profile.first_seen, last_seen=profile.last_seen, evaluators=self.catalog.live.evaluators,
            context=exact(context),
        )  # fmt: skip
        activation.unit, activation.names, activation.killed = self.unit, (f"userId {self.unit}",), {}
        return activation

    def decided(self, key: str, now: int, context: dict[str, Any]) -> Decision:
        """What the server answers."""
        return decide(self.catalog.live.flags[key], self.activation(now, context), now)

    def snapshot(self, now: int = START) -> dict[str, Any]:
        """What `POST /v1/snapshot` answers, without its stream."""
        return plain_snapshot(self.catalog, self.activation(now, {}), now)

    # What the world is made of

    def _profile(self) -> Profile:
        profile = Profile(1, "u", 0, backfilled=1)
        for name, values in {
            "n": NUMBERS,
            "s": TEXTS,
            "b": [True, False],
            "j": JSONS,
            "t": INSTANTS,
            "v": VERSIONS,
        }.items():
            if self.random.random() < 0.8:
                profile.set_property(name, exact(self.pick(values)), _BEGINNING)
        for n in range(self.random.randrange(6)):
            ts = START - self.random.randrange(1, 12 * DAY_MS)
            properties = exact({"p": self.pick([*NUMBERS, *TEXTS]), "n": self.pick(NUMBERS)})
            message = make_message(self.pick(["a", "b"]), ts, id=f"m{n}", properties=properties)
            recompute.apply(profile, [message], self.catalog, ts, {})
        recompute.advance(profile, self.catalog, START)
        return profile

    def _catalog(self) -> Catalog:
        definitions: list[Definition] = []
        sources: list[tuple[str, str, Callable[[], str]]] = [
            *(("trait", f"tn{n}", lambda: self.number(2, context=False)) for n in range(2)),
            ("trait", "td", lambda: self.pick(["profile.n", "profile.j", "events.a.last(p)", "events.b.top(p, 7d)"])),
            ("trait", "tt", lambda: self.instant(1, context=False)),
            *(("segment", f"g{n}", lambda: self.truth(2, context=False)) for n in range(2)),
        ]
        self.traits = self.flags = 0
        for kind, key, source in sources:
            self._add(
                definitions,
                lambda kind=kind, key=key, source=source: {"kind": kind, "key": key, "expression": source()},
            )
        self.traits = 1
        for n in range(4):
            self._add(
                definitions, lambda n=n: {"kind": "flag", "key": f"f{n}", "flag": read_flag(self._flag(n), f"salt-{n}")}
            )
            self.flags = n + 1
        return catalog_of(definitions)

    def _add(self, definitions: list[Definition], made: Callable[[], dict[str, Any]]) -> None:
        for _ in range(200):
            try:
                one = Definition(id=len(definitions) + 1, version=1, **made())
                catalog_of([*definitions, one])
            except InvalidInput:
                continue
            definitions.append(one)
            return
        raise AssertionError("no definition of two hundred is right")

    def _flag(self, n: int) -> dict[str, Any]:
        values = self.pick([
            {"type": "boolean", "variants": {"on": True, "off": False}},
            {"type": "integer", "variants": {"on": 5, "off": 0, "more": 7}},
            {"type": "float", "variants": {"on": 0.3, "off": 1.5}},
            {"type": "string", "variants": {"on": "ios", "off": "", "more": "Ünï"}},
            {"type": "object", "variants": {"on": {"a": 1}, "off": {}, "more": [1, 2]}},
        ]) if n < 3 else {"type": "boolean", "variants": {"on": True, "off": False}}  # fmt: skip
        flag: dict[str, Any] = {
            "key": f"f{n}",
            **values,
            "offVariant": "off",
            "default": {"serve": self.pick(["on", "off"])},
        }
        flag["evaluation"] = self.pick(["client"] * 9 + ["server"])
        flag["rules"] = [self._rule(k, list(values["variants"])) for k in range(self.random.randrange(1, 4))]
        if self.flags and self.random.random() < 0.25:
            flag["prerequisites"] = [{"flag": f"f{self.random.randrange(self.flags)}", "variants": ["on"]}]
        if self.random.random() < 0.2:
            flag["overrides"] = [{self.pick(["segment"]): self.pick(["g0", "g1"]), "serve": "on"}]
        if self.random.random() < 0.1:
            flag["overrides"] = [{"profile": self.pick(["u-1", "another-user"]), "serve": "on"}]
        if self.random.random() < 0.1:
            flag["enabled"] = False
        if self.random.random() < 0.15:
            at = iso(START + self.pick([-DAY_MS, HOUR_MS, DAY_MS]))
            flag["schedule"] = [
                {
                    "at": at,
                    "set": self.pick(
                        [
                            {"/enabled": False},
                            {"/rules/0/serve": "off", "/rules/0/split": None},
                            {"/default/serve": "on"},
                        ]
                    ),
                }
            ]
        return flag

    def _rule(self, n: int, variants: list[str]) -> dict[str, Any]:
        rule: dict[str, Any] = {"id": f"r{n}", "when": self.truth(3)}
        if self.random.random() < 0.3:
            cut = self.random.randrange(100_001)
            rule["split"] = {variants[0]: cut, variants[1]: 100_000 - cut}
        else:
            rule["serve"] = self.pick(variants)
        for gate in ("rollout", "exposure"):
            if self.random.random() < 0.2:
                rule[gate] = self.random.randrange(100_001) / 1000
        if self.random.random() < 0.1:
            rule["exclusion"] = {"group": f"group-{self.random.random()}", "from": 20, "to": 80}
        return rule

    # Expressions of each type

    def truth(self, depth: int, *, context: bool = True) -> str:
        r = lambda: self.truth(depth - 1, context=context)  # noqa: E731
        n = lambda: self.number(depth - 1, context=context)  # noqa: E731
        s = lambda: self.text(depth - 1, context=context)  # noqa: E731
        leaves = ["events.a.exists(7d)", "profile.b", "last_seen_minutes_ago < 1440", "events.a.count_7d >= 2", "true"]
        leaves += ["context.b1", "context.b2 == true", "context.b1"] if context else []
        leaves += ["segments.g0", "segments.g1"] if self.traits else []
        leaves += [f'flag("f{k}")' for k in range(self.flags)] if context and self.flags else []
        if depth <= 0:
            return str(self.pick(leaves))
        compare = self.pick(["==", "!=", "<", "<=", ">", ">="])
        return str(self.pick([
            lambda: f"({r()} && {r()})", lambda: f"({r()} || {r()})", lambda: f"({r()} && {r()} && {r()})",
            lambda: f"!({r()})", lambda: f"if({r()}, {r()}, {r()})", lambda: f"({r()} ?? {r()})",
            lambda: f"{n()} {compare} {n()}", lambda: f"{n()} {compare} {n()}",
            lambda: f"{n()} in [0.3, 1, 5]",
            lambda: f"between({n()}, {n()}, {n()})",
            lambda: f"{s()} {self.pick(['==', '!='])} {s()}", lambda: f'{s()} not in ["ios", "a"]',
            lambda: f"{self.pick(['starts_with', 'ends_with', 'contains'])}({s()}, {s()})",
            lambda: f"{self.span(depth - 1, context=context)} {compare} {self.span(depth - 1, context=context)}",
            lambda: f"{self.instant(depth - 1, context=context)} {compare} {self.instant(depth - 1, context=context)}",
            lambda: f"{self.version(context)} {compare} {self.version(context)}",
            lambda: f"{self.json(context)} {self.pick(['==', '!='])} {self.json(context)}",
            lambda: f"exists({self.pick([n, s])()})", lambda: f"exists({self.json(context)})",
            lambda: f"between({self.span(1, context=context)}, {self.span(0, context=context)}, {self.pick(SPANS)})",
        ])())  # fmt: skip

    def number(self, depth: int, *, context: bool = True) -> str:
        n = lambda: self.number(depth - 1, context=context)  # noqa: E731
        leaves = [
            "0",
            "1",
            "2.5",
            "14",
            "0.1",
            "profile.n",
            "events.a.count_7d",
            "events.a.sum(n, 7d)",
            "last_seen_days_ago",
        ]
        leaves += ["events.b.last_minutes_ago", "events.a.count"]
        leaves += ["context.n1", "context.n2", "context.in.n", "context.n1"] if context else []
        leaves += ["tn0", "tn1", "td"] if self.traits else []
        leaves += [f'flag("f{k}")' for k in range(self.flags)] if context else []
        if depth <= 0:
            return str(self.pick(leaves))
        return str(self.pick([
            lambda: self.pick(leaves), lambda: self.pick(leaves),
            lambda: f"({n()} {self.pick(list('+-*/'))} {n()})", lambda: f"-({n()})",
            lambda: f"abs({n()})", lambda: f"round({n()})",
            lambda: f"min2({n()}, {n()})", lambda: f"max2({n()}, {n()})", lambda: f"({n()} ?? {n()})",
            lambda: f"len({self.text(depth - 1, context=context)})",
            lambda: f"if({self.truth(depth - 1, context=context)}, {n()}, {n()})",
            lambda: f"{self.pick(['days', 'hours', 'minutes', 'seconds'])}({self.span(depth - 1, context=context)})",
        ])())  # fmt: skip

    def text(self, depth: int, *, context: bool = True) -> str:
        s = lambda: self.text(depth - 1, context=context)  # noqa: E731
        leaves = [json.dumps(self.pick(TEXTS), ensure_ascii=False), "profile.s", '"ios"']
        leaves += ["context.s1", "context.s2", "context.in.s"] if context else []
        if depth <= 0:
            return str(self.pick(leaves))
        return str(self.pick([
            lambda: self.pick(leaves), lambda: f"{self.pick(['lower', 'upper'])}({s()})", lambda: f"({s()} ?? {s()})",
            lambda: f"if({self.truth(depth - 1, context=context)}, {s()}, {s()})",
        ])())  # fmt: skip

    def instant(self, depth: int, *, context: bool = True) -> str:
        leaves = [
            f'datetime("{self.pick(INSTANTS)}")',
            "last_seen_at",
            "first_seen_at",
            "events.a.last_at",
            "datetime(profile.t)",
        ]
        leaves += ["context.t1", "datetime(context.t1)", "datetime(context.s1)"] if context else []
        leaves += ["tt"] if self.traits else []
        if depth > 0 and self.random.random() < 0.3:
            return f"({self.pick(leaves)} {self.pick(['+', '-'])} {self.span(0, context=context)})"
        return str(self.pick(leaves))

    def span(self, depth: int, *, context: bool = True) -> str:
        t = self.instant(depth - 1, context=context)
        if depth > 0 and self.random.random() < 0.2:
            return f"({self.span(depth - 1, context=context)} {self.pick(['+', '-'])} {self.pick(SPANS)})"
        return str(self.pick([self.pick(SPANS), f"ago({t})", f"until({t})", f"ago({t})"]))

    def version(self, context: bool) -> str:
        leaves = ['semver("2.10")', 'semver("2.10.0-alpha.2")', "semver(profile.v)"]
        return str(self.pick([*leaves, "semver(context.v1)", "semver(context.s1)"] if context else leaves))

    def json(self, context: bool) -> str:
        leaves = ["profile.j", "profile.n", "profile.s", "events.a.last(p)"]
        return str(self.pick([*leaves, "context.j1", "context.j2", "context.n1", "context.in"] if context else leaves))


def plain_snapshot(catalog: Catalog, activation: FlagActivation, now: int) -> dict[str, Any]:
    """What `POST /v1/snapshot` answers for an activation, without its stream."""
    found = local_flags(catalog.live.local, activation, now)
    until = found.until if found.until < NEVER else None
    flags = json.loads(_encode(found.flags))
    return {
        "format": 1,
        "asOf": now,
        "validUntil": until,
        "revision": 1,
        "version": 1,
        "unit": activation.unit,
        "flags": flags,
    }


def catalog_of(definitions: list[Definition]) -> Catalog:
    return build_catalog(1, "UTC", definitions, definitions, live_revision=1, head_revision=1)


def exact(value: Any) -> Any:
    """A value as the server reads it from the JSON that a browser writes."""
    return json.loads(json.dumps(value), parse_float=Decimal)
