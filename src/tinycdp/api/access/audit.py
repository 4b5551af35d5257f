"""The route of the audit log.

Source  docs/reference/authentication.md "The audit log"
"""

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter

from tinycdp.api.access.schemas import AuditLog
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import Limit, instant_parameter
from tinycdp.api.http.parts import Injected
from tinycdp.runtime import audit
from tinycdp.runtime.audit import AuditKind
from tinycdp.runtime.environment import Environment


@get(
    "/v1/admin/audit",
    summary="What people and their keys changed, newest first",
    tags=["Operation"],
    scope="admin",
)
async def list_audit(
    environment: Injected[Environment],
    kind: Annotated[
        list[AuditKind] | None, QueryParameter(description="only changes of this kind; repeat it for more")
    ] = None,
    author: Annotated[str | None, QueryParameter(description="only changes by this author, the name of a key")] = None,
    since: Annotated[
        str | None, QueryParameter(name="from", description="not before this instant; a day is its start in UTC")
    ] = None,
    until: Annotated[
        str | None, QueryParameter(name="to", description="before this instant; a day is its start in UTC")
    ] = None,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before")] = None,
    limit: Limit = 50,
) -> AuditLog:
    """Merges that follow from messages are left out, undoing one is not."""
    span = instant_parameter(since, "from"), instant_parameter(until, "to")
    found = await audit.audit(environment, kind or (), author or None, *span, cursor, limit)
    return as_schema(found, AuditLog)


ROUTES = [list_audit]
