"""The queues of the Python client: order, bounds, and who may send from a folder."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tinycdp_client import queues
from tinycdp_client.queues import DiskQueue, MemoryQueue, Queue, QueueWithSpare, open_queue

Maker = Callable[..., Queue]


@pytest.fixture(params=["memory", "disk", "disk with a spare"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Maker]:
    made: list[Queue] = []

    def maker(messages: int | None = None, size: int | None = None) -> Queue:
        if request.param == "memory":
            return MemoryQueue(messages, size)
        disk = DiskQueue(tmp_path / f"queue-{len(made)}", messages, size)
        made.append(QueueWithSpare(disk, pytest.fail) if "spare" in request.param else disk)
        return made[-1]

    yield maker
    for queue in made:
        queue.close()


def _bodies(queue: Queue, count: int = 100, size: int = 1000) -> list[bytes]:
    return [waiting.body for waiting in queue.first(count, size)]


def test_what_is_put_first_leaves_first(make: Maker) -> None:
    queue = make()
    assert queue.oldest() is None and _bodies(queue) == [] and len(queue) == 0
    for body in (b"a", b"b", b"c"):
        assert queue.put(body) == 0
    assert _bodies(queue) == [b"a", b"b", b"c"] and _bodies(queue, count=2) == [b"a", b"b"]
    second = queue.first(2, 1000)[-1].position
    assert queue.newest() > second
    queue.forget(second)
    assert _bodies(queue) == [b"c"] and len(queue) == 1 and queue.oldest() == queue.newest()


def test_a_batch_is_bounded_in_bytes_but_never_empty(make: Maker) -> None:
    queue = make()
    for body in (b"x" * 50, b"y" * 40, b"z"):
        queue.put(body)
    assert _bodies(queue, size=10) == [b"x" * 50]
    assert _bodies(queue, size=92) == [b"x" * 50, b"y" * 40]


def test_a_full_queue_drops_the_oldest_and_says_how_many(make: Maker) -> None:
    queue = make(3)
    assert [queue.put(body) for body in (b"a", b"b", b"c", b"d", b"e")] == [0, 0, 0, 1, 1]
    assert _bodies(queue) == [b"c", b"d", b"e"] and len(queue) == 3
    small = make(None, 10)
    assert [small.put(body) for body in (b"1234", b"5678", b"90", b"1234567")] == [0, 0, 0, 2]
    assert _bodies(small) == [b"90", b"1234567"]


def test_what_is_being_sent_is_not_dropped(make: Maker) -> None:
    """It would be counted as lost, and arrive all the same."""
    queue = make(3)
    for body in (b"a", b"b", b"c"):
        queue.put(body)
    sending = queue.first(2, 1000)
    assert queue.put(b"d") == 1 and _bodies(queue, 2) == [b"a", b"b"]
    queue.forget(sending[-1].position)
    assert [waiting.body for waiting in queue.first(1, 1000)] == [b"d"]
    assert [queue.put(body) for body in (b"e", b"f", b"g", b"h")] == [0, 0, 1, 1]
    assert _bodies(queue) == [b"d", b"g", b"h"]


def test_positions_only_grow(make: Maker) -> None:
    """A flush waits for a position: one that is given again would let it return too early."""
    queue = make()
    seen = []
    for body in (b"a", b"b"):
        queue.put(body)
        seen.append(queue.newest())
        queue.forget(seen[-1])
    assert seen[0] < seen[1] and queue.oldest() is None


def test_a_folder_keeps_what_a_process_left(tmp_path: Path) -> None:
    before = DiskQueue(tmp_path / "queue")
    before.put(b"a")
    before.close()
    after = DiskQueue(tmp_path / "queue")
    assert _bodies(after) == [b"a"]
    after.close()


def test_only_its_owner_reads_a_folder(tmp_path: Path) -> None:
    queue = DiskQueue(tmp_path / "queue")
    queue.put(b"a")
    assert (tmp_path / "queue").stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "queue").iterdir())
    queue.close()


def test_one_at_a_time_sends_from_a_folder(tmp_path: Path) -> None:
    first, second = DiskQueue(tmp_path / "queue"), DiskQueue(tmp_path / "queue")
    with first.turn() as firsts, second.turn() as seconds:
        assert (firsts, seconds) == (True, False)
    with second.turn() as seconds:
        assert seconds
    first.close(), second.close()


def test_a_child_does_not_keep_its_parents_turn(tmp_path: Path) -> None:
    """A lock of a file is shared by a fork: the child has to let go of it, or none could send while it lives."""
    queue, other = DiskQueue(tmp_path / "queue"), DiskQueue(tmp_path / "queue")
    reads, writes = os.pipe()
    with queue.turn() as ours:
        assert ours
        queue.before_fork()
        if (child := os.fork()) == 0:
            queue.forked()
            os.close(writes)
            os.read(reads, 1)  # returns when the parent is done
            os._exit(0)
        queue.after_fork()
    with other.turn() as free:
        os.close(writes)
        os.waitpid(child, 0)
        assert free
    queue.close(), other.close()


def test_memory_takes_what_the_disk_does_not(tmp_path: Path) -> None:
    trouble: list[Exception] = []
    disk = DiskQueue(tmp_path / "queue")
    queue = QueueWithSpare(disk, trouble.append)
    queue.put(b"a")
    disk.close()
    for file in (tmp_path / "queue").iterdir():
        file.unlink()
    (tmp_path / "queue").rmdir()
    assert queue.put(b"b") == 0 and len(queue) == 1
    assert _bodies(queue) == [b"b"] and isinstance(trouble[0], OSError | sqlite3.Error)
    queue.forget(queue.newest())
    assert queue.oldest() is None


def test_a_system_without_locks_has_a_queue_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "fcntl", None)
    trouble: list[Exception] = []
    assert isinstance(open_queue(tmp_path, None, None, trouble.append), MemoryQueue) and len(trouble) == 1


def test_a_folder_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "queue.sqlite3").write_bytes(b"no database" * 1000)
    for where in (tmp_path / "file", tmp_path / "broken"):
        trouble: list[Exception] = []
        queue = open_queue(where, None, None, trouble.append)
        assert isinstance(queue, MemoryQueue) and len(trouble) == 1
