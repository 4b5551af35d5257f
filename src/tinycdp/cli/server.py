"""`serve`, `work`, `analytics`, `migrate` and `seed`: processes, schema and example data."""

import argparse
import contextlib
import os
from typing import TYPE_CHECKING

from tinycdp.cli.options import OWN, command
from tinycdp.errors import Conflict, InvalidInput
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands

# Events in one request of `seed`, far below the limits of one batch.
_SEED_BATCH = 200


def add_to(commands: "Commands") -> None:
    serve = command(
        commands, "serve", run_serve, "run the HTTP server, with Postgres and the worker unless --role api", OWN
    )
    serve.add_argument("--host", help="address to listen on (TINYCDP_HOST)")
    serve.add_argument("--port", help="port to listen on (TINYCDP_PORT)")
    serve.add_argument("--workers", help="HTTP processes (TINYCDP_WORKERS)")
    serve.add_argument("--role", choices=("all", "api"), default="all", help="api: only the HTTP server")
    serve.add_argument("--demo", action="store_true", help="fill an empty database with the example shop")

    command(commands, "init", run_init, "create an empty project, and print its keys and what to do next", OWN)
    command(commands, "work", run_work, "run the background worker", OWN)
    analytics = command(commands, "analytics", run_analytics, "run the embedded ClickHouse that answers analytics", OWN)
    analytics.add_argument(
        "action", nargs="?", choices=["rebuild"], help="instead: have the environment's copy made again from Postgres"
    )
    analytics.add_argument("--environment", metavar="KEY", help="environment to rebuild (TINYCDP_ENVIRONMENT)")
    command(commands, "migrate", run_migrate, "bring the database schema up to date, and create the first keys", OWN)

    seed = command(commands, "seed", run_seed, "send the example shop's events to a running server")
    seed.add_argument("--url", help="the server's address; default: the host and port of the settings")
    seed.add_argument("--key", dest="write_key", help="a write key (TINYCDP_BOOTSTRAP_WRITE_KEY)")
    seed.add_argument("--until", type=int, metavar="MS", help="instant of the last event, in ms UTC; default: now")


def run_serve(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.stopping import StopSignals

    with StopSignals() as signals:  # before the imports, which take a second
        from tinycdp.server.supervisor import serve

        return serve(settings, signals, arguments.role, demo=arguments.demo, remedy=_other_port(arguments, settings))


def _other_port(arguments: argparse.Namespace, settings: Settings) -> str:
    """How to choose another port, by the name that this one was given with."""
    another = settings.port + 1 if settings.port < 65_535 else 8_000
    if arguments.port is not None:
        return f"Choose another --port, for example --port {another}."
    if "MAKELEVEL" in os.environ and os.environ.get("PORT") == str(settings.port):
        return f"Choose another PORT, for example PORT={another}."
    if os.environ.get("TINYCDP_PORT"):
        return f"Choose another TINYCDP_PORT, for example TINYCDP_PORT={another}."
    return f"{settings.port} is the default; choose another with --port {another} or TINYCDP_PORT, with make by PORT."


def run_work(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.stopping import StopRequested, StopSignals

    with StopSignals() as signals, contextlib.suppress(StopRequested):
        import asyncio

        from tinycdp.app import work
        from tinycdp.server.embedded_postgres import reachable

        with reachable(settings, pause=signals.pause) as reached:
            asyncio.run(work(reached, signals))
    return 0


def run_analytics(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.action == "rebuild":
        return _rebuild(settings)
    from tinycdp.runtime.stopping import StopRequested, StopSignals

    with StopSignals() as signals, contextlib.suppress(StopRequested):
        from tinycdp.products.analytics.packages import check_engine

        check_engine()
        from tinycdp.products.analytics.engine.server import serve

        serve(settings, signals)
    return 0


def _rebuild(settings: Settings) -> int:
    from tinycdp.cli.database import on_database
    from tinycdp.cli.terminal import end_progress, show_progress
    from tinycdp.products.analytics.feed import fill

    on_database(settings, lambda environment: fill.rebuild(environment, show_progress))
    end_progress()
    print(f"analytics of {settings.environment} is copied anew")
    return 0


#: The commands that run until they are stopped.
LONG_RUNNING = (run_serve, run_work, run_analytics)


def run_migrate(arguments: argparse.Namespace, settings: Settings) -> int:
    import asyncio

    from tinycdp.runtime import clock
    from tinycdp.server.bootstrap import prepare
    from tinycdp.server.embedded_postgres import reachable

    with reachable(settings, make=True) as reached:
        applied = asyncio.run(prepare(reached, clock.now())).migrations
    print("\n".join(f"applied {name}" for name in applied) or "the schema is up to date")
    return 0


def run_init(arguments: argparse.Namespace, settings: Settings) -> int:
    import asyncio

    from tinycdp.runtime import clock
    from tinycdp.server.bootstrap import prepare
    from tinycdp.server.embedded_postgres import reachable
    from tinycdp.server.first_keys import FirstKeys, created, has_keys

    if has_keys(settings):
        message = "TINYCDP_BOOTSTRAP_…_KEY is set, and those are the first keys: use `migrate`, or unset them."
        raise Conflict("KEYS_GIVEN", message)
    keys = FirstKeys.random()
    with reachable(settings, make=True) as reached:
        prepared = asyncio.run(prepare(keys.given_to(reached), clock.now()))
    if not prepared.created_keys:
        print("There is a project with keys already; create others with `tinycdp key create`.")
        return 0
    print(created(settings, keys))
    return 0


def run_seed(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime import clock
    from tinycdp.server.client import send_batches
    from tinycdp.server.example_shop import generate, impressions

    key = arguments.write_key or settings.bootstrap_write_key
    if not key:
        raise InvalidInput("KEY_MISSING", "`seed` needs a write key; give --key or set TINYCDP_BOOTSTRAP_WRITE_KEY.")
    until = clock.now() if arguments.until is None else arguments.until
    url = arguments.url or settings.local_url
    sent = send_batches(url, key, generate(until), size=_SEED_BATCH)
    # The profiles exist now, so that each price is counted for the unit that its profile is bucketed by.
    sent += send_batches(url, key, impressions(until), size=_SEED_BATCH, path="/batch")
    print(f"sent {sent} events")
    return 0
