"""A provider for OpenFeature: its evaluations and its tracking go through one Client.

Shape   api.set_provider(TinyCDPProvider(client))
Laws    the targeting key names a profile by an identifier of any kind, as in OFREP; `userId`, `anonymousId` and the
        other names of a profile in the context go before it. Local evaluation takes it for a user id
        a value of another type than was asked for is TYPE_MISMATCH, and the caller's default
Source  docs/reference/ofrep.md
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata
from openfeature.track import TrackingEventDetails

from .client import Client
from .decisions import PROFILE_FIELDS

T = TypeVar("T")
Objects = Sequence[FlagValueType] | Mapping[str, FlagValueType]
_CODES = {code.value: code for code in ErrorCode}


class TinyCDPProvider(AbstractProvider):
    """Evaluates flags by a client, whose keys, time limits and errors count here too. Shuts it down with itself."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def get_metadata(self) -> Metadata:
        return Metadata(name="TinyCDP")

    def shutdown(self) -> None:
        self._client.shutdown()

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Sends an event of the profile that the context names; `value` becomes a property of this name."""
        context = evaluation_context or EvaluationContext()
        properties: dict[str, Any] = {}
        if tracking_event_details is not None:
            properties = dict(tracking_event_details.attributes)
            if tracking_event_details.value is not None:
                properties["value"] = tracking_event_details.value
        named: dict[str, Any] = {
            option: context.attributes.get(field) for option, field in PROFILE_FIELDS.items() if option != "profile_id"
        }
        user_id = named.pop("user_id") or (None if any(named.values()) else context.targeting_key)
        self._client.track(user_id, tracking_event_name, properties, **named)

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        return self._resolve(flag_key, default_value, evaluation_context, (bool,))

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return self._resolve(flag_key, default_value, evaluation_context, (str,))

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return self._resolve(flag_key, default_value, evaluation_context, (int,))

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        found = self._resolve(flag_key, default_value, evaluation_context, (float, int))
        if type(found.value) is int:
            found.value = float(found.value)
        return found

    def resolve_object_details(
        self, flag_key: str, default_value: Objects, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Objects]:
        return self._resolve(flag_key, default_value, evaluation_context, (dict, list))

    # The same for asyncio: the request waits in a thread, and not in the event loop.

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        return await asyncio.to_thread(self.resolve_boolean_details, flag_key, default_value, evaluation_context)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return await asyncio.to_thread(self.resolve_string_details, flag_key, default_value, evaluation_context)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return await asyncio.to_thread(self.resolve_integer_details, flag_key, default_value, evaluation_context)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        return await asyncio.to_thread(self.resolve_float_details, flag_key, default_value, evaluation_context)

    async def resolve_object_details_async(
        self, flag_key: str, default_value: Objects, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Objects]:
        return await asyncio.to_thread(self.resolve_object_details, flag_key, default_value, evaluation_context)

    def _resolve(
        self, flag: str, default: T, evaluation_context: EvaluationContext | None, types: tuple[type, ...]
    ) -> FlagResolutionDetails[T]:
        """What the flag serves, or the default with the error of OpenFeature."""
        context = evaluation_context or EvaluationContext()
        said: dict[str, Any] = dict(context.attributes)
        if context.targeting_key:
            said["targetingKey"] = context.targeting_key
        found = self._client.evaluate(flag, said)
        if found.error is not None:
            code = _CODES.get(found.error, ErrorCode.GENERAL)
            return FlagResolutionDetails(default, code, found.error_message, Reason.ERROR)
        if type(found.value) not in types:
            message = f"The value of {flag!r} is of the type {type(found.value).__name__}."
            return FlagResolutionDetails(default, ErrorCode.TYPE_MISMATCH, message, Reason.ERROR)
        return FlagResolutionDetails(
            found.value, reason=found.reason, variant=found.variant, flag_metadata=found.metadata
        )
