"""Every route on one page.

Laws    a route in OPEN needs no key, or finds it by itself; one in GUARDED says which scope its key needs
"""

from tinycdp.api.access import routes as access
from tinycdp.api.decisions import explain, exposures, ofrep, replay
from tinycdp.api.decisions import routes as decisions
from tinycdp.api.definitions import editor, kill_switches, lifecycle, preview
from tinycdp.api.definitions import routes as definitions
from tinycdp.api.http import reference
from tinycdp.api.identity import routes as identity
from tinycdp.api.ingest import posthog, rejections, sdk_settings
from tinycdp.api.ingest import routes as ingest
from tinycdp.api.operations import routes as operations
from tinycdp.api.policies import routes as policies
from tinycdp.api.privacy import routes as privacy
from tinycdp.api.profiles import groups
from tinycdp.api.profiles import routes as profiles
from tinycdp.api.schema import event_stream
from tinycdp.api.schema import routes as schema
from tinycdp.api.transfer import exports, imports

OPEN = [
    *ingest.ROUTES,
    *sdk_settings.ROUTES,
    *posthog.ROUTES,
    *ofrep.OPEN_ROUTES,
    *operations.ROUTES,
    *reference.ROUTES,
]

GUARDED = [
    *decisions.ROUTES,
    *replay.ROUTES,
    *ofrep.ROUTES,
    *profiles.ROUTES,
    *identity.ROUTES,
    *groups.ROUTES,
    *definitions.ROUTES,
    *lifecycle.ROUTES,
    *preview.ROUTES,
    *kill_switches.ROUTES,
    *policies.ROUTES,
    *privacy.ROUTES,
    *schema.ROUTES,
    *event_stream.ROUTES,
    *exposures.ROUTES,
    *editor.ROUTES,
    *explain.ROUTES,
    *exports.ROUTES,
    *imports.ROUTES,
    *access.ROUTES,
    *rejections.ROUTES,
]
