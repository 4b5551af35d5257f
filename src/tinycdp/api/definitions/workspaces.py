"""The checked definitions of an environment, as the part `workspace: Injected[Workspace]`."""

from tinycdp.api.http.parts import Injected
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.workspace import EventNames, Workspace, read_workspace
from tinycdp.runtime.environment import Environment


async def provide_workspace(
    environment: Injected[Environment], catalogs: Injected[Catalogs], event_names: Injected[EventNames]
) -> Workspace:
    """The actor's environment as it is when the request arrives."""
    return await read_workspace(environment, catalogs, event_names)
