"""Routes of policies: how an environment handles the messages it receives.

Shape   GET and PUT of one policy · GET of its versions
Laws    A field that a PUT leaves out gets its default. If-Match names the version to replace.
Errors  400 INVALID_POLICY · 404 NOT_FOUND · 409 VERSION_CONFLICT
Source  docs/reference/policies.md
"""

from litestar import get, put
from litestar.params import FromPath, JSONBody

from tinycdp.api.http.encoding import as_schema, etag
from tinycdp.api.http.params import DryRun, IfMatch, Limit, version_of
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.responses import ExactResponse
from tinycdp.api.policies.schemas import PolicyDocument, PolicyVersion, PolicyVersions
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.mirror import Mirror
from tinycdp.runtime.policies import documents

PATH = "/v1/admin/policies/{name:str}"
_TAGS = ["Policies"]


@get(PATH, summary="The policy in force", tags=_TAGS, scope="admin")
async def get_policy(environment: Injected[Environment], name: FromPath[str]) -> ExactResponse[PolicyVersion]:
    found = (await documents.versions(environment, name, 1))[0]
    return ExactResponse(as_schema(found, PolicyVersion), headers=etag(found.version))


@put(PATH, summary="Replace a policy; it applies to later messages", tags=_TAGS, scope="admin", example={})
async def put_policy(
    actor: Injected[Actor],
    environment: Injected[Environment],
    mirror: Injected[Mirror],
    name: FromPath[str],
    data: JSONBody[PolicyDocument],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> ExactResponse[PolicyVersion]:
    """A dry run checks the document, and answers with it as version 0."""
    edit = Edit(actor.name, environment.now(), expected_version=version_of(if_match), dry_run=dry_run)
    found = await documents.save(environment, name, data, edit)
    # This process applies it at once; the others are notified.
    await mirror.load_policies()
    return ExactResponse(as_schema(found, PolicyVersion), headers=etag(found.version))


@get(f"{PATH}/versions", summary="The versions of a policy and their authors, newest first", tags=_TAGS, scope="admin")
async def list_policy_versions(
    environment: Injected[Environment], name: FromPath[str], limit: Limit = 50
) -> PolicyVersions:
    found = await documents.versions(environment, name, limit)
    return PolicyVersions(name, as_schema(found, list[PolicyVersion]))


ROUTES = [get_policy, put_policy, list_policy_versions]
