"""All routes, in five lists by what their requests need.

Laws    a route in GUARDED or FOREIGN_GUARDED names the scope that its key needs in `scope=`.
        Only FOREIGN, FOREIGN_GUARDED and PAGES accept unknown fields and parameters
"""

from tinycdp.api.access import audit, environments
from tinycdp.api.access import routes as access
from tinycdp.api.decisions import explain, replay
from tinycdp.api.decisions import routes as decisions
from tinycdp.api.definitions import kill_switches, lifecycle
from tinycdp.api.definitions import routes as definitions
from tinycdp.api.editor import routes as editor
from tinycdp.api.exposures import routes as exposures
from tinycdp.api.http import reference
from tinycdp.api.identity import routes as identity
from tinycdp.api.ingest import dead_letters, posthog, rejections, sdk_settings
from tinycdp.api.ingest import routes as ingest
from tinycdp.api.ofrep import routes as ofrep
from tinycdp.api.operations import figures, home
from tinycdp.api.operations import routes as operations
from tinycdp.api.pages import console
from tinycdp.api.pages import routes as pages
from tinycdp.api.policies import routes as policies
from tinycdp.api.privacy import routes as privacy
from tinycdp.api.profiles import groups, segment_history
from tinycdp.api.profiles import routes as profiles
from tinycdp.api.schema import event_stream
from tinycdp.api.schema import routes as schema
from tinycdp.api.segments import routes as segments
from tinycdp.api.time_travel import distribution, history, preview
from tinycdp.api.transfer import downloads, exports, imports

#: Endpoints for clients of other products, which send fields and parameters that TinyCDP does not use. They look for
#: the key themselves: it may be in the body.
FOREIGN = [
    *ingest.ROUTES,
    *sdk_settings.ROUTES,
    *posthog.ROUTES,
    *ofrep.OPEN_ROUTES,
]

#: OpenFeature's protocol: its providers may send fields that later versions of it define.
FOREIGN_GUARDED = ofrep.ROUTES

#: What browsers open and load, with whatever parameters a link has.
PAGES = [*pages.ROUTES, *console.ROUTES]

OPEN = [
    *home.ROUTES,
    *operations.ROUTES,
    *reference.ROUTES,
    *exports.OPEN_ROUTES,
    *downloads.OPEN_ROUTES,
]

GUARDED = [
    *decisions.ROUTES,
    *replay.ROUTES,
    *profiles.ROUTES,
    *identity.ROUTES,
    *groups.ROUTES,
    *segment_history.ROUTES,
    *definitions.ROUTES,
    *lifecycle.ROUTES,
    *segments.ROUTES,
    *preview.ROUTES,
    *history.ROUTES,
    *distribution.ROUTES,
    *kill_switches.ROUTES,
    *policies.ROUTES,
    *privacy.ROUTES,
    *schema.ROUTES,
    *event_stream.ROUTES,
    *exposures.ROUTES,
    *editor.ROUTES,
    *explain.ROUTES,
    *exports.ROUTES,
    *downloads.ROUTES,
    *imports.ROUTES,
    *access.ROUTES,
    *environments.ROUTES,
    *audit.ROUTES,
    *figures.ROUTES,
    *rejections.ROUTES,
    *dead_letters.ROUTES,
]
