"""Answers over a sample of people, scaled to all of them.

Shape   scaled(answer, millionths) → the answer with `sampled`, and every `Count` multiplied
        about(answer) → what is said beside its numbers
Laws    each count is scaled on its own and rounded half up, so parts may miss their whole by one. Shares, means and
        percentiles stay as they are. A trend scales its own numbers, since they depend on the measure.
        Impact and experiments keep the numbers of the sample: their intervals are of these
"""

from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from tinycdp.dsl.values.numbers import SCALE, number, rounded
from tinycdp.products.analytics.answers.schemas import Answer, Count, ExperimentAnswer, ImpactAnswer, Notice, Sampled

AnswerT = TypeVar("AnswerT", bound=Answer)
MILLION = 1_000_000
#: The numbers of these are not multiplied.
OF_THE_SAMPLE = (ImpactAnswer, ExperimentAnswer)


def scaled(answer: AnswerT, millionths: int) -> AnswerT:
    """The answer over this share of people, as one about all of them."""
    share = Decimal(millionths) / MILLION
    if isinstance(answer, OF_THE_SAMPLE):
        notice = Notice("sample", "People and units are those of the sample, and are not scaled: so are the intervals.")
        sampled = Sampled(share, Decimal(1))
        return msgspec.structs.replace(answer, sampled=sampled, warnings=(*answer.warnings, notice))
    factor = Decimal(number(rounded(SCALE * MILLION, millionths)))
    whole = msgspec.structs.replace(answer, sampled=Sampled(share, factor))
    scaled: AnswerT = _scaled(whole, millionths)
    return scaled


def count_scaled(count: int, millionths: int) -> int:
    """A count of the sample as one of all people."""
    return rounded(count * MILLION, millionths)


def about(answer: Answer) -> str:
    """What a picture or a sheet says of its numbers: as of when, and whether they are estimates."""
    parts = [f"as of {answer.as_of}", answer.zone]
    if isinstance(answer.sampled, Sampled):
        of = f"a sample of {answer.sampled.share} of people"
        is_scaled = answer.sampled.factor != 1
        parts.append(f"≈ {of}, counts × {answer.sampled.factor}" if is_scaled else f"{of}, not scaled")
    return ", ".join(filter(None, parts))


@cache
def counts_of(struct: type[msgspec.Struct]) -> frozenset[str]:
    """The fields of a struct that are counts, or have them."""
    hints = get_type_hints(struct, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _is_count(hint))


def _is_count(hint: Any) -> bool:
    return hint == Count or any(_is_count(one) for one in get_args(hint))


def _scaled(value: Any, millionths: int) -> Any:
    match value:
        case msgspec.Struct():
            counts = counts_of(type(value))
            changed = {
                name: _multiplied(of, millionths) if name in counts else _scaled(of, millionths)
                for name in value.__struct_fields__
                if isinstance(of := getattr(value, name), msgspec.Struct | tuple) or name in counts
            }
            return msgspec.structs.replace(value, **changed)
        case tuple():
            return tuple(_scaled(one, millionths) for one in value)
    return value


def _multiplied(value: Any, millionths: int) -> Any:
    if isinstance(value, tuple):
        return tuple(_multiplied(one, millionths) for one in value)
    return count_scaled(value, millionths) if value is not None else None
