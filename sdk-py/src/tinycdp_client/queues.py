"""Where messages wait: in memory, or in a folder that survives the process.

Shape   put(body) → how many were dropped for it · first(count, size) → the oldest messages · forget(position)
        newest(), oldest() → positions · turn() → whether the caller may send now
        open_queue(where, …) → a queue in memory, or in a folder with memory behind it
Laws    a queue is bounded in messages and bytes; if it is full the oldest go that are not being sent, and put says how
        many
        of all processes on one folder one sends at a time, so that none sends what another is sending
        what put returned for is on disk: it survives kill -9 of the process, though not always a power cut
        after a fork the child's queue in memory is empty, because its parent sends what was there
"""

import contextlib
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

try:
    import fcntl
except ImportError:  # Windows: there the queue is in memory
    fcntl = None  # type: ignore[assignment]

_MB = 1024 * 1024
#: No position on disk gets here.
_SPARE_FROM = 2**62
T = TypeVar("T")


class Waiting(NamedTuple):
    """A message and its position in the queue."""

    position: int
    body: bytes


class Queue(Protocol):
    """What the sender needs of a queue. Positions grow; those before `oldest` have left."""

    #: Whether other processes may put messages into it.
    shared: bool

    def put(self, body: bytes) -> int: ...
    def first(self, count: int, size: int) -> list[Waiting]: ...
    def forget(self, position: int) -> None: ...
    def newest(self) -> int: ...
    def oldest(self) -> int | None: ...
    def turn(self) -> contextlib.AbstractContextManager[bool]: ...
    def before_fork(self) -> None: ...
    def after_fork(self) -> None: ...
    def forked(self) -> None: ...
    def close(self) -> None: ...
    def in_memory(self) -> int: ...
    def __len__(self) -> int: ...


class MemoryQueue:
    """Messages in memory: at most 10,000 and 32 MB unless other bounds are given."""

    shared = False

    def __init__(self, messages: int | None = None, size: int | None = None, first: int = 1) -> None:
        self._most, self._most_size = messages or 10_000, size or 32 * _MB
        self._lock = threading.Lock()
        self._waiting: deque[Waiting] = deque()
        self._size, self._last = 0, first - 1
        self._in_flight = 0  # of the oldest, those that were given out last

    def put(self, body: bytes) -> int:
        dropped = 0
        with self._lock:
            self._last += 1
            self._waiting.append(Waiting(self._last, body))
            self._size += len(body)
            while len(self._waiting) > self._in_flight + 1 and (
                len(self._waiting) > self._most or self._size > self._most_size
            ):
                self._size -= len(self._waiting[self._in_flight].body)
                del self._waiting[self._in_flight]
                dropped += 1
            return dropped

    def first(self, count: int, size: int) -> list[Waiting]:
        with self._lock:
            found = _fitting(self._waiting, count, size)
            self._in_flight = len(found)
            return found

    def forget(self, position: int) -> None:
        with self._lock:
            self._in_flight = 0
            while self._waiting and self._waiting[0].position <= position:
                self._size -= len(self._waiting.popleft().body)

    def newest(self) -> int:
        return self._last

    def oldest(self) -> int | None:
        with self._lock:
            return self._waiting[0].position if self._waiting else None

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        yield True

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self) -> None:
        self._lock.release()

    def forked(self) -> None:
        self._lock = threading.Lock()
        self._waiting.clear()
        self._size = self._in_flight = 0

    def close(self) -> None:
        """Nothing is open."""

    def __len__(self) -> int:
        return len(self._waiting)

    def in_memory(self) -> int:
        return len(self._waiting)


_TABLES = """
CREATE TABLE IF NOT EXISTS messages (position INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS totals (messages INTEGER NOT NULL, size INTEGER NOT NULL);
INSERT INTO totals SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON messages BEGIN
    UPDATE totals SET messages = messages + 1, size = size + length(new.body);
END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON messages BEGIN
    UPDATE totals SET messages = messages - 1, size = size - length(old.body);
END;
"""


class DiskQueue:
    """Messages in a folder: at most 100,000 and 256 MB unless other bounds are given.

    Shape   queue.sqlite3 has the messages; `sender.lock` is held by the process that is sending
    Errors  sqlite3.Error and OSError if the folder cannot be used; the caller falls back to memory"""

    shared = True

    def __init__(self, folder: Path, messages: int | None = None, size: int | None = None) -> None:
        if fcntl is None:
            raise OSError("this system has no locks of files that processes could share")
        self._most, self._most_size = messages or 100_000, size or 256 * _MB
        self._folder = folder
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._turn: int | None = None
        self._in_flight = 0  # the position up to which messages were given out last
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # messages are about people
        with self._open():
            pass

    def put(self, body: bytes) -> int:
        with self._open() as database:
            database.execute("INSERT INTO messages (body) VALUES (?)", (body,))
            dropped = 0
            while self._is_over(database):
                gone = database.execute(
                    "DELETE FROM messages WHERE position = (SELECT min(position) FROM messages WHERE position > ?"
                    " AND position < (SELECT max(position) FROM messages))",
                    (self._in_flight,),
                ).rowcount
                if not gone:
                    break
                dropped += gone
            return dropped

    def _is_over(self, database: sqlite3.Connection) -> bool:
        messages, size = database.execute("SELECT messages, size FROM totals").fetchone()
        return bool(messages > 1 and (messages > self._most or size > self._most_size))

    def first(self, count: int, size: int) -> list[Waiting]:
        with self._open() as database:
            rows = database.execute("SELECT position, body FROM messages ORDER BY position LIMIT ?", (count,))
            found = _fitting(map(Waiting._make, rows), count, size)
            self._in_flight = found[-1].position if found else 0
            return found

    def forget(self, position: int) -> None:
        with self._open() as database:
            database.execute("DELETE FROM messages WHERE position <= ?", (position,))
            self._in_flight = 0

    def newest(self) -> int:
        with self._open() as database:
            found: int = database.execute("SELECT coalesce(max(position), 0) FROM messages").fetchone()[0]
            return found

    def oldest(self) -> int | None:
        with self._open() as database:
            found: int | None = database.execute("SELECT min(position) FROM messages").fetchone()[0]
            return found

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        with self._lock:  # a fork has to know of the open file: the child closes its copy
            turn = self._turn = os.open(self._folder / "sender.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield _locked(turn)
        finally:
            with self._lock:
                self._turn = None
                fcntl.flock(turn, fcntl.LOCK_UN)  # a child that was just made may have a copy of the open file
                os.close(turn)

    def before_fork(self) -> None:
        # SQLite must not be carried through a fork: the child would drop locks that its parent relies on.
        self._lock.acquire()
        self._close()

    def after_fork(self) -> None:
        self._lock.release()

    def forked(self) -> None:
        self._lock = threading.Lock()
        self._in_flight = 0
        if self._turn is not None:
            os.close(self._turn)  # the parent is sending: the lock is its own
            self._turn = None

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The database in a transaction, by one thread at a time."""
        with self._lock:
            if self._database is None:
                self._database = self._connect()
            database = self._database
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        file = self._folder / "queue.sqlite3"
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        except BaseException:
            database.close()
            raise
        return database

    def __len__(self) -> int:
        with self._open() as database:
            found: int = database.execute("SELECT messages FROM totals").fetchone()[0]
            return found


class QueueWithSpare:
    """A queue on disk, and memory for what it cannot take: a full disk, a folder that went away.

    Laws    putting never raises; on_trouble hears of what the disk refuses
            what is on disk goes first"""

    shared = True

    def __init__(self, disk: DiskQueue, on_trouble: Callable[[Exception], None]) -> None:
        self._disk, self._on_trouble = disk, on_trouble
        self._spare = MemoryQueue(first=_SPARE_FROM)

    def put(self, body: bytes) -> int:
        return self._try(lambda: self._disk.put(body), lambda: self._spare.put(body))

    def first(self, count: int, size: int) -> list[Waiting]:
        return self._try(lambda: self._disk.first(count, size), list) or self._spare.first(count, size)

    def forget(self, position: int) -> None:
        """Raises if the disk cannot forget: what it keeps would be sent again and again."""
        (self._spare if position >= _SPARE_FROM else self._disk).forget(position)

    def newest(self) -> int:
        return self._spare.newest() if len(self._spare) else self._try(self._disk.newest, int)

    def oldest(self) -> int | None:
        on_disk = self._try(self._disk.oldest, lambda: None)
        return on_disk if on_disk is not None else self._spare.oldest()

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        with contextlib.ExitStack() as stack:
            ours = self._try(lambda: stack.enter_context(self._disk.turn()), lambda: True)
            yield ours

    def before_fork(self) -> None:
        self._disk.before_fork()
        self._spare.before_fork()

    def after_fork(self) -> None:
        self._spare.after_fork()
        self._disk.after_fork()

    def forked(self) -> None:
        self._disk.forked()
        self._spare.forked()

    def close(self) -> None:
        self._disk.close()

    def __len__(self) -> int:
        return self._try(lambda: len(self._disk), int) + len(self._spare)

    def in_memory(self) -> int:
        return len(self._spare)

    def _try(self, on_disk: Callable[[], T], instead: Callable[[], T]) -> T:
        try:
            return on_disk()
        except (OSError, sqlite3.Error) as error:
            self._on_trouble(error)
            return instead()


def open_queue(
    where: str | os.PathLike[str], messages: int | None, size: int | None, on_trouble: Callable[[Exception], None]
) -> Queue:
    """The queue at this place, `memory` or a folder. A folder that cannot be used is reported, and memory is used."""
    if where == "memory":
        return MemoryQueue(messages, size)
    try:
        return QueueWithSpare(DiskQueue(Path(where), messages, size), on_trouble)
    except (OSError, sqlite3.Error) as error:
        on_trouble(error)
        return MemoryQueue(messages, size)


def _locked(file: int) -> bool:
    """Takes the lock of an open file, if no other process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fitting(waiting: Iterable[Waiting], count: int, size: int) -> list[Waiting]:
    """The first messages, as many as fit; at least one, if there is any."""
    found: list[Waiting] = []
    for message in waiting:
        size -= len(message.body) + 1
        if len(found) == count or (size < 0 and found):
            break
        found.append(message)
    return found
