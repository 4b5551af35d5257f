"""Decisions out.

Shape   GET /v1/decide for one flag, POST /v1/decide for several; fast_lane.py answers the former from memory.
        POST /v1/snapshot for clients that decide themselves
Laws    the same answer whichever way is taken: both end in decide_one and answer_of, and record the same exposure
Source  docs/reference/decide.md
"""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromQuery, HeaderParameter, JSONBody, QueryParameter

from tinycdp.api.decisions.answers import DecisionService
from tinycdp.api.decisions.local import LocalSnapshots
from tinycdp.api.decisions.schemas import Answer, Answers, LocalQuestion, LocalSnapshot, ProfileQuery, Question
from tinycdp.api.decisions.streams import matches
from tinycdp.api.http.auth import allow
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.responses import ExactResponse
from tinycdp.errors import NotFound
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.clock import Clock

#: False if the answer is not shown to anyone.
Exposed = Annotated[bool, QueryParameter(description="record that the profile was given this variant")]
MinVersion = Annotated[int, QueryParameter(name="minVersion", description="`version` of a tracking answer")]


@get(
    "/v1/decide",
    summary="One flag's answer for one profile",
    tags=["Decisions"],
    scope="decide",
    query="userId=ada&flag=premium",
    latency="one",
)
async def decide(
    actor: Injected[Actor],
    decision_service: Injected[DecisionService],
    now: Injected[Clock],
    flag: FromQuery[str],
    profile_query: Injected[ProfileQuery],
    min_version: MinVersion = 0,
    session_id: Annotated[
        str | None, QueryParameter(name="sessionId", description="keeps the variants of flags with `stickyFor`")
    ] = None,
    explain: Annotated[bool, QueryParameter(description="add the `explanation`; records no exposure")] = False,
    exposure: Exposed = True,
) -> Answer:
    question = Question(
        **msgspec.structs.asdict(profile_query),
        flags=[flag],
        min_version=min_version,
        session_id=session_id,
        explain=explain,
        exposure=exposure,
    )
    answers = await _answer(actor, decision_service, question, now)
    if flag in answers.errors:
        raise NotFound("FLAG_NOT_FOUND", answers.errors[flag])
    return answers.flags[flag]


@post(
    "/v1/decide",
    status_code=200,
    summary="Several or all flags' answers for one profile, with context",
    tags=["Decisions"],
    scope="decide",
    latency="many",
    example={"userId": "ada", "flags": ["premium"], "context": {"platform": "ios"}},
)
async def decide_many(
    actor: Injected[Actor], decision_service: Injected[DecisionService], now: Injected[Clock], data: JSONBody[Question]
) -> Answers:
    return await _answer(actor, decision_service, data, now)


async def _answer(actor: Actor, decision_service: DecisionService, question: Question, now: Clock) -> Answers:
    if question.explain:
        allow(actor, "read")  # it shows what is known of the profile
    return await decision_service.answer(actor.environment_id, question, now)


@post(
    "/v1/snapshot",
    status_code=200,
    summary="One profile's flags for a client that decides them itself, with an ETag",
    tags=["Decisions"],
    scope="decide",
    latency="snapshot",
    also={304: "the snapshot is that of the ETag in If-None-Match"},
    example={"userId": "ada"},
)
async def snapshot_flags(
    actor: Injected[Actor],
    local_snapshots: Injected[LocalSnapshots],
    now: Injected[Clock],
    data: JSONBody[LocalQuestion],
    if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
) -> ExactResponse[LocalSnapshot]:
    """`dsl/SNAPSHOT.md` specifies what a client does with it. It records no exposure."""
    made = await local_snapshots.of(actor, data, now)
    headers = {"ETag": made.etag, "Cache-Control": "no-cache"}
    if matches(if_none_match, made.etag):
        unchanged: Any = b""
        return ExactResponse(unchanged, status_code=304, headers=headers)
    return ExactResponse(local_snapshots.answer(made), headers=headers)


ROUTES = [decide, decide_many, snapshot_flags]
