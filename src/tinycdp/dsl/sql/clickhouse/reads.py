"""JSON values that a row holds, in the forms that filters, breakdowns and measures read.

Shape   JsonValue: one value · JsonPath: a path of a JSON column · JsonText: JSON text in a String column
        scalar_order(name), read_scalar(text): scalars of a breakdown in order, and read back
Units   number: Decimal(38, 9) · text: String · bool: Bool · unknown: NULL, also if the value has another type
Laws    a value is read as what it is: the text "1" is no number, and 1 is 1.0
        a JSON column keeps integers of 64 bits and floats, so a number has the digits of the nearest float, or of the
        integer. It keeps no member that is null, no empty object, and an integer beyond 64 bits as text
        statements run with json_type_escape_dots_in_keys=1
Source  dsl/SPEC.md "Values", "Objects and arrays"
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeAlias

from tinycdp.dsl.sql.clickhouse.values import decimal_of_float, decimal_of_text, decimal_of_whole, text_of_float

#: The first character of a tagged text says the type of the value.
TEXT, NUMBER, BOOL, ARRAY, OBJECT = '"', "#", "?", "[", "{"

#: SQL of Nullable(Int64), Nullable(UInt64) and Nullable(Float64), of which at most one is known.
StoredNumber: TypeAlias = tuple[str, str, str]
#: Smaller integers are stored as Int64.
LEAST_UNSIGNED = 2**63


class JsonValue(Protocol):
    """One JSON value of the row. The SQL of each form is short, and may be repeated."""

    def text(self) -> str:
        """Nullable(String): the text, if it is one."""
        ...

    def bool(self) -> str:
        """Nullable(Bool): the truth value, if it is one."""
        ...

    def number(self) -> str:
        """Nullable(Decimal(38, 9)): the number, if it is one."""
        ...

    def stored_number(self) -> StoredNumber | None:
        """The same number as it is stored, for comparisons with a constant; None if it is stored in another way."""
        ...

    def present(self) -> str:
        """Bool: whether there is a value of any type."""
        ...

    def scalar(self) -> str:
        """Nullable(String): a character for the type, and a number, text or bool in one spelling.

        So 1 is 1.0, and `"1"` another: what a breakdown groups by. Arrays and objects are unknown."""
        ...

    def tagged(self) -> str:
        """The same, and arrays and objects as JSON in one spelling."""
        ...

    def array(self) -> str:
        """The same for an array; unknown if it is not one."""
        ...


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path of a column of type JSON. A typed subcolumn is read without the rest of the column.

    column  SQL of the column, such as `e.properties`
    path    names of nested objects; at least one, and none is empty"""

    column: str
    path: tuple[str, ...]

    def text(self) -> str:
        return self._typed("String")

    def bool(self) -> str:
        return self._typed("Bool")

    def number(self) -> str:
        signed, unsigned, floating = self.stored_number()
        return _first_known(
            (signed, decimal_of_whole(signed)),
            (floating, decimal_of_float(floating)),
            (unsigned, decimal_of_whole(unsigned)),
        )

    def stored_number(self) -> StoredNumber:
        return self._typed("Int64"), self._typed("UInt64"), self._typed("Float64")

    def present(self) -> str:
        return f"({self._value()} IS NOT NULL OR notEmpty(JSONAllPaths({self._members()})))"

    def scalar(self) -> str:
        signed, unsigned, floating = self.stored_number()
        return _first_known(
            (self.text(), f"concat('{TEXT}', {self.text()})"),
            (signed, f"concat('{NUMBER}', toString({signed}))"),
            (floating, f"concat('{NUMBER}', {text_of_float(floating)})"),
            (self.bool(), f"concat('{BOOL}', toString({self.bool()}))"),
            (unsigned, f"concat('{NUMBER}', toString({unsigned}))"),
        )

    def tagged(self) -> str:
        return f"coalesce({self.scalar()}, {self.array()}, nullIf(toJSONString({self._members()}), '{{}}'))"

    def array(self) -> str:
        value = self._value()
        return f"if(startsWith(dynamicType({value}), 'Array'), toJSONString({value}), NULL)"

    def _value(self) -> str:
        return ".".join((self.column, *map(_quoted, self.path)))

    def _members(self) -> str:
        first, *rest = map(_quoted, self.path)
        return ".".join((self.column, "^" + first, *rest))

    def _typed(self, type_: str) -> str:
        return f"{self._value()}.:{type_}"


@dataclass(frozen=True, slots=True)
class JsonText:
    """JSON text in a column of type String or Nullable(String); an empty text is unknown. Numbers keep every digit.

    sql   SQL of the text, such as `said.value`
    path  names of nested objects inside it; often none"""

    sql: str
    path: tuple[str, ...] = ()

    def text(self) -> str:
        return f"if({self._begins(TEXT)}, JSONExtractString({self._raw()}), NULL)"

    def bool(self) -> str:
        return f"multiIf({self._raw()} = 'true', true, {self._raw()} = 'false', false, NULL)"

    def number(self) -> str:
        return decimal_of_text(self._digits())

    def stored_number(self) -> None:
        return None

    def present(self) -> str:
        return f"(ifNull({self._raw()}, '') NOT IN ('', 'null'))"

    def scalar(self) -> str:
        return (
            f"coalesce(concat('{TEXT}', {self.text()}), concat('{NUMBER}', toString({self.number()})), "
            f"concat('{BOOL}', toString({self.bool()})))"
        )

    def tagged(self) -> str:
        return f"coalesce({self.scalar()}, {self._nested(ARRAY, OBJECT)})"

    def array(self) -> str:
        return self._nested(ARRAY)

    def _nested(self, *first: str) -> str:
        """The array or object in the spelling of a JSON column: `{"x":…}` without what is around it."""
        column = f"CAST(concat('{{\"x\":', if({self._begins(*first)}, {self._raw()}, 'null'), '}}'), 'JSON')"
        return f"nullIf(substring(toJSONString({column}), 6, -1), '')"

    def _digits(self) -> str:
        return f"if(match({self._raw()}, '^-?[0-9]'), {self._raw()}, NULL)"

    def _begins(self, *first: str) -> str:
        return " OR ".join(f"startsWith({self._raw()}, '{character}')" for character in first)

    def _raw(self) -> str:
        if not self.path:
            return self.sql
        keys = ", ".join("'" + _escaped(name, "'") + "'" for name in self.path)
        return f"JSONExtractRaw(ifNull({self.sql}, ''), {keys})"


def _first_known(*forms: tuple[str, str]) -> str:
    """The second of the first pair whose first is known. `if` computes a branch only for the rows that take it."""
    *others, (_, last) = forms
    for read, sql in reversed(others):
        last = f"if({read} IS NOT NULL, {sql}, {last})"
    return last


def scalar_order(scalar: str) -> str:
    """What to order scalars by: numbers by value, false, true, text by code points. `scalar` is a name."""
    number = f"toDecimal128OrNull(if(startsWith({scalar}, '{NUMBER}'), substring({scalar}, 2), ''), 9)"
    return f"{number} IS NULL, {number}, startsWith({scalar}, '{TEXT}'), {scalar}"


def read_scalar(scalar: str) -> int | Decimal | bool | str:
    """The value of a scalar."""
    kind, rest = scalar[0], scalar[1:]
    if kind == NUMBER:
        value = Decimal(rest)
        return int(value) if value == int(value) else value
    return rest == "true" if kind == BOOL else rest


def _quoted(name: str) -> str:
    """One name of a path. Dots in it are escaped, as json_type_escape_dots_in_keys does."""
    return "`" + _escaped(name.replace(".", "%2E"), "`") + "`"


def _escaped(name: str, quote: str) -> str:
    return name.replace("\\", "\\\\").replace(quote, "\\" + quote)
