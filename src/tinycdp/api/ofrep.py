"""Decisions by the OpenFeature Remote Evaluation Protocol.

Shape   POST /ofrep/v1/evaluate/flags/{key} for one flag
Laws    the same answer as /v1/decide: both end in decide_one
Source  docs/reference/decide.md
"""

from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.params import FromPath

from tinycdp.api.auth import Bearer
from tinycdp.api.exchange import answer
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.decide import Decision
from tinycdp.errors import NotFound
from tinycdp.model import NEVER, Alias, AliasKind
from tinycdp.runtime.decisions import decide_one
from tinycdp.runtime.service import Service
from tinycdp.runtime.snapshots import Snapshot
from tinycdp.runtime.times import iso


class Evaluation(msgspec.Struct, rename="camel"):
    """`context.targetingKey` is the user id; what else stands in `context` is what rules read."""

    context: dict[str, Any] = {}


_decode_evaluation = msgspec.json.Decoder(Evaluation, float_hook=Decimal).decode


class Evaluated(msgspec.Struct, rename="camel"):
    """metadata holds revision, version, reasons, and where they apply rule and validUntil."""

    key: str
    value: Any
    variant: str
    reason: str
    metadata: dict[str, Any]


@post(
    "/ofrep/v1/evaluate/flags/{flag:str}",
    status_code=200,
    operation_id="evaluateFlag",
    summary="One flag by the OpenFeature Remote Evaluation Protocol",
    tags=["Decisions"],
    opt={
        "scope": "read",
        "body": Evaluation,
        "answer": Evaluated,
        "example": {"context": {"targetingKey": "ada", "platform": "ios"}},
    },
)
async def evaluate(request: Request[Any, Any, Any], key: Bearer, flag: FromPath[str]) -> Response[bytes]:
    """`context.targetingKey` is the user id; what else stands in `context` is what rules read."""
    service: Service = request.app.state.service

    def failure(status: int, code: str, details: str) -> Response[bytes]:
        return answer({"key": flag, "errorCode": code, "errorDetails": details}, status)

    try:
        raw = await request.body()
        context = _decode_evaluation(raw).context if raw.strip() else {}
    except msgspec.ValidationError as wrong:
        return failure(400, "INVALID_CONTEXT", f"{wrong}.")
    except msgspec.DecodeError as wrong:
        return failure(400, "PARSE_ERROR", f"{wrong}.")
    unit = context.get("targetingKey")
    if unit is not None and not isinstance(unit, str):
        return failure(400, "INVALID_CONTEXT", "$.context.targetingKey: expected a string.")
    catalog = service.catalog(key.environment_id)
    alias = Alias(AliasKind.USER, unit) if unit else None
    subject, stale = await service.decisions.subject(catalog, alias, service.now())
    now = service.now()
    try:
        decision = decide_one(catalog, flag, subject, now, context)
    except NotFound as missing:
        return failure(404, "FLAG_NOT_FOUND", missing.message)
    service.metrics.decisions[decision.reason] += 1
    service.exposures.record(catalog, decision, subject, now)
    if decision.unit_missing:
        return failure(400, "TARGETING_KEY_MISSING", "A rule of this flag buckets people: send a targetingKey.")
    return answer(
        {
            "key": flag,
            "value": decision.value,
            "variant": decision.variant,
            "reason": "STALE" if stale else decision.reason,
            "metadata": _metadata(catalog, decision, subject),
        }
    )


def _metadata(catalog: Catalog, decision: Decision, subject: Snapshot) -> dict[str, Any]:
    found: dict[str, Any] = {
        "revision": catalog.revision,
        "version": subject.version,
        "reasons": "; ".join(decision.reasons),
    }
    if decision.rule is not None:
        found["rule"] = decision.rule
    if decision.until < NEVER:
        found["validUntil"] = iso(decision.until)
    return found


ROUTES = [evaluate]
