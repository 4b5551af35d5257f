"""Impact: what people do before and after the first use of a feature, against others.

Shape   compile_impact(question, world) → Compiled[ImpactAnswer]; by_side is its table of people
Laws    users: people whose first use ever is in the range; day 0 is that instant. Others: people with any event around
        day 0, which is the first instant of the local day of the first use of all, and no use before the range ends.
        before is [day 0 − within, day 0), after is [day 0, day 0 + within). Users whose time after is not over are left
        out. difference = (after − before of users) − (after − before of others): an association, not a cause.
        The interval resamples people: each counts 0, 1, 2 … times by a hash of its id, so it is the same every time
Source  docs/reference/analytics-meanings.md "Impact"; the Poisson bootstrap of Chamandy et al. (2012)
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate
from math import exp, factorial
from typing import Any

from tinycdp.dsl.values.numbers import SCALE, divide, nanos, number
from tinycdp.model import NEVER, Instant
from tinycdp.products.analytics.answers.schemas import ImpactAnswer, ImpactSide, Number
from tinycdp.products.analytics.compile.calendar import BEGINNING, TimeRange, duration_of, invalid, span_of
from tinycdp.products.analytics.compile.scan import EVERY, Scan
from tinycdp.products.analytics.compile.sql import Parameters, Statement, indented
from tinycdp.products.analytics.compile.world import Compiled, Rows, World
from tinycdp.products.analytics.questions.schemas import ImpactQuestion

SAMPLES = 400
LONGEST_DAYS = 180
_USERS, _OTHERS = 1, 0
#: Which people each number counts, as conditions on a row of by_side.
NUMBERS = {
    "users": f"side = {_USERS} AND NOT open",
    "others": f"side = {_OTHERS} AND NOT open",
    "unfinished": f"side = {_USERS} AND open",
}
#: Of a hash of 16 bits: up to which value a person counts 0, 1, 2 … times (Poisson with mean 1).
_STEPS = [round(65_536 * p) for p in accumulate(exp(-1) / factorial(n) for n in range(7))]


def by_side(question: ImpactQuestion, world: World) -> tuple[str, Scan]:
    """A table of people: side, before, after, and open: whether the time after is not over."""
    if (question.measure == "sum") != bool(question.property):
        raise invalid("property", "The measure sum needs a property, and count has none.")
    within = duration_of(question.within, "within", most_days=LONGEST_DAYS)
    span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
    parameters = Parameters()
    # The first use ever may be long before the range.
    scan = Scan.of(question, world, TimeRange(BEGINNING, span.until + within), parameters)
    uses = scan.match(question.feature.event, question.feature.where, "feature")
    outcome = scan.match(question.outcome.event, question.outcome.where, "outcome")
    scan.match(EVERY, "", "")
    value = "toDecimal256(1, 9)"
    if question.property:
        value = f"toDecimal256(ifNull({scan.number(question.property, 'property')}, 0), 9)"
    since, until, window = (parameters.whole(instant) for instant in (span.since, span.until, within))
    done = (
        f"SELECT person, minIf(at, {uses}) AS first, countIf({uses} AND at < {until}) > 0 AS ever_used,\n"
        f"  groupArrayIf((at, {value}), {outcome} AND at >= {since} - {window}) AS outcomes,\n"
        f"  groupArrayIf(at, at >= {since} - {window}) AS active\n"
        f"FROM {scan.source()}\nGROUP BY person"
    )
    first_of_all = f"SELECT minIf(first, ever_used AND first >= {since} AND first < {until}) FROM done"
    days = parameters.text(world.zone)
    zero = f"toUnixTimestamp64Milli(toDateTime64(toStartOfDay(fromUnixTimestamp64Milli(({first_of_all}), {days})), 3))"
    zero_decimal = "toDecimal256(0, 9)"

    def total(sooner: str, later: str) -> str:
        return f"arraySum(arrayMap(o -> if(o.1 >= {sooner} AND o.1 < {later}, o.2, {zero_decimal}), outcomes))"

    sides = (
        f"SELECT person, if(ever_used, {_USERS}, {_OTHERS}) AS side, if(ever_used, first, day_zero) AS zero,\n"
        f"  {total(f'zero - {window}', 'zero')} AS before,\n"
        f"  {total('zero', f'zero + {window}')} AS after,\n"
        f"  zero + {window} > {parameters.whole(world.as_of)} AS open\n"
        f"FROM done CROSS JOIN (SELECT {zero} AS day_zero) AS z\n"
        f"WHERE (ever_used AND first >= {since} AND first < {until}) OR (NOT ever_used AND "
        f"arrayExists(at -> at >= day_zero - {window} AND at < day_zero + {window}, active))"
    )
    return f"WITH done AS (\n  {indented(done)}\n)\n{sides}", scan


def compile_impact(question: ImpactQuestion, world: World) -> Compiled[ImpactAnswer]:
    """The outcome of users and others, before and after."""
    table, scan = by_side(question, world)
    times = " + ".join(f"(h >= {step})" for step in _STEPS)
    weights = (
        f"arrayMap(h -> toFloat64({times}), arrayMap(n -> bitAnd(cityHash64(person, n), 65535), range({SAMPLES})))"
    )
    sql = (
        "SELECT side, open, count(), sum(before), sum(after),\n"
        "  sumForEach(weights) AS counts,\n"
        "  sumForEach(arrayMap(w -> w * toFloat64(after - before), weights)) AS changes, min(zero)\n"
        f"FROM (SELECT *, if(open, [], {weights}) AS weights FROM (\n  {indented(table)}\n))\nGROUP BY side, open"
    )

    def read(rows: Rows) -> ImpactAnswer:
        found = {(int(row[0]), bool(row[1])): row[2:] for row in rows[0]}
        users, others = found.get((_USERS, False)), found.get((_OTHERS, False))
        unfinished = found.get((_USERS, True))
        difference = None
        if users and others:
            changes = [_mean(Decimal(side[2]) - Decimal(side[1]), side[0]) for side in (users, others)]
            if changes[0] is not None and changes[1] is not None:
                difference = changes[0] - changes[1]
        return ImpactAnswer(
            users=_side(users),
            others=_side(others),
            unfinished=int(unfinished[0]) if unfinished else 0,
            difference=_number(difference),
            interval=_interval(users, others) if users and others else (None, None),
            warnings=scan.notices,
        )

    within = duration_of(question.within, "within", most_days=LONGEST_DAYS)

    def holds_until(rows: Rows) -> Instant:
        """When the time after of the next person is over."""
        return min((int(row[-1]) + within for row in rows[0] if row[1]), default=NEVER)

    return Compiled((Statement(sql, scan.parameters.values),), read, scan.reads(), holds_until)


def _mean(total: Decimal, people: int) -> int | None:
    scaled = nanos(total)
    return divide(scaled, int(people) * SCALE) if scaled is not None and people else None


def _side(cells: Sequence[Any] | None) -> ImpactSide:
    if cells is None:
        return ImpactSide(0, None, None)
    people, before, after = cells[:3]
    return ImpactSide(int(people), _number(_mean(Decimal(before), people)), _number(_mean(Decimal(after), people)))


def _interval(users: Sequence[Any], others: Sequence[Any]) -> tuple[Number, Number]:
    """The differences between which 95 % of the samples lie; a sample without people of a side is no sample."""
    samples = sorted(
        float(u_change) / float(u_people) - float(o_change) / float(o_people)
        for u_people, u_change, o_people, o_change in zip(users[3], users[4], others[3], others[4], strict=True)
        if u_people and o_people
    )
    if not samples:
        return (None, None)
    low, high = samples[int(len(samples) * 0.025)], samples[min(int(len(samples) * 0.975), len(samples) - 1)]
    return (_number(nanos(Decimal(repr(low)))), _number(nanos(Decimal(repr(high)))))


def _number(scaled: int | None) -> Number:
    return number(scaled) if scaled is not None else None  # type: ignore[return-value]
