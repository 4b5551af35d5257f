"""The errors of a question to ClickHouse, by what a caller can do about them.

Shape   AnalyticsAway    ClickHouse does not answer (503)
        TimedOut, OutOfMemory  the question is too large (400)
        QuestionFailed   anything else: a mistake of TinyCDP, or of who wrote the SQL (500)
"""

from tinycdp.errors import InvalidInput, TinyCDPError, Unavailable

_TIMED_OUT = frozenset({159, 160})
_OUT_OF_MEMORY = frozenset({241})
_AWAY = frozenset({198, 209, 210, 279, 425})
_NARROW = "Ask about a shorter range, fewer events or fewer groups."


class AnalyticsAway(Unavailable):
    """ClickHouse cannot be reached. Everything else goes on."""

    def __init__(self, reason: str) -> None:
        super().__init__("ANALYTICS_AWAY", f"Analytics does not answer: {reason}", retry_after_seconds=2)


class TimedOut(InvalidInput):
    """ClickHouse gave up a question that took longer than allowed."""

    def __init__(self) -> None:
        super().__init__("TIMED_OUT", f"The question takes too long. {_NARROW}")


class OutOfMemory(InvalidInput):
    """ClickHouse gave up a question that needs more memory than allowed."""

    def __init__(self) -> None:
        super().__init__("OUT_OF_MEMORY", f"The question needs too much memory. {_NARROW}")


class QuestionFailed(TinyCDPError):
    """Any other error of ClickHouse.

    number, text  its code and message"""

    def __init__(self, number: int, text: str) -> None:
        super().__init__("QUESTION_FAILED", f"ClickHouse refused a question of analytics (code {number}); see the log.")
        self.number = number
        self.text = text


def of(number: int, text: str) -> TinyCDPError:
    """The error for ClickHouse's code and message."""
    if number in _TIMED_OUT:
        return TimedOut()
    if number in _OUT_OF_MEMORY:
        return OutOfMemory()
    if number in _AWAY:
        return AnalyticsAway(text.partition("\n")[0])
    return QuestionFailed(number, text)
