"""Wire structs of policies."""

from typing import Annotated, Any

import msgspec

from tinycdp.api.http.encoding import Documented
from tinycdp.engine.schema.tracking_plan import Naming
from tinycdp.runtime.policies.enrichment import EnrichmentPolicy
from tinycdp.runtime.policies.identifier_rules import IdentityPolicy
from tinycdp.runtime.policies.limits import Limits
from tinycdp.runtime.policies.privacy_rules import PrivacyPolicy
from tinycdp.runtime.policies.validation import ValidationPolicy

#: The document of the policy that the address names. runtime/policies/documents.py reads it and reports errors.
PolicyDocument = Annotated[
    dict[str, Any], Documented(EnrichmentPolicy | IdentityPolicy | Limits | Naming | PrivacyPolicy | ValidationPolicy)
]


class PolicyVersion(msgspec.Struct, frozen=True, rename="camel"):
    """One version of a policy, with all defaults written out. Version 0 is the defaults."""

    version: int
    document: PolicyDocument
    changed_at: str | None = None
    changed_by: str | None = None


class PolicyVersions(msgspec.Struct):
    """Newest first."""

    name: str
    versions: list[PolicyVersion]
