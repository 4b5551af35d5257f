"""One line about each word of the language, as editors show it.

Laws    every aggregate, function, built-in name and operator has a line; a test checks it
Source  dsl/SPEC.md
"""

from tinycdp.dsl.check.signatures import DURATION_UNITS_MS, SEEN, UNITS_AGO_MS

AGGREGATES: dict[str, str] = {
    "count": "How many events there are.",
    "exists": "Whether there is at least one event.",
    "rate": "How many events per day of the window. The window is required.",
    "sum": "The exact sum of a property; 0 if there are no events.",
    "avg": "The average of a property.",
    "min": "The smallest value of a property.",
    "max": "The largest value of a property.",
    "first": "The property's value in the first event that has it.",
    "last": "The property's value in the last event that has it.",
    "unique": "How many different values a property has, at most 1,000.",
    "top": "The most frequent value of a property.",
    "percentile": "The value at rank q of a property; q is a number between 0 and 1.",
    "p50": "The median of a property.",
    "p90": "The value that 90 % of the events do not exceed.",
    "p95": "The value that 95 % of the events do not exceed.",
    "p99": "The value that 99 % of the events do not exceed.",
    "unique_days": "On how many of the last N local days, including today, it happened.",
    "streak_days": "How many local days in a row, up to today, or to yesterday if it has not happened today.",
    "first_at": "When the event first happened.",
    "last_at": "When the event last happened.",
    **{
        f"{which}_{unit}_ago": f"How long ago the event {which} happened, in whole {unit}."
        for which in ("first", "last")
        for unit in UNITS_AGO_MS
    },
}

FUNCTIONS: dict[str, str] = {
    "lower": "The text in lower case.",
    "upper": "The text in upper case.",
    "starts_with": "Whether the text starts with another text.",
    "ends_with": "Whether the text ends with another text.",
    "contains": "Whether the text contains another text.",
    "len": "The number of characters in the text.",
    "abs": "The absolute value of the number.",
    "round": "The nearest whole number; halves are rounded away from zero.",
    "semver": "The text as a version, so that 2.10.0 is greater than 2.9.0.",
    "datetime": "The text, with its time zone, as an instant.",
    "date": "The instant at which that local day begins.",
    "ago": "How long ago an instant was, as a duration.",
    "until": "How long until an instant, as a duration.",
    **{unit: f"The whole {unit} in a duration, rounded down." for unit in DURATION_UNITS_MS},
    "exists": "Whether there is a value. The answer is never unknown.",
    "if": "The second value if the condition is true, otherwise the third.",
    "min2": "The smaller of two values.",
    "max2": "The greater of two values.",
    "between": "Whether a value is between two others, both included.",
}

BUILT_IN: dict[str, str] = {
    name: f"When the {which} message of the profile happened."
    if unit is None
    else f"How long ago the {which} message of the profile happened, in whole {name.split('_')[2]}."
    for name, (which, unit) in SEEN.items()
}

ROOTS: dict[str, str] = {
    "profile": "The profile's properties, as sent by `identify`.",
    "events": "The profile's events: name an event, then an aggregate.",
    "traits": "Traits by name.",
    "segments": "Whether the profile is in a segment.",
    "context": "The context of the decision request; in flags only.",
    "group": "Traits of the profile's group, as sent by `group`.",
}

REFERENCES: dict[str, str] = {
    "trait": "The trait with this key.",
    "segment": "Whether the profile is in the segment with this key.",
    "flag": "The value of another flag; in flags only.",
}

WHERE = "Only the events whose properties match a condition."
ANY = "All events, whatever their name."

OPERATORS: dict[str, str] = {
    "&&": "both are true",
    "||": "at least one is true",
    "==": "is equal to",
    "!=": "is not equal to",
    ">": "is greater than",
    ">=": "is greater than or equal to",
    "<": "is less than",
    "<=": "is less than or equal to",
    "in": "is one of a list",
    "not in": "is not in a list",
    "??": "or this value, if unknown",
    "+": "plus",
    "-": "minus",
    "*": "times",
    "/": "divided by; unknown if the divisor is zero",
    "!": "is not true",
    "..": "a range: from this long ago to this long ago",
}
