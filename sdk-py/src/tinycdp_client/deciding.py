"""Where a decision comes from: the server, or a snapshot that is evaluated here.

Shape   Decider(…).decide(question) → decisions by flag, or a problem · evaluate(flag, context) for OpenFeature
Laws    a decision includes this client's own events that the server has taken, wherever it is made
        what a snapshot cannot decide the server is asked for, in one request
        a decision made here is reported as an exposure, once a day for a profile, flag, variant and rule
"""

import json
import threading
import urllib.parse
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import clock, forks
from .decisions import PROFILE_FIELDS, Decision, decided_here, evaluated, no_decision, read_decision
from .local import ASK, read_context
from .local import Answer as Local
from .messages import Invalid, to_json
from .problems import Problem, Reporter
from .queues import Waiting
from .snapshots import Snapshots
from .transport import Answer, Transport, Unreachable

#: Later every process of the server knows of a write by itself.
_OWN_WRITES_SECONDS = 60.0
_MOST_OWN_WRITES = 10_000
_MOST_EXPOSURES = 100_000
#: What the server answers if only a lower `minVersion` would help.
_TOO_NEW = ("VERSION_AHEAD", "DATABASE_AWAY")

#: What a server of another version answers: it decides itself.
_NO_SNAPSHOTS = ("ROUTE_NOT_FOUND", "UNKNOWN_SNAPSHOT")

#: Takes an exposure: the option and the value that name the profile, and what it got.
Expose = Callable[[str, str, Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Question:
    """Flags of one profile in a context; `flags` is None for all."""

    profile: Mapping[str, str]
    flags: list[str] | None
    context: Mapping[str, Any] | None
    session_id: str | None
    min_version: int | None
    exposure: bool


class Decider:
    """Asks the server for decisions, or for what is needed to make them here."""

    def __init__(
        self,
        transport: Transport,
        key: str | None,
        reporter: Reporter,
        expose: Expose | None,
        *,
        seconds: float,
        is_local: bool,
        snapshot_age: float,
    ) -> None:
        self._transport, self._key, self._reporter, self._expose = transport, key, reporter, expose
        self._seconds, self._is_local = seconds, is_local
        self.own_writes = OwnWrites()
        self.snapshots = Snapshots(self._fetch_snapshot, snapshot_age)
        self._exposed = _Seen()

    def parts(self) -> list[forks.Part]:
        return [self.snapshots, self._exposed, self.own_writes]

    def decide(self, question: Question) -> dict[str, Decision] | Problem:
        """The decisions of all flags that exist; a problem is reported."""
        found = self._decide(question)
        if isinstance(found, Problem):
            self._reporter.report(found)
        return found

    def evaluate(self, flag: str, context: Mapping[str, Any]) -> Decision:
        """A decision by OFREP, whose context names the profile; `error` is OpenFeature's code."""
        named = {name: str(context[name]) for name in PROFILE_FIELDS.values() if context.get(name)}
        key = context.get("targetingKey")
        if self._is_local and (named or key):
            profile = dict(list(named.items())[:1]) or {"userId": str(key)}
            here = self._decide_here(Question(profile, [flag], context, None, None, True))
            if not isinstance(here, Problem) and flag in here[0]:
                return here[0][flag]
        if key:
            named = {name: str(key) for name in PROFILE_FIELDS.values()} | named
        path = f"/ofrep/v1/evaluate/flags/{urllib.parse.quote(flag, safe='')}"
        if version := max((self.own_writes.version({name: value}) for name, value in named.items()), default=0):
            path += f"?minVersion={version}"
        answer = self._ask(path, {"context": context})
        if isinstance(answer, Problem):
            if answer.code not in ("FLAG_NOT_FOUND", "TARGETING_KEY_MISSING"):
                self._reporter.report(answer)
            return no_decision(flag, None, answer.code, answer.message)
        self._reporter.over("UNREACHABLE")
        return evaluated(flag, answer.fields)

    def _decide(self, question: Question) -> dict[str, Decision] | Problem:
        if not (self._is_local and question.profile):
            return self._decide_there(question, question.flags)
        here = self._decide_here(question)
        if isinstance(here, Problem):
            if here.code not in _NO_SNAPSHOTS:
                return here
            self._reporter.report(here)
            return self._decide_there(question, question.flags)
        decided, rest = here
        if not rest:
            return decided
        there = self._decide_there(question, rest)
        if isinstance(there, Problem):
            if not decided:
                return there
            self._reporter.report(there)
            return decided
        return decided | there

    def _decide_there(self, question: Question, flags: list[str] | None) -> dict[str, Decision] | Problem:
        """Decisions of the server."""
        asked: dict[str, Any] = {
            **question.profile,
            "context": dict(question.context or {}),
            "exposure": question.exposure,
        }
        if flags is not None:
            asked["flags"] = flags
        if question.session_id is not None:
            asked["sessionId"] = question.session_id
        answer = self._ask_with_own("/v1/decide", asked, question.profile, question.min_version)
        if isinstance(answer, Problem):
            return answer
        self._reporter.over("UNREACHABLE")
        return {key: read_decision(one) for key, one in answer.fields["flags"].items()}

    def _decide_here(self, question: Question) -> tuple[dict[str, Decision], list[str]] | Problem:
        """Decisions by the profile's snapshot, and the flags that only the server can decide."""
        own = self.own_writes.version(question.profile)
        known = self.snapshots.get(question.profile, own if question.min_version is None else question.min_version)
        if isinstance(known, Problem):
            return known
        try:
            context = read_context(question.context)
        except Invalid as error:
            return Problem(error.code, str(error))
        decided: dict[str, Decision] = {}
        rest = []
        for flag in known.snapshot.flags if question.flags is None else question.flags:
            answer = known.snapshot.decide(flag, context, known.now)
            if answer is ASK:
                rest.append(flag)
            elif isinstance(answer, Local):
                decided[flag] = decided_here(flag, question.profile, known.snapshot, answer, known.stale)
                if question.exposure:
                    self._report_exposure(question.profile, decided[flag])
        return decided, rest

    def _report_exposure(self, profile: Mapping[str, str], decision: Decision) -> None:
        """Says that the profile got a variant, which the server cannot know."""
        field, value = next(iter(profile.items()))
        option = next(option for option, name in PROFILE_FIELDS.items() if name == field)
        used = (option, value, decision.flag, decision.variant, decision.rule, clock.now().date())
        if self._expose is None or option == "profile_id" or not self._exposed.add(used):
            return
        # What is stale may have another rule by now.
        rule = None if decision.reason == "STALE" else decision.rule
        got = {"flag": decision.flag, "variant": decision.variant, "rule": rule}
        self._expose(option, value, {name: value for name, value in got.items() if value is not None})

    def _fetch_snapshot(
        self, profile: Mapping[str, str], min_version: int, etag: str | None, announced: str | None
    ) -> Answer | Problem:
        asked = {**profile, "etag": announced} if announced else profile
        headers = {"If-None-Match": etag} if etag else {}
        return self._ask_with_own("/v1/snapshot", asked, profile, min_version, headers)

    def _ask_with_own(
        self,
        path: str,
        asked: Mapping[str, Any],
        profile: Mapping[str, str],
        min_version: int | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | Problem:
        """An answer that includes the client's own events, or the version that was asked for."""
        own = self.own_writes.version(profile)
        version = own if min_version is None else min_version
        answer = self._ask(path, {**asked, "minVersion": version}, headers)
        if isinstance(answer, Problem) and answer.code in _TOO_NEW and version and version == own:
            # An older answer is better than none; who asks for another version by hand wants that one.
            answer = self._ask(path, {**asked, "minVersion": 0}, headers)
        return answer

    def _ask(self, path: str, asked: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer | Problem:
        """The server's answer to a question, or what keeps it from us."""
        if not self._key:
            return Problem("MISSING_KEY", "To ask for flags, give the client a read_key.")
        try:
            body = to_json(asked)
            answer = self._transport.request(path, key=self._key, body=body, seconds=self._seconds, headers=headers)
        except Invalid as error:
            return Problem(error.code, str(error))
        except Unreachable as error:
            return Problem("UNREACHABLE", str(error))
        fields = answer.fields
        is_answer = answer.status == 200 and (isinstance(fields.get("flags"), dict) or "value" in fields)
        if is_answer or answer.status == 304:
            return answer
        if code := fields.get("errorCode") or fields.get("code"):
            message = str(fields.get("errorDetails") or fields.get("message"))
            return Problem(str(code), message, answer.status)
        message = f"What answers there ({answer.status}) is not TinyCDP. Check the endpoint."
        return Problem("WRONG_ENDPOINT", message, answer.status)


class _Seen:
    """What was seen lately, up to a bound."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[object, None] = OrderedDict()

    def add(self, one: object) -> bool:
        """Whether it is new."""
        with self._lock:
            is_new = one not in self._seen
            self._seen[one] = None
            if len(self._seen) > _MOST_EXPOSURES:
                self._seen.popitem(last=False)
            return is_new

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self) -> None:
        self._lock.release()

    def forked(self) -> None:
        self._lock = threading.Lock()


class OwnWrites:
    """The versions that this client's own events got, by the identifiers they name, for as long as that matters."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def sent(self, batch: Sequence[Waiting], answer: Mapping[str, Any]) -> None:
        """Messages that the server has taken, and its answer to them."""
        version, now = int(answer.get("version") or 0), clock.monotonic()
        named = set()
        for waiting in batch:
            message = json.loads(waiting.body)
            named |= {(kind, str(message[kind])) for kind in PROFILE_FIELDS.values() if message.get(kind)}
            named |= {(kind, str(value)) for kind, value in (message.get("identifiers") or {}).items()}
            if previous := message.get("previousId"):
                named |= {(kind, str(previous)) for kind in ("userId", "anonymousId")}
        with self._lock:
            for identifier in named:
                self._versions[identifier] = version, now
                self._versions.move_to_end(identifier)
            while len(self._versions) > _MOST_OWN_WRITES:
                self._versions.popitem(last=False)

    def version(self, identifier: Mapping[str, str]) -> int:
        """The version that a decision about this profile has to include; 0 if it does not matter."""
        with self._lock:
            found = [self._versions.get(item, (0, 0.0)) for item in identifier.items()]
        oldest = clock.monotonic() - _OWN_WRITES_SECONDS
        return max((version for version, at in found if at >= oldest), default=0)

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self) -> None:
        self._lock.release()

    def forked(self) -> None:
        self._lock = threading.Lock()
