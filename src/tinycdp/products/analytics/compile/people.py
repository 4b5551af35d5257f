"""People in ClickHouse: whose an identifier is, what was said, and conditions as of now.

Shape   millionths_of(question) · in_sample(…): which people are asked
        person_of(world, row) · said_by_person(…) · people_where(…): SQL
        node_of(checked, path, warnings) → the node of a filter, or an error with its place
Errors  InvalidInput INVALID_QUESTION
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Checked
from tinycdp.dsl.check.filters import check_profile_filter
from tinycdp.dsl.diagnostics import Diagnostic
from tinycdp.dsl.sql.clickhouse import Filters, JsonPath, JsonText, JsonValue, Parameters
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.errors import InvalidInput
from tinycdp.model import NEVER
from tinycdp.products.analytics.answers.scaling import MILLION
from tinycdp.products.analytics.answers.schemas import Notice
from tinycdp.products.analytics.compile.calendar import BEGINNING, invalid
from tinycdp.products.analytics.compile.world import Reads, World
from tinycdp.products.analytics.questions.schemas import Asked

#: Warnings of a question, by path and message.
Warnings = dict[tuple[str, str], Notice]


def person_of(world: World, row: str, stored: str = "") -> str:
    """The profile that the identifier of a row belongs to now. stored: what its profile was; by default its column."""
    own = stored or f"{row}.profile_id"
    if not world.merged:
        return own
    return f"dictGetOrDefault('who', 'profile_id', ({row}.environment_id, {row}.identifier_id), {own})"


def millionths_of(question: Asked) -> int:
    """The share of people to ask."""
    millionths = round(question.sample * MILLION)
    if not 1 <= millionths <= MILLION:
        raise invalid("sample", f"A share of people is from 0.000001 to 1, not {question.sample}.")
    return millionths


def in_sample(hashed: str, millionths: int, parameters: Parameters) -> str:
    """Whether a hash is of a person in the sample."""
    return f"{hashed} % {MILLION} < {parameters.whole(millionths)}"


def said_by_person(world: World, parameters: Parameters, name: str) -> str:
    """A table of what a profile property was: person, at, value. Of one instant, the greatest message id counts."""
    person = "dictGetOrDefault('who', 'profile_id', (s.environment_id, s.identifier_id), s.profile_id)"
    if not world.merged:
        person = "s.profile_id"
    return (
        f"SELECT {person} AS person, s.at AS at, toNullable(argMax(s.value, s.message_id)) AS value FROM said AS s "
        f"WHERE s.environment_id = {parameters.whole(world.environment_id)} AND s.property = {parameters.text(name)} "
        "GROUP BY person, at"
    )


def people_where(world: World, parameters: Parameters, text: str, warnings: Warnings, path: str = "people") -> str:
    """A table of the ids of the people for whom a condition is true now."""
    node = node_of(check_profile_filter(text, world.scope), path, warnings)
    condition = Filters(_AsOfNow(world, path, set()), parameters, world.zone).condition(node)
    return (
        "(SELECT p.profile_id FROM people AS p FINAL "
        f"WHERE p.environment_id = {parameters.whole(world.environment_id)} AND p.alive AND {condition})"
    )


def people_reads(world: World, text: str) -> Reads:
    """What a condition on people as of now depends on; no events."""
    noted: set[tuple[str, str]] = set()
    node = node_of(check_profile_filter(text, world.scope), "people", {})
    Filters(_AsOfNow(world, "people", noted), Parameters(), world.zone).condition(node)
    clock = ("clock", "") in noted
    return Reads(frozenset(), NEVER, BEGINNING, frozenset(noted - {("clock", "")}), clock)


@dataclass(frozen=True, slots=True)
class _AsOfNow:
    """What the names of a people filter read: a row of `people`. noted: what they depend on, as Reads has it"""

    world: World
    path: str
    noted: set[tuple[str, str]]

    def event_property(self, path: tuple[str, ...]) -> JsonValue:
        raise AssertionError("a people filter has no event")

    def context(self, path: tuple[str, ...]) -> JsonValue:
        raise AssertionError("a people filter has no context")

    def profile_property(self, path: tuple[str, ...]) -> JsonValue:
        self.noted.add(("property", path[0]))
        return JsonPath("p.properties", path)

    def group_trait(self, path: tuple[str, ...]) -> JsonValue:
        self.noted.add(("group", ""))
        return JsonText("p.group_traits", path)

    def segment(self, key: str) -> str:
        id_ = segment_id(self.world, key, self.path)
        self.noted.add(("segment", str(id_)))
        return f"has(p.segments, {id_})"

    def seen(self, which: str) -> str:
        self.noted.add(("seen", ""))
        return f"nullIf(toUnixTimestamp64Milli(p.{which}_seen), 0)"

    def now(self) -> str:
        self.noted.add(("clock", ""))
        return str(self.world.as_of)


def segment_id(world: World, segment: str, path: str) -> int:
    """The id of a live segment."""
    if (found := world.segments.get(segment)) is None:
        raise unknown_key(path, "segment", segment, world.segments)
    return found


def unknown_key(path: str, what: str, key: str, known: Iterable[str]) -> InvalidInput:
    """The error of a key that does not exist, with the nearest one."""
    return invalid(path, f"There is no {what} {key!r}.{did_you_mean(key, known)}")


def names_of(dotted: str, path: str) -> tuple[str, ...]:
    """The names of a dotted path."""
    names = tuple(dotted.split("."))
    if not all(names):
        raise invalid(path, f"{dotted!r} is not the path of a property, such as amount or item.price.")
    return names


def notice(diagnostic: Diagnostic, path: str, warnings: Warnings) -> None:
    """Collect a warning, with what is meant instead if that is known."""
    message = " ".join((diagnostic.message, *(_sentence(fix.title) for fix in diagnostic.fixes[:1])))
    warnings[path, message] = Notice(path, message)


def _sentence(title: str) -> str:
    """The title of a fix as a sentence: "Did you mean 'purchase'?"."""
    sentence = title[:1].upper() + title[1:]
    return sentence if sentence.endswith(("?", ".")) else f"{sentence}."


def node_of(checked: Checked, path: str, warnings: Warnings) -> ir.Node:
    """The node of a filter. Its warnings are collected, and its first error is raised."""
    for diagnostic in checked.diagnostics:
        if diagnostic.severity != "error":
            notice(diagnostic, path, warnings)
    if checked.errors:
        first = checked.errors[0]
        raise InvalidInput(
            "INVALID_QUESTION",
            f"{path}, character {first.span.start + 1}: {first.message}",
            path=path,
            diagnostics=[diagnostic.code for diagnostic in checked.errors],
        )
    assert checked.node is not None
    return checked.node
