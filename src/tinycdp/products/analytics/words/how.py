"""Phrases that say how an answer is divided, over which time, and the options of each kind.

Shape   How.on_<rule>(phrase) → what the phrase became, for each rule of the grammar that is about it
Errors  Skip if the phrase has no place here
Source  grammar.lark
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from tinycdp.products.analytics.questions.schemas import Breakdown
from tinycdp.products.analytics.words import dates
from tinycdp.products.analytics.words.draft import number
from tinycdp.products.analytics.words.names import Kind
from tinycdp.products.analytics.words.pieces import Piece
from tinycdp.products.analytics.words.state import Phrase, Skip, State


class How(State):
    """How, when, and the options."""

    # Groups

    def on_by_property(self, phrase: Phrase) -> str:
        return self._breakdown(Breakdown(property=phrase.quoted))

    def on_by_profile(self, phrase: Phrase) -> str:
        return self._breakdown(Breakdown(profile=phrase.quoted))

    def on_by_group(self, phrase: Phrase) -> str:
        return self._breakdown(Breakdown(group=phrase.quoted))

    def on_by_context(self, phrase: Phrase) -> str:
        return self._breakdown(Breakdown(context=phrase.quoted))

    def on_by_segment(self, phrase: Phrase) -> str:
        return self._breakdown(Breakdown(segment=phrase.quoted))

    def on_by_name(self, phrase: Phrase) -> str:
        piece = phrase.pieces[-1]
        kinds: tuple[Kind, ...] = ("property", "profile", "segment", "event")
        last = self._draft.topics[-1].event if self._draft.topics else None
        here = [one for one in piece.match.meant if one.kind == "property"] if piece.match is not None else []
        if here and isinstance(last, str) and not any(last in one.events for one in here):
            kinds = ("profile", "property", "segment", "event")
        meant = self._meant(piece, kinds)
        return self._topic(meant.name) if meant.kind == "event" else self._group_by(meant)

    def on_as_now(self, phrase: Phrase) -> str:
        self._change_breakdown(at="now")
        return "as of now"

    def on_bins(self, phrase: Phrase) -> str:
        if self._draft.kind == "frequency":
            self._draft.fields["edges"] = tuple(map(int, phrase.numbers))
        else:
            self._change_breakdown(bins=tuple(map(number, phrase.numbers)))
        return f"bins {', '.join(str(number(n)) for n in phrase.numbers)}"

    def on_top(self, phrase: Phrase) -> str:
        self._wants_group = not self._draft.breakdowns
        return "one line of each, the greatest first"

    def on_top_n(self, phrase: Phrase) -> str:
        self._wants_group = not self._draft.breakdowns
        self._draft.fields["top"] = int(phrase.numbers[0])
        return f"the {phrase.numbers[0]} greatest"

    # Time

    def on_bucket(self, phrase: Phrase) -> str:
        self._draft.bucket = phrase.pieces[-1].value
        return f"a number for each {self._draft.bucket}"

    def on_today(self, phrase: Phrase) -> str:
        return self._over_stretch(dates.stretch_of("day", self._today))

    def on_yesterday(self, phrase: Phrase) -> str:
        return self._over_stretch(dates.stretch_of("day", self._today, 1))

    def on_last_n(self, phrase: Phrase) -> str:
        letter, times = dates.LAST[phrase.pieces[-1].value]
        self._draft.fields |= {"last": f"{int(phrase.numbers[0]) * times}{letter}"}
        return f"the last {phrase.numbers[0]} {phrase.pieces[-1].value}s, the present one included"

    def on_last_unit(self, phrase: Phrase) -> str:
        unit = phrase.pieces[-1].value
        if unit == "hour":
            self._draft.fields |= {"last": "1h"}
            return "the present hour"
        return self._over_stretch(dates.stretch_of(unit, self._today, 1))

    def on_this_unit(self, phrase: Phrase) -> str:
        stretch = dates.stretch_of(phrase.pieces[-1].value, self._today)
        self._draft.fields |= {"from_": stretch.first}
        return f"since {stretch.first}"

    def on_since(self, phrase: Phrase) -> str:
        first = self._moments(phrase)[0].first
        self._draft.fields |= {"from_": first}
        return f"since {first}"

    def on_between(self, phrase: Phrase) -> str:
        first, after = self._ends(phrase)
        return self._over_stretch(dates.Stretch(first.first, after.first))

    def on_through(self, phrase: Phrase) -> str:
        first, last = self._ends(phrase)
        return self._over_stretch(dates.Stretch(first.first, last.after))

    def on_day(self, phrase: Phrase) -> str:
        return self._over_stretch(self._moment([piece for piece in phrase.pieces if piece.type != "ON"]))

    def on_month(self, phrase: Phrase) -> str:
        return self._over_stretch(self._moment(phrase.pieces))

    on_quarter = on_year = on_month

    def _over_stretch(self, stretch: dates.Stretch) -> str:
        if self._draft.has_range:
            raise Skip("the question has a range already")
        self._draft.fields |= {"from_": stretch.first, "to": stretch.after}
        return f"from {stretch.first} until {stretch.after}"

    def _moments(self, phrase: Phrase) -> list[dates.Stretch]:
        return [self._moment(part.pieces) for part in phrase.parts("moment")]

    def _ends(self, phrase: Phrase) -> list[dates.Stretch]:
        """Of two weekdays, the first is before the second."""
        first, last = self._moments(phrase)
        of_week = all(part.pieces[-1].type == "WEEKDAY" for part in phrase.parts("moment"))
        return [dates.a_week_earlier(first) if of_week and last.first < first.first else first, last]

    def _moment(self, pieces: Sequence[Piece]) -> dates.Stretch:
        if pieces[-1].type == "WEEKDAY":
            return dates.named_day(pieces[-1].value, self._today, is_before=pieces[0].type == "LAST")
        one, *more = pieces
        year = more[0].value if more else None
        try:
            match one.type:
                case "DATE":
                    return dates.moment(one.value)
                case "MONTH":
                    return dates.named_month(one.value, year, self._today)
                case "QUARTER":
                    return dates.named_quarter(one.value, year, self._today)
            return dates.stretch_of("year", date(one.value, 1, 1))
        except ValueError:
            raise Skip(f"{one.value} is no date") from None

    def on_compare(self, phrase: Phrase) -> str:
        unit = phrase.pieces[-1].value
        compare = unit if unit in ("week", "year") else "previous"
        if self._draft.kind not in ("", "trend"):
            raise Skip(f"a question of {self._draft.kind} has no range to compare with")
        self._draft.fields["compare"] = compare
        return {"previous": "and the range before", "week": "and a week earlier", "year": "and a year earlier"}[compare]

    # Funnels

    def on_link(self, phrase: Phrase) -> str:
        self._linked |= phrase.pieces[0].type != "FROM"
        return "from one event to the next"

    def on_within(self, phrase: Phrase) -> str:
        duration = self._duration(phrase)
        if self._draft.kind == "experiment":
            self._last().within = duration
        else:
            self._draft.fields["within"] = duration
        return f"within {duration}"

    def on_step_within(self, phrase: Phrase) -> str:
        self._last().step_within = self._duration(phrase)
        return f"within {self._last().step_within} of the step before"

    def _duration(self, phrase: Phrase) -> str:
        if "DURATION" in phrase.types:
            return str(phrase.value("DURATION", ""))
        n, unit = int(phrase.numbers[0]), phrase.value("UNIT", "day")
        letter, times = _DURATIONS[unit]
        return f"{n * times}{letter}"

    def on_strict(self, phrase: Phrase) -> str:
        return self._set("order", "strict")

    def on_any_order(self, phrase: Phrase) -> str:
        return self._set("order", "any")

    def on_exclude(self, phrase: Phrase) -> str:
        if self._draft.kind == "paths":
            raise Skip('name labels in quotes: without "…"')
        if self._draft.kind not in ("", "funnel"):
            raise Skip("only a funnel leaves out events; say `where …` for conditions")
        self._role = "exclude"
        return "an event that ends the attempt"

    def on_after(self, phrase: Phrase) -> str:
        self._last().after = tuple(map(int, phrase.numbers))
        return f"after step {', '.join(map(str, phrase.numbers))}"

    def on_hold(self, phrase: Phrase) -> str:
        names = phrase.all_quoted or (self._meant(phrase.pieces[-1], ("property",)).name,)
        return self._set("hold", names, f"one value of {', '.join(names)} along an attempt")

    def on_attribution(self, phrase: Phrase) -> str:
        if "STEP" in phrase.types:
            return self._set("attribution", f"step:{phrase.numbers[0]}")
        return self._set("attribution", "first" if "FIRST" in phrase.types else "last")

    # Retention, adoption, impact

    def on_returning(self, phrase: Phrase) -> str:
        self._role = "returns"
        return "what counts as coming back"

    def on_among(self, phrase: Phrase) -> str:
        self._role = "among"
        return "of active people"

    def on_outcome(self, phrase: Phrase) -> str:
        if self._draft.kind not in ("impact", "experiment"):
            raise Skip("on what day? Write a date")
        self._role = "outcome"
        return "the outcome"

    def on_cohort(self, phrase: Phrase) -> str:
        return self._set("cohort", "first_time" if "FIRST_TIME" in phrase.types else "recurring")

    def on_window(self, phrase: Phrase) -> str:
        return self._set("window", "elapsed" if "ELAPSED" in phrase.types else "calendar")

    def on_mode(self, phrase: Phrase) -> str:
        return self._set("mode", "on_or_after")

    def on_periods(self, phrase: Phrase) -> str:
        return self._set("periods", int(phrase.numbers[0]), f"{phrase.numbers[0]} periods")

    def on_brackets(self, phrase: Phrase) -> str:
        n = list(map(int, phrase.numbers))
        pairs = tuple(zip(n[::2], n[1::2], strict=True))
        return self._set("brackets", pairs, "brackets " + ", ".join(f"{a} to {b}" for a, b in pairs))

    # Sessions and paths

    def on_gap(self, phrase: Phrase) -> str:
        return self._set("gap", self._duration(phrase))

    def on_label(self, phrase: Phrase) -> str:
        return self._set("label", phrase.quoted)

    def on_starting(self, phrase: Phrase) -> str:
        return self._set("start", phrase.quoted)

    def on_ending(self, phrase: Phrase) -> str:
        return self._set("end", phrase.quoted)

    def on_grouping(self, phrase: Phrase) -> str:
        return self._set("group", phrase.all_quoted, f"as one each: {', '.join(phrase.all_quoted)}")

    def on_without(self, phrase: Phrase) -> str:
        return self._set("without", phrase.all_quoted, f"without {', '.join(phrase.all_quoted)}")

    def on_depth(self, phrase: Phrase) -> str:
        return self._set("depth", int(phrase.numbers[0]), f"{phrase.numbers[0]} steps")

    # The rest

    def on_formula(self, phrase: Phrase) -> str:
        return self._set("formula", phrase.value("EXPR", ""))

    def on_cumulative(self, phrase: Phrase) -> str:
        return self._set("cumulative", True, "everything since the beginning")

    def on_rolling(self, phrase: Phrase) -> str:
        return self._set("rolling", int(phrase.numbers[0]), f"the mean of {phrase.numbers[0]}")

    def on_counting(self, phrase: Phrase) -> str:
        return self._set("unit", "group" if "GROUP" in phrase.types else "session")

    def on_sample(self, phrase: Phrase) -> str:
        return self._set("sample", number(phrase.numbers[0]), f"a sample of {phrase.numbers[0]}")

    def on_approximate(self, phrase: Phrase) -> str:
        return self._set("approximate", True, "approximate numbers")

    def on_control(self, phrase: Phrase) -> str:
        return self._set("control", phrase.quoted)

    def on_junk(self, phrase: Phrase) -> str:
        piece = phrase.pieces[0]
        if piece.type == "UNKNOWN":
            raise Skip("not a word of questions, and no name of this environment")
        raise Skip("does not fit here")

    def _set(self, name: str, value: Any, meaning: str = "") -> str:
        self._draft.fields[name] = value
        return meaning or f"{name} {value}"


_DURATIONS = {"hour": ("h", 1), "day": ("d", 1), "week": ("w", 1), "month": ("d", 30), "quarter": ("d", 91),
              "year": ("d", 365)}  # fmt: skip
