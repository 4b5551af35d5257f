"""Child processes that end with this one, whichever way it ends.

Shape   spawn() starts one; Identity says who it is when this process is root. also_on_stop() hears of this one's end
Laws    on Linux the kernel signals a child the moment the thread that started it dies, so children are started by the
        main thread; elsewhere a child outlives a parent that is killed with SIGKILL
        each child leads its own session: Ctrl-C in a terminal reaches only this process, which then stops them in order
"""

import asyncio
import ctypes
import os
import pwd
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

import msgspec

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000

# Loaded before any fork: a child between fork and exec must not run the dynamic loader.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Identity(msgspec.Struct, frozen=True):
    """Who a child is, where root must not be root.

    mapped  True: a user namespace in which root's id reads as `uid`; files stay root's and need no chown
            False: the child really becomes `uid`
    """

    uid: int
    gid: int
    mapped: bool


def spawn(
    argv: Sequence[str],
    *,
    death_signal: signal.Signals,
    env: Mapping[str, str] | None = None,
    identity: Identity | None = None,
    source: IO[bytes] | int = subprocess.DEVNULL,
    output: IO[bytes] | int | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child that receives `death_signal` when this process dies; `source` is what
    it reads, `output` takes both of its streams.

    Raises OSError or subprocess.SubprocessError where the child cannot take the identity or run the program."""
    real = identity if identity and not identity.mapped else None
    return subprocess.Popen(
        argv,
        env=env,
        stdin=source,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=True,
        pass_fds=pass_fds,
        preexec_fn=_before_exec(death_signal, identity),  # noqa: PLW1509 - the children start before any thread does
        user=real.uid if real else None,
        group=real.gid if real else None,
        extra_groups=[] if real else None,
    )


def die_with_parent(death_signal: signal.Signals, parent: int) -> None:
    """From now on the kernel sends `death_signal` when the process `parent` dies; at once if it already has."""
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def unprivileged_user() -> pwd.struct_passwd:
    """An existing account that is not root, the least surprising first; LookupError where there is none."""
    accounts = {account.pw_name: account for account in pwd.getpwall() if account.pw_uid != 0}
    for name in ("postgres", "nobody", "daemon"):
        if name in accounts:
            return accounts[name]
    if not accounts:
        raise LookupError("this system has no account besides root")
    return min(accounts.values(), key=lambda account: account.pw_uid)


def _before_exec(death_signal: signal.Signals, identity: Identity | None) -> Callable[[], None]:
    parent = os.getpid()

    def prepare() -> None:
        if identity and identity.mapped:
            _enter_user_namespace(identity)
        # After the change of identity, which clears it.
        die_with_parent(death_signal, parent)

    return prepare


def _enter_user_namespace(identity: Identity) -> None:
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if _libc is None or _libc.unshare(_CLONE_NEWUSER) != 0:
        raise PermissionError("user namespaces are not allowed here")
    # The kernel lets an unprivileged writer map only itself, and groups only once setgroups is given up.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{identity.uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{identity.gid} {outer_gid} 1")


def also_on_stop(callback: Callable[[], None]) -> None:
    """From now on the running loop calls this too when the process is told to stop.

    A server that waits for its requests to finish tells nobody that it does, and an event stream never finishes. Where
    no server on this loop listens for the signals, nothing is done."""
    loop = asyncio.get_running_loop()
    servers: dict[int, Any] = {}

    def chain(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)
        servers[number](number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        handler = signal.getsignal(number)
        if getattr(handler, "__self__", None) is loop:
            servers[number] = handler
            signal.signal(number, chain)


def allow_files(n: int) -> None:
    """This process and its children may have so many files open, as far as the system lets them: each connection is
    one, and the usual limit of 1,024 is of another time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        n = min(n, hard)
    if soft != resource.RLIM_INFINITY and soft < n:
        resource.setrlimit(resource.RLIMIT_NOFILE, (n, hard))
