"""Phrases that say what is asked: the kind, measures, events, conditions, people.

Shape   What.on_<rule>(phrase) → what the phrase became, for each rule of the grammar that is about it
Errors  Skip if the phrase has no place here
Source  grammar.lark
"""

import re

from tinycdp.products.analytics.questions.schemas import DerivedEvent, Matching, PerPerson
from tinycdp.products.analytics.words.draft import Topic, needs_property, number
from tinycdp.products.analytics.words.names import Kind, Meant, key_of
from tinycdp.products.analytics.words.pieces import Piece
from tinycdp.products.analytics.words.state import MONEY, Phrase, Skip, State, Understood
from tinycdp.products.analytics.words.texts import differs, equals, in_segment, path_text, quoted_text

_HEADS = {
    "FUNNEL": "funnel", "CONVERSION": "funnel", "RETENTION": "retention", "LIFECYCLE": "lifecycle",
    "STICKINESS": "stickiness", "FREQUENCY": "frequency", "SESSIONS": "sessions", "PATHS": "paths",
    "ADOPTION": "adoption", "IMPACT": "impact",
}  # fmt: skip
_DAYS = {"day": 1, "week": 7, "month": 30}
_ANY_KIND: tuple[Kind, ...] = (
    "event", "report", "value", "segment", "profile_value", "property", "profile", "flag"
)  # fmt: skip
_TIMES = {"==": "exactly", ">=": "at least", ">": "more than", "<": "less than", "<=": "at most"}


class What(State):
    """What is asked."""

    # What is asked

    def on_kind(self, phrase: Phrase) -> str:
        kind = _HEADS[phrase.pieces[0].type]
        if kind == "funnel" and self._draft.kind == "experiment":
            self._new_pending().measure = "conversion"
            return "conversion"
        if self._draft.kind not in ("", kind):
            raise Skip(f"the question is already one of {self._draft.kind}")
        self._draft.kind = kind
        return f"a question of {kind}"

    def on_active(self, phrase: Phrase) -> str:
        self._take_kind("active")
        units = [piece.value for piece in phrase.pieces if piece.type in ("LY", "XAU")]
        if not units:
            return "active people"
        days = _DAYS.get(units[0])
        if days is None:
            raise Skip("people are active daily, weekly or monthly")
        self._draft.fields["days"] = (*self._draft.fields.get("days", ()), days)
        self._draft.bucket = self._draft.bucket or units[0]
        return f"people active in {days} days" if days > 1 else "people active in a day"

    def on_active_days(self, phrase: Phrase) -> str:
        self._take_kind("active")
        self._draft.fields["days"] = tuple(map(int, phrase.numbers))
        return f"people active in {', '.join(map(str, phrase.numbers))} days"

    def on_experiment(self, phrase: Phrase) -> str:
        self._take_kind("experiment")
        piece = next(piece for piece in phrase.pieces if piece.type in ("QUOTED", "NAME"))
        flag = piece.value if piece.type == "QUOTED" else self._meant(piece, ("flag",)).name
        self._draft.fields["flag"] = flag
        return f"the experiment {flag}"

    def on_times(self, phrase: Phrase) -> str:
        self._take_kind("frequency")
        twice = phrase.pieces[0].type == "TWICE"
        n = 2 if twice else int(phrase.numbers[0])
        op = next((piece.value for piece in phrase.pieces if piece.type == "CMP"), "")
        if not op:
            op = self._choose(phrase.pieces[0], ("==", ">="))
        self._draft.fields["edges"] = _edges(op, n)
        return f"{_TIMES.get(op, op)} {n} times"

    def on_often(self, phrase: Phrase) -> str:
        name = phrase.pieces[-1]
        event = self._meant(name, ("event",)).name
        meaning = self.on_times(phrase)
        self._drop_pending()
        self._topic(event)
        return f"people by how often they do {event}: {meaning}"

    # What is measured

    def on_aggregate(self, phrase: Phrase) -> str:
        measure = phrase.pieces[0].value
        if self._before in ("count", "persons") and measure == "distinct":
            return "counted once"
        self._new_pending().measure = measure
        return f"measure {measure}"

    def on_nested(self, phrase: Phrase) -> str:
        then, each = phrase.pieces[:2]
        measure = PerPerson(each.value if each.type == "AGG" else "count", then.value)
        self._new_pending().measure = measure
        return f"measure {measure.per_person} per person, then {measure.then}"

    def on_per_person(self, phrase: Phrase) -> str:
        one = self._pending or self._last()
        if isinstance(one.measure, str) and one.measured and needs_property(one.measure):
            one.measure = PerPerson("sum", "avg" if one.measure == "sum" else one.measure)
            return f"measure sum per person, then {one.measure.then}"
        one.measure = "per_person"
        return "measure per_person"

    def on_count(self, phrase: Phrase) -> str:
        if self._draft.kind == "frequency":
            raise Skip("how often already counts")
        self._new_pending().measure = "count"
        return "measure count"

    def on_persons(self, phrase: Phrase) -> str:
        if self._draft.kind not in ("", "trend", "impact", "experiment"):
            return "people"
        one = self._pending
        if one is None and self._draft.of("") and self._draft.topics[-1].measure:
            return "people"
        one = one or self._new_pending()
        one.measure = "people"
        return "measure people"

    def on_property(self, phrase: Phrase) -> str:
        one = self._pending or self._last()
        one.measured = phrase.quoted
        return f"property {phrase.quoted}"

    def on_metric(self, phrase: Phrase) -> str:
        self._new_pending().metric = phrase.quoted
        self._pending = None
        return f"metric {phrase.quoted}"

    def on_named(self, phrase: Phrase) -> str:
        self._last().name = phrase.quoted
        return f"named {phrase.quoted}"

    # Events

    def on_event(self, phrase: Phrase) -> str:
        return self._topic(phrase.quoted)

    def on_any_event(self, phrase: Phrase) -> str:
        return self._topic("*")

    def on_derived(self, phrase: Phrase) -> str:
        return self._topic(DerivedEvent(derived=phrase.quoted))

    def on_either(self, phrase: Phrase) -> str:
        return self._topic(DerivedEvent(any=tuple(_part(part) for part in phrase.parts("part"))))

    def on_any_of(self, phrase: Phrase) -> str:
        events = [self._meant(piece, ("event",)).name for piece in phrase.pieces if piece.type == "NAME"]
        return self._topic(DerivedEvent(any=tuple(map(Matching, events))))

    def on_ratio(self, phrase: Phrase) -> str:
        meant = self._meant(phrase.pieces[-1], ("event", "property", "profile"))
        if meant.kind != "event":
            return self._group_by(meant)
        self._place_pending()
        self._pending = None
        self._topic(meant.name)
        self._draft.fields["formula"] = "A / B"
        return f"divided by {meant}"

    def on_name(self, phrase: Phrase) -> str:
        return self._alone(phrase.pieces[0])

    def _alone(self, piece: Piece) -> str:
        """What a name means that no other word explains."""
        kinds = _ANY_KIND
        one = self._measuring()
        if one is not None:
            kinds = ("property", *(kind for kind in _ANY_KIND if kind != "property"))
        elif self._before in ("by_name", "by_property"):
            kinds = ("property", "profile", *_ANY_KIND)
        meant = self._meant(piece, tuple(dict.fromkeys(kinds)))
        how = f" ({piece.match.how})" if piece.match is not None and piece.match.how else ""
        return self._use(piece, meant) + how

    def _use(self, piece: Piece, meant: Meant) -> str:
        """What a name adds where it stands alone."""
        if self._role == "exclude" and meant.kind in ("segment", "profile_value", "value"):
            self._role = ""
            return self._without(meant)
        match meant.kind:
            case "event":
                if self._wants_group:
                    self._group_by_place(meant.name)
                self._topic(meant.name)
            case "report":
                self._report = self._names.reports[meant.name]
            case "segment":
                self._draft.people.append(in_segment(meant.name))
            case "profile_value":
                self._draft.people.append(equals(("profile", meant.name), meant.value))
            case "value":
                if (last := self._place_for(meant)) is not None:
                    last.where.append(equals((meant.name,), meant.value))
                else:
                    self._loose.append((piece, meant))
            case "property" | "profile" if self._wants_group or self._before in ("by_name", "by_property"):
                self._wants_group = False
                return self._group_by(meant)
            case "property":
                self._use_property(meant)
            case "flag" if self._draft.kind in ("", "experiment"):
                self._draft.kind, self._draft.fields["flag"] = "experiment", meant.name
                return f"the experiment {meant.name}"
            case _:
                raise Skip(f"{meant} has no place here; say `by {meant.name}` for one line of each")
        return str(meant)

    def _use_property(self, meant: Meant) -> None:
        if (one := self._measuring()) is not None:
            one.measured = meant.name
            return
        one = self._pending
        if one is not None and one.measure and not needs_property(one.measure) and one.measure != "count":
            raise Skip(f"{meant} has no place here; say `by {meant.name}` for one line of each")
        if one is None:
            if key_of(meant.name) not in MONEY:
                raise Skip(f"say `by {meant.name}` for one line of each, or `sum of {meant.name}`")
            one = self._new_pending()
        if not one.measure or not needs_property(one.measure):
            one.measure = "sum"
            self._draft.assumed.append(f"the sum of {meant.name}")
        one.measured = meant.name

    # Conditions

    def on_where(self, phrase: Phrase) -> str:
        expression = phrase.value("EXPR", "")
        self._last().where.append(expression)
        return f"where {expression}"

    def on_condition(self, phrase: Phrase) -> str:
        name = phrase.piece("NAME")
        kinds = {one.kind for one in name.match.meant} if name.match is not None else set()
        if not kinds & {"property", "profile"} and phrase.numbers:  # purchases over 20
            return f"{self._alone(name)}, {self.on_over(phrase)}"
        value = phrase.pieces[-1]
        if not kinds & {"property", "profile"} and value.type == "NAME" and phrase.value("CMP", "") == "!=":
            return self._this_not_that(name, phrase)  # purchases not vip, signed up but did not purchase
        return self._compare_to(name, phrase, ("property", "profile"))

    def on_for_condition(self, phrase: Phrase) -> str:
        self.on_persons(phrase)
        name = phrase.piece("NAME")
        return self._compare_to(name, phrase, ("profile", "property"))

    def _compare_to(self, name: Piece, phrase: Phrase, kinds: tuple[Kind, ...]) -> str:
        meant = self._meant(name, kinds)
        op = next((piece.value for piece in phrase.pieces if piece.type == "CMP"), "==")
        path = ("profile", meant.name) if meant.kind == "profile" else (meant.name,)
        value = phrase.pieces[-1]
        text = str(value.value)
        if value.type == "NAME" and value.match is not None:
            texts = [one.value for one in value.match.meant if one.value and one.name == meant.name]
            text = texts[0] if texts else self._text[value.start : value.end]
        if value.type == "WEEKDAY":
            text = self._text[value.start : value.end]
        if value.type == "UNKNOWN":
            self._draft.assumed.append(f'"{text}" as a value of {meant.name}; no message had it so far')
        literal = str(number(value.value)) if value.type == "NUMBER" else quoted_text(text)
        condition = f"{path_text(path)} {op} {literal}"
        if meant.kind == "profile":
            self._draft.people.append(condition)
        else:
            self._last().where.append(condition)
        return condition

    def on_among_values(self, phrase: Phrase) -> str:
        names = [piece for piece in phrase.pieces if piece.type == "NAME"]
        meant = self._meant(names[0], ("property", "profile"))
        texts = []
        for piece in names[1:]:
            assert piece.match is not None
            found = [one.value for one in piece.match.meant if one.value and one.name == meant.name]
            texts.append(found[0] if found else self._text[piece.start : piece.end])
        path = ("profile", meant.name) if meant.kind == "profile" else (meant.name,)
        condition = f"{path_text(path)} in [{', '.join(map(quoted_text, texts))}]"
        if meant.kind == "profile":
            self._draft.people.append(condition)
        else:
            self._last().where.append(condition)
        return condition

    def on_over(self, phrase: Phrase) -> str:
        one = self._pending if self._pending in self._draft.topics else None
        one = one or (self._draft.topics[-1] if self._draft.topics else None)
        if one is None:
            raise Skip("over what? Name a property, as in `amount over 20`")
        name = one.measured or self._amount(one)
        if name is None:
            raise Skip(f"which property of {one.event}? Name it, as in `amount over 20`")
        condition = f"{path_text((name,))} {phrase.value('CMP', '>')} {number(phrase.numbers[0])}"
        one.where.append(condition)
        return condition

    # People

    def on_for_name(self, phrase: Phrase) -> str:
        piece = phrase.piece("NAME")
        meant = self._meant(piece, ("segment", "profile_value", "value", "event"))
        match meant.kind:
            case "segment":
                condition = in_segment(meant.name)
            case "profile_value":
                condition = equals(("profile", meant.name), meant.value)
            case "value":
                return self._use(piece, meant)
            case _:
                return self._topic(meant.name)
        self._draft.people.append(condition)
        return f"people where {condition}"

    def on_for_not(self, phrase: Phrase) -> str:
        if phrase.value("CMP", "!=") != "!=":
            raise Skip("a comparison needs a number or a value")
        name = phrase.piece("NAME")
        if "EXCLUDING" in phrase.types:
            self._role = "exclude"
            return self._alone(name)
        if self._before == "link":
            return self._leave_out(name, "then")
        understood = self._reading.understood
        return self._leave_out(name, self._text[understood[-1].end if understood else 0 : phrase.start])

    def _this_not_that(self, name: Piece, phrase: Phrase) -> str:
        meaning, no = self._alone(name), phrase.piece("CMP")
        try:
            return f"{meaning}, {self._leave_out(phrase.pieces[-1], self._text[name.end : no.start])}"
        except Skip as why:
            self._reading.ignored.append(Understood(no.start, phrase.end, str(why)))
            return meaning

    def _leave_out(self, piece: Piece, joined: str) -> str:
        """Those without something: what a name means after `not`. joined: by which words to what is before."""
        meant = self._meant(piece, ("segment", "profile_value", "value", "event"))
        return self._without_event(meant.name, joined) if meant.kind == "event" else self._without(meant)

    def _without(self, meant: Meant) -> str:
        match meant.kind:
            case "segment":
                condition = f"!{in_segment(meant.name)}"
            case "profile_value":
                condition = differs(("profile", meant.name), meant.value)
                self._draft.assumed.append(f"people whose {meant.name} is unknown are left out, too")
            case _:
                if (last := self._place_for(meant)) is None:
                    raise Skip(f"no event before it has the property {meant.name}")
                condition = differs((meant.name,), meant.value)
                last.where.append(condition)
                return condition
        self._draft.people.append(condition)
        return f"people where {condition}"

    def _without_event(self, event: str, joined: str) -> str:
        """People who did not do something: of those who did something else first, or of all with any event."""
        others = [one for one in self._draft.of("") if one.event is not None]
        follows = not others or re.search(r"\b(but|and|then)\b", joined)
        if self._draft.kind not in ("", "trend", "funnel") or not follows:
            raise Skip("a condition reads what people are: save those who did not as a segment, and say its name")
        self._drop_pending()
        if others:
            self._draft.kind = "funnel"
            self._draft.assumed.append(f"a funnel: those who did not are the ones who do not reach {event}")
            return self._topic(event)
        self._draft.topics += [Topic(event="*", measure="people"), Topic(event=event, measure="people")]
        self._draft.fields["formula"] = "A - B"
        self._draft.assumed.append("of the people with any event in that time")
        return f"people without {event}"

    def on_for_people(self, phrase: Phrase) -> str:
        expression = phrase.value("EXPR", "")
        self._draft.people.append(expression)
        return f"people where {expression}"

    def on_for_segment(self, phrase: Phrase) -> str:
        condition = in_segment(phrase.quoted)
        self._draft.people.append(condition)
        return f"people where {condition}"


def _part(phrase: Phrase) -> Matching:
    """One of the events of a derived one."""
    where = phrase.value("EXPR", "")
    if "DERIVED" in phrase.types:
        return Matching(DerivedEvent(derived=phrase.quoted), where)
    return Matching("*" if "ANY" in phrase.types else phrase.quoted, where)


def _edges(op: str, n: int) -> tuple[int, ...]:
    """Edges that divide counts at this comparison."""
    at = {"==": (n, n + 1), ">=": (n,), ">": (n + 1,), "<": (n,), "<=": (n + 1,)}.get(op, (n, n + 1))
    return tuple(sorted({1, *(edge for edge in at if edge > 0)}))
