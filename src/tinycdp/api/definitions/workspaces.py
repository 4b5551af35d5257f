"""The checked definitions of an environment, as the part `workspace: Injected[Workspace]`."""

from tinycdp.api.http.parts import Injected
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.workspace import EventNames, Workspace, read_workspace
from tinycdp.store.database.pool import Pool


async def provide_workspace(
    actor: Injected[Actor],
    pool: Injected[Pool],
    catalogs: Injected[Catalogs],
    event_names: Injected[EventNames],
    now: Injected[Clock],
) -> Workspace:
    """The actor's environment as it is when the request arrives."""
    return await read_workspace(pool, catalogs, event_names, actor.environment_id, now())
