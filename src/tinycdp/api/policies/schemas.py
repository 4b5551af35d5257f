"""What clients and server exchange about policies."""

from typing import Annotated, Any

import msgspec

from tinycdp.api.http.openapi import Documented, shows
from tinycdp.engine.schema.tracking_plan import Naming
from tinycdp.runtime.policies.documents import PolicyVersion
from tinycdp.runtime.policies.enrichment import Choices
from tinycdp.runtime.policies.identifier_rules import IdentityPolicy
from tinycdp.runtime.policies.limits import Limits
from tinycdp.runtime.policies.privacy_rules import PrivacyPolicy

#: What PUT takes: of the kind that the address names. policies.py reads it, and names what is wrong.
PolicyDocument = Annotated[dict[str, Any], Documented(Choices | IdentityPolicy | Limits | Naming | PrivacyPolicy)]

shows(PolicyVersion, document=PolicyDocument)


class PolicyVersions(msgspec.Struct):
    """Newest first."""

    name: str
    versions: list[PolicyVersion]
