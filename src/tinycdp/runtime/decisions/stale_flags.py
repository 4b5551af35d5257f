"""Stale flags: why, since when, what still refers to them, and what to do.

Shape   stale_flags(…) -> StaleFlags; a flag is listed with every reason there is
Units   a reason counts once it has been so for a number of days; days are UTC
Laws    nothing is said of a time from which nothing is known: not before exposures were first recorded, and not before
        the flag was what it is now. Archived flags are done already, and scheduled ones are about to change
Source  docs/reference/exposures.md "Stale flags"
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

import msgspec

from tinycdp.dsl.ir import Const
from tinycdp.engine.catalog import Definition
from tinycdp.engine.flags.bucketing import BUCKETS
from tinycdp.engine.flags.decide import PreparedRule, Program
from tinycdp.engine.flags.document import Flag, read_flag, settled, stages, to_document
from tinycdp.errors import InvalidInput
from tinycdp.model import DAY_MS, Instant
from tinycdp.runtime.definitions.workspace import Named, Workspace
from tinycdp.store import exposures as store
from tinycdp.store import flags as flag_store
from tinycdp.store.database.pool import Pool, snapshot
from tinycdp.times import iso

Code = Literal["ONE_VARIANT", "OFF", "KILLED", "NOT_ASKED", "RULES_NOT_REACHED"]

#: What a flag's document says that changes no answer.
_BESIDE = ("description", "metadata", "schema", "stickyFor")
_SHOWN = 60
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleReason:
    """since  how long it has been so, as far back as is known
    rules   that answered no request
    advice  what to do about it"""

    code: Code
    since: str
    text: str
    advice: str
    rules: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StaleFlag:
    """used_by     definitions that name the flag: they have to change first
    last_asked  the last day on which a client asked for it, None for never"""

    flag: str
    reasons: list[StaleReason]
    used_by: list[Named]
    last_asked: str | None


@dataclass(frozen=True, slots=True)
class StaleFlags:
    """recorded_since  uses before it are not known"""

    flags: list[StaleFlag]
    days: int
    recorded_since: str
    as_of: str


class _Facts(msgspec.Struct, frozen=True):
    """What is known of one flag.

    forms  its documents as they decided, each since when, the present one first
    uses   the first and the last day on which each rule answered anybody, "" for none of them"""

    definition: Definition
    program: Program
    forms: Sequence[tuple[Instant, Mapping[str, Any]]]
    uses: Mapping[str, tuple[date, date]]
    used_by: Sequence[tuple[str, str]]
    killed_at: Instant | None
    scheduled: bool

    @property
    def last_asked(self) -> date | None:
        return max((last for _, last in self.uses.values()), default=None)

    def since(self, of: Callable[[Mapping[str, Any]], Any]) -> Instant:
        """From when on something about the document has been what it is now."""
        present, found = of(self.forms[0][1]), self.forms[0][0]
        for began, document in self.forms[1:]:
            if of(document) != present:
                break
            found = began
        return found


async def stale_flags(pool: Pool, workspace: Workspace, days: int, now: Instant) -> StaleFlags:
    """Every flag of the head revision about which something has been so for at least `days`."""
    catalog = workspace.catalog
    definitions = [d for d in workspace.of_kind("flag") if d.flag is not None and not d.flag.archived]
    async with snapshot(pool) as connection:
        recorded = await store.recording_since(connection)
        uses = await store.uses_of_flags(connection, catalog.environment_id)
        versions = await store.versions_of_flags(connection, catalog.environment_id, [d.id for d in definitions])
        kills = await flag_store.kills_at(connection, catalog.environment_id, now)
    killed = {row.definition_id: row.killed_at for row in kills}
    used_by = workspace.used_by()
    found = []
    for definition in definitions:
        flag = definition.flag
        assert flag is not None
        facts = _Facts(
            definition,
            workspace.head.flags[definition.key].at(now),
            list(_forms([row for row in versions if row.definition_id == definition.id], now)),
            {row.rule: (row.first_day, row.last_day) for row in uses if row.definition_id == definition.id},
            used_by[definition.name],
            killed.get(definition.id),
            bool(settled(flag, now).schedule),
        )
        if reasons := list(_reasons(facts, recorded, days, now)):
            last = facts.last_asked
            found.append(
                StaleFlag(
                    definition.key,
                    reasons,
                    [Named(*name) for name in facts.used_by],
                    last.isoformat() if last is not None else None,
                )
            )
    return StaleFlags(found, days, iso(recorded), iso(now))


def _forms(versions: Sequence[store.FlagVersionRow], now: Instant) -> Iterator[tuple[Instant, dict[str, Any]]]:
    """A flag's documents, stage by stage, each with the instant from which it was so, the newest first."""
    ended = now
    for row in versions:
        began = row.published_at
        try:
            forms = list(stages(read_flag(row.document, "")))
        except InvalidInput:
            return  # written by a release whose documents are not read any more: that far back nothing is claimed
        for at, flag in reversed(forms):
            if at is None or at <= ended:
                document = to_document(flag)
                yield began if at is None else max(began, at), document
        ended = began


def _reasons(facts: _Facts, recorded: Instant, days: int, now: Instant) -> Iterator[StaleReason]:
    before = now - days * DAY_MS
    flag, first = facts.program.flag, facts.forms[-1][0]
    yield from _unasked(facts, max(recorded, first), before)
    if facts.killed_at is not None and facts.killed_at <= before:
        yield StaleReason(
            code="KILLED",
            since=iso(facts.killed_at),
            text=f"it is switched off by a kill, and serves {flag.off_variant!r} to everyone",
            advice="Repair what the kill was for and revive it, or archive it.",
        )
    if facts.scheduled:
        return  # it is about to change
    if not flag.enabled:
        since = facts.since(lambda document: document["enabled"])
        if since <= before:
            yield StaleReason(
                code="OFF",
                since=iso(since),
                text=f"it is disabled, and serves {flag.off_variant!r} to everyone",
                advice=_in_its_place(flag, flag.off_variant),
            )
        return
    since = facts.since(_deciding)
    if since > before:
        return
    variants = _served(facts.program)
    if len(variants) == 1:
        (variant,) = variants
        yield StaleReason(
            code="ONE_VARIANT",
            since=iso(since),
            text=f"it serves {variant!r} to everyone",
            advice=_in_its_place(flag, variant),
        )
        return
    asked = facts.last_asked
    if asked is None or _midnight(asked) < before:
        return
    reachable = max(recorded, since, _midnight(min(first for first, _ in facts.uses.values())))
    ended = {rule.id: _midnight(facts.uses[rule.id][1]) + DAY_MS for rule in flag.rules if rule.id in facts.uses}
    unreached = [rule.id for rule in flag.rules if max(reachable, ended.get(rule.id, 0)) <= before]
    if unreached:
        names = ", ".join(map(repr, unreached))
        yield StaleReason(
            code="RULES_NOT_REACHED",
            since=iso(max(reachable, *(ended.get(id, 0) for id in unreached))),
            text=f"{'the rule' if len(unreached) == 1 else 'the rules'} {names} answered no request",
            advice="Remove what an earlier rule always answers, and what no longer applies to any profile.",
            rules=unreached,
        )


def _unasked(facts: _Facts, known_since: Instant, before: Instant) -> Iterator[StaleReason]:
    """No client asks for the flag, and no other flag depends on it."""
    last = facts.last_asked
    since = known_since if last is None else _midnight(last) + DAY_MS
    if since <= before and not facts.used_by:
        yield StaleReason(
            code="NOT_ASKED",
            since=iso(since),
            text="no client has asked for it"
            if last is None
            else f"no client has asked for it since {last.isoformat()}",
            advice="Archive it; taking that back brings everyone the variant they had.",
        )


def _deciding(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in (*_BESIDE, "schedule")}


def _served(program: Program) -> set[str]:
    """The variants that the flag may serve to a named profile, according to its document."""
    flag = program.flag
    found = {override.serve for override in flag.overrides}
    if program.prerequisites:
        found.add(flag.off_variant)
    if program.holdouts:
        found.add(flag.default.serve)
    for prepared in program.rules:
        if not _may_match(prepared, sticky=flag.sticky):
            continue
        rule = prepared.rule
        if flag.sticky:  # profiles may keep what no new one is given
            found.update(prepared.variants)
        found |= {rule.serve} if rule.serve is not None else {variant for variant, weight in prepared.arms if weight}
        if _always_matches(prepared):
            return found
    return found | {flag.default.serve}


def _may_match(prepared: PreparedRule, *, sticky: bool) -> bool:
    never = isinstance(prepared.node, Const) and prepared.node.value is not True
    return not never and (sticky or all(gate.since < gate.to for gate in prepared.gates))


def _always_matches(prepared: PreparedRule) -> bool:
    always = isinstance(prepared.node, Const) and prepared.node.value is True
    return always and all(gate.since == 0 and gate.to == BUCKETS for gate in prepared.gates)


def _midnight(day: date) -> Instant:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _in_its_place(flag: Flag, variant: str) -> str:
    text = _encode(flag.variants[variant]).decode()
    value = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return f"Put {value} in its place where it is asked for, then archive it."
