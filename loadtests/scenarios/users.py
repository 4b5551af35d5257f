"""Who sends what, for Locust: each user sends on schedule, whether or not its earlier requests were answered.

Shape   a class for each kind of traffic; __main__ says which make a scenario. KEYS and PROFILES come by the environment
Units   `rate` is requests a second. Times in reports begin when a request is sent, which is when it was due"""

import itertools
import json
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import gevent
from locust import FastHttpUser, task

from loadtests.workload import events

PROFILES = int(os.environ.get("LOAD_PROFILES", "10000"))
_KEYS = json.loads(os.environ.get("LOAD_KEYS", '{"write": "", "read": ""}'))
_RUN = os.environ.get("LOAD_RUN", "0")
_BATCH = 30
_QUESTIONS = [
    {"kind": "trend", "last": "30d", "series": [{"event": "purchase", "measure": "people"}]},
    {"kind": "trend", "last": "30d", "series": [{"event": "purchase"}], "breakdown": {"profile": "plan", "at": "now"}},
    {"kind": "funnel", "last": "30d", "steps": [{"event": "app_open"}, {"event": "purchase"}], "within": "7d"},
    {
        "kind": "retention",
        "last": "30d",
        "start": {"event": "app_open"},
        "returns": {"event": "app_open"},
        "periods": 4,
    },
]


class Paced(FastHttpUser):
    """Sends `one` at a fixed rate; each kind of traffic says what that is."""

    abstract = True
    fixed_count = 1
    concurrency = 256
    rate = 1.0
    one: Callable[[], None]

    @task
    def run_on_schedule(self) -> None:
        """Until the run ends."""
        due = time.monotonic()
        while True:
            due += 1 / self.rate
            if (wait := due - time.monotonic()) > 0:
                gevent.sleep(wait)
            gevent.spawn(self.one)

    def ask(self, method: str, path: str, key: str, name: str, body: Any = None) -> Any:
        """A request, which the report counts under a name."""
        headers = {"Authorization": f"Bearer {_KEYS[key]}"}
        return self.client.request(method, path, name=name, headers=headers, json=body)


class Sender(Paced):
    """3,000 events a second in batches of 30, of random people."""

    rate = 100.0

    def on_start(self) -> None:
        now = int(time.time() * 1000)
        self._events = events(PROFILES, now, seed=1, prefix=f"load-{_RUN}")

    def one(self) -> None:
        batch = list(itertools.islice(self._events, _BATCH))
        self.ask("POST", "/v1/batch", "write", "30 events", {"batch": batch})


class Decider(Paced):
    """1,000 decisions a second about random people."""

    rate = 1_000.0
    about = PROFILES

    def one(self) -> None:
        path = f"/v1/decide?userId=user-{random.randrange(self.about)}&flag=flag_7"
        self.ask("GET", path, "read", "a decision")


class HotDecider(Decider):
    """The same about a hundred people."""

    about = 100


class Merger(Paced):
    """Twenty people a second sign in, whose devices had profiles of their own."""

    rate = 20.0
    number = itertools.count()

    def one(self) -> None:
        n = next(self.number)
        device = f"device-{_RUN}-{n}"
        opened = {"type": "track", "event": "app_open", "anonymousId": device, "messageId": f"{device}-open"}
        self.ask("POST", "/v1/batch", "write", "a new device", {"batch": [opened]})
        identify = {"anonymousId": device, "userId": f"user-{n % PROFILES}", "messageId": f"{device}-in"}
        self.ask("POST", "/v1/identify", "write", "a merge", identify)


class Reconnecting(Paced):
    """Forty streams a second are opened, and left after two seconds."""

    rate = 40.0

    def one(self) -> None:
        context = {"targetingKey": f"user-{random.randrange(PROFILES)}"}
        path = "/ofrep/v1/evaluate/flags"
        answer = self.ask("POST", path, "read", "all flags, with a stream", {"context": context})
        if answer.status_code != 200:
            return
        uri = json.loads(answer.text)["eventStreams"][0]["endpoint"]["requestUri"]
        with self.client.get(uri, name="a stream opens", stream=True, headers={"Accept": "text/event-stream"}):
            gevent.sleep(2)


class Analyst(Paced):
    """Two questions a second."""

    rate = 2.0
    asked = itertools.cycle(_QUESTIONS)

    def one(self) -> None:
        question = next(self.asked)
        self.ask("POST", "/v1/analytics/query", "read", f"a {question['kind']}", question)


class Leaver(Paced):
    """People who enter the segment `just_now`, all of whom leave it in the same minute: 10,000 of them."""

    rate = 20.0
    number = itertools.count()
    leaving_at = float(os.environ.get("LOAD_LEAVING_AT", "0"))

    def one(self) -> None:
        first = next(self.number) * 500
        if first >= PROFILES:
            return
        # The window of two minutes slides over all of them within ten seconds.
        at = datetime.fromtimestamp(self.leaving_at - 120 + random.random() * 10, UTC).isoformat()
        batch = [
            {"type": "track", "event": "look", "userId": f"user-{n}", "messageId": f"look-{_RUN}-{n}", "timestamp": at}
            for n in range(first, min(first + 500, PROFILES))
        ]
        self.ask("POST", "/v1/batch", "write", "500 people enter", {"batch": batch})
