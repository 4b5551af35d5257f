"""The profile that query parameters name: `profile_query: Injected[ProfileQuery]`."""

from typing import Annotated

from litestar.params import QueryParameter

from tinycdp.api.decisions.schemas import ProfileQuery


def provide_profile_query(
    user_id: Annotated[
        str | None, QueryParameter(name="userId", description="the profile's user id; the first of these six counts")
    ] = None,
    profile_id: Annotated[
        str | None, QueryParameter(name="profileId", description="or its profile id, as answers have it")
    ] = None,
    anonymous_id: Annotated[
        str | None, QueryParameter(name="anonymousId", description="or the id of a visitor who has not signed in")
    ] = None,
    device_id: Annotated[str | None, QueryParameter(name="deviceId", description="or the id of a device")] = None,
    external_id: Annotated[
        str | None, QueryParameter(name="externalId", description="or its id in another system")
    ] = None,
    email_hash: Annotated[
        str | None, QueryParameter(name="emailHash", description="or the hash of its address, as it was sent")
    ] = None,
) -> ProfileQuery:
    """The profile that a request names in its address."""
    return ProfileQuery(user_id, profile_id, anonymous_id, device_id, external_id, email_hash)
