"""Plain random values, in the words of Hypothesis's strategies.

Shape   a Maker is made of others: one_of, lists, record …; draw(maker) → a value, inside a `composite`
Laws    the same Random gives the same values. Hypothesis itself repeats values and prefers the simple ones, so that
        most random people would do nothing: here each choice is even
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Draw = Callable[["Maker[Any]"], Any]


class Maker(Generic[T]):
    """Makes a value from a source of chance."""

    def __init__(self, make: Callable[[Random], T]) -> None:
        self.make = make


def just(value: T) -> Maker[T]:
    return Maker(lambda chance: value)


def sampled_from(values: Sequence[T]) -> Maker[T]:
    return Maker(lambda chance: chance.choice(values))


def integers(least: int, most: int) -> Maker[int]:
    return Maker(lambda chance: chance.randint(least, most))


def booleans() -> Maker[bool]:
    return sampled_from((False, True))


def one_of(*makers: Maker[Any]) -> Maker[Any]:
    return Maker(lambda chance: chance.choice(makers).make(chance))


def tuples(*makers: Maker[Any]) -> Maker[tuple[Any, ...]]:
    return Maker(lambda chance: tuple(maker.make(chance) for maker in makers))


def lists(maker: Maker[T], *, min_size: int = 0, max_size: int) -> Maker[list[T]]:
    return Maker(lambda chance: [maker.make(chance) for _ in range(chance.randint(min_size, max_size))])


def record(always: dict[Any, Maker[Any]], *, optional: dict[str, Maker[Any]] | None = None) -> Maker[dict[Any, Any]]:
    """A dictionary of these keys; each of the optional ones is there two times of three."""

    def make(chance: Random) -> dict[Any, Any]:
        given = {name: maker for name, maker in (optional or {}).items() if chance.random() < 2 / 3}
        return {name: maker.make(chance) for name, maker in {**always, **given}.items()}

    return Maker(make)


def builds(build: Callable[..., T], *makers: Maker[Any], **named: Maker[Any]) -> Maker[T]:
    def make(chance: Random) -> T:
        arguments = [maker.make(chance) for maker in makers]
        return build(*arguments, **{name: maker.make(chance) for name, maker in named.items()})

    return Maker(make)


def composite(make: Callable[[Draw], T]) -> Maker[T]:
    return Maker(lambda chance: make(lambda maker: maker.make(chance)))
