"""Formulas over the letters of a trend's series, such as "A / B * 100".

Shape   Formula(text, letters, path).value({"A": nanos or None, …}) → nanos or None
Laws    computed exactly, then rounded to nine digits, half away from zero. An unknown part makes the whole unknown, as
        does a division by zero
Errors  InvalidInput INVALID_QUESTION
"""

import operator
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from functools import lru_cache

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from tinycdp.dsl.values.numbers import SCALE, bounded, rounded
from tinycdp.products.analytics.compile.calendar import invalid

_GRAMMAR = r"""
?sum: product | sum "+" product -> add | sum "-" product -> subtract
?product: signed | product "*" signed -> multiply | product "/" signed -> divide
?signed: atom | "-" signed -> negate
?atom: NUMBER -> number | LETTER -> letter | "(" sum ")"
NUMBER: /[0-9]+(\.[0-9]+)?/
LETTER: /[A-Z]/
%ignore /[ \t\n]+/
"""
_LONGEST = 500

Known = Mapping[str, int | None]


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", start="sum")


class Formula:
    """A checked formula."""

    def __init__(self, text: str, letters: Collection[str], path: str = "formula") -> None:
        if len(text) > _LONGEST:
            raise invalid(path, f"The formula is longer than {_LONGEST} characters.")
        try:
            self._tree = _parser().parse(text)
        except UnexpectedInput as error:
            at = max(error.pos_in_stream or 0, 0) + 1
            raise invalid(path, f"{text!r} is not a formula such as 'A / B * 100': see character {at}.") from None
        used = {str(tree.children[0]) for tree in self._tree.find_data("letter")}
        if missing := sorted(used - set(letters)):
            raise invalid(path, f"There is no series {missing[0]}; the series are {', '.join(sorted(letters))}.")

    def value(self, known: Known) -> int | None:
        """The formula's value, as nanos."""
        found = _value(self._tree, known)
        return bounded(rounded(found.numerator * SCALE, found.denominator)) if found is not None else None


def _value(node: Tree[Token] | Token, known: Known) -> Fraction | None:
    assert isinstance(node, Tree)
    match node.data:
        case "number":
            return Fraction(str(node.children[0]))
        case "letter":
            scaled = known[str(node.children[0])]
            return Fraction(scaled, SCALE) if scaled is not None else None
        case "negate":
            inner = _value(node.children[0], known)
            return -inner if inner is not None else None
    left, right = (_value(child, known) for child in node.children)
    if left is None or right is None or (node.data == "divide" and not right):
        return None
    return _OPERATIONS[node.data](left, right)


_OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
}
