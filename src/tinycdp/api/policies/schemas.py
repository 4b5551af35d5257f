"""What clients and server exchange about policies."""

from typing import Annotated, Any

import msgspec

from tinycdp.api.http.openapi import Documented, shows
from tinycdp.engine.plan import Naming
from tinycdp.runtime.enrichment import Choices
from tinycdp.runtime.identity_rules import IdentityPolicy
from tinycdp.runtime.limits import Limits
from tinycdp.runtime.policies import PolicyVersion
from tinycdp.runtime.privacy import PrivacyPolicy

#: What PUT takes: of the kind that the address names. policies.py reads it, and names what is wrong.
PolicyDocument = Annotated[dict[str, Any], Documented(Choices | IdentityPolicy | Limits | Naming | PrivacyPolicy)]

shows(PolicyVersion, document=PolicyDocument)


class PolicyVersions(msgspec.Struct):
    """Newest first."""

    name: str
    versions: list[PolicyVersion]
