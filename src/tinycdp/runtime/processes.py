"""Child processes that end with this one, however it ends.

Shape   spawn() starts a child; Identity is its account when this process is root.
        fork_cleanly() and stop_on_signals() keep a forked server process from missing a request to stop;
        also_on_stop() adds a callback to it
        report_to_parent() gives the reason of an end to the process that started this one
Laws    on Linux the kernel signals a child when the thread that started it dies, so only the main thread starts
        children; elsewhere a child outlives a parent that is killed with SIGKILL.
        Each child leads its own session: Ctrl-C in a terminal reaches only this process, which stops them in order
"""

import asyncio
import contextlib
import ctypes
import os
import pwd
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_STOPS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
#: The environment variable with the descriptor for report_to_parent(). Not a setting.
REASON_DESCRIPTOR = "_TINYCDP_REASON_DESCRIPTOR"

# Loaded before any fork: a child between fork and exec must not run the dynamic loader.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Identity(msgspec.Struct, frozen=True):
    """The account of a child that must not run as root.

    mapped  True: a user namespace maps root's id to `uid`; files stay root's and need no chown
            False: the child runs as `uid`
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
    """Start a child that receives `death_signal` when this process dies.

    source  its standard input
    output  its standard output and error

    Raises OSError or subprocess.SubprocessError if the child cannot take the identity or run the program."""
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
    """Let the kernel send this process `death_signal` when `parent` dies.

    If it has died already, this process is killed now."""
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def unprivileged_user() -> pwd.struct_passwd:
    """An account other than root, preferably `postgres`.

    Raises LookupError if there is no other."""
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
        # Last, because a change of identity clears the death signal.
        die_with_parent(death_signal, parent)

    return prepare


def _enter_user_namespace(identity: Identity) -> None:
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if _libc is None or _libc.unshare(_CLONE_NEWUSER) != 0:
        raise PermissionError("user namespaces are not allowed here")
    # The kernel lets an unprivileged process map only itself, and groups only after it denies setgroups.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{identity.uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{identity.gid} {outer_gid} 1")


def fork_cleanly() -> None:
    """From now on, let a forked process begin with the default handlers of signals.

    Inherited handlers belong to the parent: a SIGTERM to a child would only set a flag in the child's copy of it, and
    be lost. Stop signals are blocked around the fork, so that none arrives before the handlers are the child's own."""
    os.register_at_fork(before=_hold_stops, after_in_parent=_heed_stops, after_in_child=_forget_handlers)


def _forget_handlers() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP):  # of a terminal, to the whole group: the parent answers with SIGTERM
        signal.signal(number, signal.SIG_IGN)
    _heed_stops()


def _hold_stops() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)


def _heed_stops() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


_on_stop: list[Callable[[], object]] = []


@contextlib.contextmanager
def also_on_stop(callback: Callable[[], object]) -> Iterator[None]:
    """Call this if meanwhile this server process is requested to stop, before its requests in flight have ended.

    A server waits for its requests to finish and has no hook for it, and an event stream never finishes by itself."""
    _on_stop.append(callback)
    try:
        yield
    finally:
        _on_stop.remove(callback)


def stop_on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """On the first SIGTERM or SIGINT, call every also_on_stop() and then `stop`, in the loop, once.

    The handlers are Python's. uvloop's own lose a signal that arrives while the loop does not run, and a server runs it
    several times."""
    heard = False

    def in_loop() -> None:
        nonlocal heard
        if not heard:
            heard = True
            for callback in _on_stop:
                callback()
            stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: loop.call_soon_threadsafe(in_loop) and None)


def report_to_parent(reason: str) -> None:
    """Give the reason why this process will end to the process that started it, if that asked for it."""
    descriptor = os.environ.get(REASON_DESCRIPTOR, "")
    if descriptor.isdigit():
        with contextlib.suppress(OSError):  # full, or the parent is gone
            os.write(int(descriptor), reason.encode()[-2_000:] + b"\n")


def allow_files(n: int) -> None:
    """Raise the limit of open files to n, or as near to it as the system allows.

    It applies to this process and its children. Each connection is an open file, and the usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        n = min(n, hard)
    if soft != resource.RLIM_INFINITY and soft < n:
        resource.setrlimit(resource.RLIMIT_NOFILE, (n, hard))
