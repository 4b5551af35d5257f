"""One thread that empties the queue: batches, retries, what becomes of each message.

Shape   Sender.put(body) · flush(seconds) → whether everything put before has left · stop(seconds) the same, at last
Laws    a message leaves the queue when the server has answered 200, or has answered that it will never take it
        network errors, 408, 429, 5xx and answers that are not TinyCDP's are tried again: after 1 s, doubling to 5 min,
        each with jitter, and never before Retry-After
        413 halves a batch, down to one message; another 4xx drops it
        put neither waits for the network nor raises
Source  docs/how-to/python.md "What happens to an event"
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import clock
from .messages import to_json
from .problems import Problem, Reporter, log
from .queues import Queue, Waiting
from .transport import Answer, Transport, Unreachable
from .version import VERSION

#: A batch is at most this long; the server takes 10,000 messages and 4 MB.
_MOST, _MOST_SIZE = 500, 1024 * 1024
_REQUEST_SECONDS = 20.0
#: How soon to look again whether another process on the same folder is done.
_TURN_SECONDS = 0.05
_LIBRARY = {"library": {"name": "tinycdp-client", "version": VERSION}}

#: The counts of an answer that are of messages with which nothing is left to do.
_SETTLED = ("accepted", "duplicates", "sampled", "deadLettered", "exposures")

#: What to do with the messages and the answer to them, once the server has taken them.
OnSent = Callable[[Sequence[Waiting], Mapping[str, Any]], None]


def pause(failures: int, first: float, longest: float, chance: float) -> float:
    """The seconds to wait after so many failures in a row: half of it is certain, the rest is up to chance (0 to 1)."""
    return float(min(longest, first * 2.0 ** min(failures - 1, 60)) * (0.5 + chance / 2))


class Sender:
    """The queue's end. Its thread starts with the first message, in each process anew."""

    def __init__(
        self,
        transport: Transport,
        key: str,
        queue: Queue,
        reporter: Reporter,
        on_sent: OnSent,
        *,
        flush_at: int,
        flush_interval: float,
        first_retry: float,
        longest_retry: float,
    ) -> None:
        self._transport, self._key, self._queue = transport, key, queue
        self._reporter, self._on_sent = reporter, on_sent
        self._flush_at, self._flush_interval = max(1, flush_at), flush_interval
        self._first_retry, self._longest_retry = first_retry, longest_retry
        self._begin()
        if len(queue):  # an earlier process left them
            with self._changed:
                self._start()

    def _begin(self) -> None:
        """The state of a process that has sent nothing yet."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._due: float | None = None  # when to send what waits, if nothing happens before
        self._asked = False  # by a flush
        self._stopped = False
        self._left = 0  # in the queue when the client was shut down
        self._not_before = 0.0
        self._failures = 0
        self._outage: set[str] = set()
        self._put = 0
        self._most = _MOST
        self.sent = 0
        self.duplicates = 0

    # Called by the application

    def put(self, body: bytes) -> None:
        """Takes a message. It is sent with others, when there are enough of them or when it is time."""
        if self._stopped:
            self._report("CLIENT_STOPPED", "The client was shut down before this call.", lost=1)
            return
        if dropped := self._queue.put(body):
            self._report(
                "QUEUE_FULL", "More messages wait than the queue holds: the oldest were dropped.", lost=dropped
            )
        with self._changed:
            self._put += 1
            if self._put >= self._flush_at:
                self._due = 0.0
                self._changed.notify_all()
            elif self._due is None:
                self._due = clock.monotonic() + self._flush_interval
                self._changed.notify_all()
            self._start()

    def flush(self, seconds: float) -> bool:
        """Sends what waits. Returns whether all of it left before the time was over."""
        deadline, last = clock.monotonic() + seconds, self._queue.newest()
        while True:
            with self._changed:
                if self._has_left(last):
                    return True
                self._asked = True
                self._changed.notify_all()
                if (left := deadline - clock.monotonic()) <= 0 or (self._not_before > deadline):
                    return False
                if alive := self._start():
                    self._changed.wait(min(left, _TURN_SECONDS) if self._queue.shared else left)
            if not alive:  # the interpreter ends and starts no thread: this one sends
                self._round()
                if self._failures:
                    return False

    def stop(self, seconds: float) -> bool:
        """The last flush, which tries once even during a pause. Returns whether everything has left.

        A batch that is on its way, of other processes' messages too, is waited for as long as there is time: else they
        would be sent again."""
        deadline = clock.monotonic() + seconds
        with self._changed:
            if self._stopped:
                return not self._left
            self._not_before = 0.0
        self.flush(seconds)
        self._left = len(self._queue)
        if lost := self._queue.in_memory():
            self._report("NOT_SENT", "The client was shut down before the server took these messages.", lost=lost)
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            self._queue.close()
        elif thread is not threading.current_thread():
            thread.join(max(0.0, deadline - clock.monotonic()))
        return not self._left

    def __len__(self) -> int:
        return self._left if self._stopped else len(self._queue)

    def before_fork(self) -> None:
        self._changed.acquire()

    def after_fork(self) -> None:
        self._changed.release()

    def forked(self) -> None:
        stopped = self._stopped
        self._begin()
        self._stopped = stopped

    def _has_left(self, position: int) -> bool:
        oldest = self._queue.oldest()
        return oldest is None or oldest > position

    # The thread

    def _start(self) -> bool:
        """Whether a thread is there to send; the caller holds the lock."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="tinycdp-sender", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                self._thread = None
        return self._thread is not None

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and (seconds := self._seconds_to_wait()) != 0:
                    self._changed.wait(seconds)
                if self._stopped:
                    break
            self._round()
        self._queue.close()

    def _seconds_to_wait(self) -> float | None:
        now = clock.monotonic()
        if now < self._not_before:
            return self._not_before - now
        if self._asked:
            return 0
        return None if self._due is None else max(0.0, self._due - now)

    def _round(self) -> None:
        try:
            self._send_what_waits()
        except Exception as error:  # a disk that does not delete; whatever it is, the thread lives on
            log.debug("a round of sending failed", exc_info=True)
            self._fail("QUEUE_UNUSABLE", f"Messages cannot be taken from the queue: {error}.")

    def _send_what_waits(self) -> None:
        """One round: everything that waits now, unless the server, or another process, says to wait."""
        with self._changed:
            self._put = 0
        with self._queue.turn() as ours:
            last = self._queue.newest() if ours else 0
            while ours and (batch := self._queue.first(self._most, _MOST_SIZE)) and batch[0].position <= last:
                if not self._send(batch) or self._stopped:
                    break
                with self._changed:
                    self._changed.notify_all()
        with self._changed:
            now, waiting = clock.monotonic(), len(self._queue)
            self._asked = self._asked and waiting > 0
            if not ours:
                self._not_before = now + _TURN_SECONDS
            self._due = 0.0 if waiting >= self._flush_at else now + self._flush_interval
            if not waiting and not self._queue.shared:
                self._due = None
            self._changed.notify_all()

    def _send(self, batch: list[Waiting]) -> bool:
        """Sends one batch, and returns whether to go on with the next."""
        envelope = to_json({"sentAt": clock.now(), "context": _LIBRARY})
        body = b'{"batch":[%b],%b' % (b",".join(message.body for message in batch), envelope[1:])
        try:
            answer = self._transport.request("/v1/batch", key=self._key, body=body, seconds=_REQUEST_SECONDS)
        except Unreachable as error:
            return self._fail("UNREACHABLE", f"{error}. Messages are kept, and sent when it answers.")
        return self._settle(batch, answer)

    def _settle(self, batch: list[Waiting], answer: Answer) -> bool:
        """What becomes of a batch by the answer to it."""
        status, fields = answer.status, answer.fields
        code = str(fields.get("code") or "")
        if status == 200 and fields.get("success") is True:
            self._taken(batch, fields)
            return True
        if status in (408, 429) or status >= 500:
            message = f"The server answered {status}. Messages are kept, and sent later."
            return self._fail(code or "SERVER_BUSY", message, status, answer.retry_after)
        if status == 413:
            if len(batch) > 1:
                self._most = (len(batch) + 1) // 2
                return True
            code = code or "BODY_TOO_LARGE"
        elif not code:
            message = f"What answers there ({status}) is not TinyCDP. Check the endpoint; messages are kept."
            return self._fail("WRONG_ENDPOINT", message, status)
        self._report(code, str(fields.get("message") or "The message is too large."), status, lost=len(batch))
        self._queue.forget(batch[-1].position)
        return True

    def _taken(self, batch: list[Waiting], fields: Mapping[str, Any]) -> None:
        """The messages leave the queue at the end: a flush that returns then finds everything counted."""
        self._failures, self._most = 0, min(_MOST, self._most + max(1, self._most // 10))
        self._reporter.over(*self._outage)
        self._outage.clear()
        settled = sum(int(fields.get(name) or 0) for name in _SETTLED)
        self.sent += settled
        self.duplicates += int(fields.get("duplicates") or 0)
        rejected = [one for one in fields.get("rejected") or () if isinstance(one, dict)]
        unlisted = len(batch) - settled - len(rejected)  # the answer lists the first 20
        for code, lost in Counter(str(one.get("code")) for one in rejected).items():
            first = next(one for one in rejected if str(one.get("code")) == code)
            self._report(code, str(first.get("message")), 200, lost=lost + max(0, unlisted))
            unlisted = 0
        self._on_sent(batch, fields)
        self._queue.forget(batch[-1].position)

    def _fail(self, code: str, message: str, status: int | None = None, retry_after: float | None = None) -> bool:
        """The same will be sent again, later."""
        self._failures += 1
        wait = pause(self._failures, self._first_retry, self._longest_retry, random.random())
        with self._changed:
            self._not_before = clock.monotonic() + max(wait, retry_after or 0.0)
            self._changed.notify_all()
        self._outage.add(code)
        self._report(code, message, status)
        return False

    def _report(self, code: str, message: str, status: int | None = None, lost: int = 0) -> None:
        self._reporter.report(Problem(code, message, status, lost))
