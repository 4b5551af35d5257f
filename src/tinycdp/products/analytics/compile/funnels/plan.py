"""A funnel's question, checked, over a scan of its events.

Shape   FunnelPlan.of(question, world) → what the statement is made of
Errors  InvalidInput INVALID_QUESTION, with the path of the field
Source  docs/reference/analytics-meanings.md "Funnel"
"""

from dataclasses import dataclass

from tinycdp.dsl.suggest import did_you_mean
from tinycdp.products.analytics.answers.schemas import Notice
from tinycdp.products.analytics.compile.calendar import Buckets, TimeRange, duration_of, invalid, span_of
from tinycdp.products.analytics.compile.groups import Breakdowns
from tinycdp.products.analytics.compile.people import names_of
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sql import Parameters
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.questions.schemas import FunnelQuestion

MOST_STEPS = 20
MOST_HELD = 3
_STEP = "step:"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step.

    column  of the scan: whether an event can take it
    names   of its events; None for every name
    within  longest time since the step before; 0 without one"""

    column: str
    names: frozenset[str] | None
    within: int

    def may_share(self, other: "PlannedStep") -> bool:
        """Whether one event may be able to take both."""
        return self.names is None or other.names is None or bool(self.names & other.names)


@dataclass(frozen=True, slots=True)
class PlannedExclusion:
    """A column of the scan: whether an event ends an attempt after one of these steps."""

    column: str
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FunnelPlan:
    """A funnel over a scan.

    span         in which attempts begin; the scan goes on for the window
    hold         columns of the scan with the values that an attempt keeps
    attribution  first or last; or the number of a step
    buckets      of entry, each walked on its own"""

    question: FunnelQuestion
    world: World
    parameters: Parameters
    scan: Scan
    span: TimeRange
    steps: tuple[PlannedStep, ...]
    within: int
    exclusions: tuple[PlannedExclusion, ...]
    hold: tuple[str, ...]
    breakdowns: Breakdowns
    attribution: str | int
    buckets: Buckets | None

    @classmethod
    def of(cls, question: FunnelQuestion, world: World) -> "FunnelPlan":
        """The plan of a question; raises if it cannot be asked."""
        count = len(question.steps)
        if not 1 <= count <= MOST_STEPS:
            raise invalid("steps", f"A funnel has 1 to {MOST_STEPS} steps, not {count}.")
        within = duration_of(question.within, "within")
        span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
        parameters = Parameters()
        scan = Scan.of(question, world, TimeRange(span.since, span.until + within), parameters)
        if question.order == "strict":
            scan.match("*", "", "steps")  # whatever lies between two steps matters
        steps = tuple(_step(scan, question, n) for n in range(count))
        exclusions = tuple(_exclusion(scan, question, n) for n in range(len(question.exclude)))
        buckets = Buckets.over(span, question.bucket, world.zone, world.as_of) if question.bucket else None
        return cls(
            question,
            world,
            parameters,
            scan,
            span,
            steps,
            within,
            exclusions,
            _hold(scan, question, steps),
            Breakdowns.over(scan, question.breakdown, question.top),
            _attribution(question),
            buckets,
        )

    @property
    def any_order(self) -> bool:
        return self.question.order == "any"

    @property
    def strict(self) -> bool:
        return self.question.order == "strict"

    @property
    def marked(self) -> bool:
        """Whether something can end an attempt before its window does."""
        return self.strict or bool(self.exclusions)

    @property
    def before(self) -> int:
        """The instant that those of a walk are counted from, so that they are small, and never zero."""
        return self.span.since - 1

    def excluding_after(self, step: int) -> list[str]:
        """Columns of the exclusions after a step."""
        return [exclusion.column for exclusion in self.exclusions if step in exclusion.after]


def _step(scan: Scan, question: FunnelQuestion, n: int) -> PlannedStep:
    step, path = question.steps[n], f"steps[{n}]"
    column = scan.match(step.event, step.where, path)
    within = 0
    if step.within:
        if question.order == "any":
            raise invalid(
                f"{path}.within", "In any order, steps have no window of their own. Use the funnel's `within`."
            )
        if n == 0:
            raise invalid(f"{path}.within", "The first step has none before it. Give `within` to a later step.")
        within = duration_of(step.within, f"{path}.within")
    return PlannedStep(column, scan.names_of(step.event), within)


def _exclusion(scan: Scan, question: FunnelQuestion, n: int) -> PlannedExclusion:
    exclusion, path, last = question.exclude[n], f"exclude[{n}]", len(question.steps) - 1
    if question.order == "any" and exclusion.after:
        raise invalid(f"{path}.after", "In any order, an exclusion is after no step in particular. Leave `after` out.")
    for after in exclusion.after:
        if not 1 <= after <= last:
            between = f"the steps between which it lies are 1 to {last}" if last else "a funnel of one step has none"
            raise invalid(f"{path}.after", f"There is no step after step {after}; {between}.")
    column = scan.match(exclusion.event, exclusion.where, path)
    return PlannedExclusion(column, exclusion.after or tuple(range(1, last + 1)))


def _hold(scan: Scan, question: FunnelQuestion, steps: tuple[PlannedStep, ...]) -> tuple[str, ...]:
    if len(question.hold) > MOST_HELD:
        raise invalid("hold", f"At most {MOST_HELD} properties are held; these are {len(question.hold)}.")
    columns = []
    for n, dotted in enumerate(question.hold):
        path = f"hold[{n}]"
        names = names_of(dotted, path)
        columns.append(scan.scalar(scan.event_property(names)))
        _warn_of_unknown(scan, dotted, names, steps, path)
    return tuple(columns)


def _warn_of_unknown(
    scan: Scan, dotted: str, names: tuple[str, ...], steps: tuple[PlannedStep, ...], path: str
) -> None:
    """Warn of a property that the events of the steps are not known to have."""
    events = {name for step in steps for name in step.names or ()}
    known = {name for event in events for name in scan.world.scope.events.get(event, {})}
    if known and dotted not in known and names[0] not in {name.split(".")[0] for name in known}:
        message = f"No event of the steps is known to have the property {dotted!r}.{did_you_mean(dotted, known)}"
        scan.warnings[path, message] = Notice(path, message)


def _attribution(question: FunnelQuestion) -> str | int:
    given = question.attribution
    if given in {"first", "last"}:
        return given
    number, count = given.removeprefix(_STEP), len(question.steps)
    if given.startswith(_STEP) and number.isascii() and number.isdigit() and 1 <= int(number) <= count:
        return int(number)
    raise invalid("attribution", f"{given!r} is neither first, last, nor step:1 to step:{count}.")
