"""One line about every word of the language, as an editor shows it.

Laws    every aggregate, function, built-in name and operator has its line, and a test proves it
Source  dsl/SPEC.md
"""

from tinycdp.dsl.check.signatures import SEEN, UNITS_AGO_MS

AGGREGATES: dict[str, str] = {
    "count": "How many there are; 0 of no events.",
    "exists": "Whether there is any.",
    "rate": "How many per day of the window, which must be given.",
    "sum": "The sum of a property, exact; 0 of no events.",
    "avg": "The mean of a property.",
    "min": "The least value of a property.",
    "max": "The greatest value of a property.",
    "first": "A property's value on the first event that has it.",
    "last": "A property's value on the last event that has it.",
    "unique": "How many different values a property has; 1,000 where there are more.",
    "top": "A property's most frequent value.",
    "percentile": "A property's value of rank q, a number between 0 and 1.",
    "p50": "The median of a property.",
    "p90": "The value that nine tenths of the events do not exceed.",
    "p95": "The value that 95 % of the events do not exceed.",
    "p99": "The value that 99 % of the events do not exceed.",
    "unique_days": "On how many of the last N local days, today included.",
    "streak_days": "On how many consecutive local days up to today, or to yesterday if today has nothing yet.",
    "first_at": "When the first one happened.",
    "last_at": "When the last one happened.",
    **{
        f"{which}_{unit}_ago": f"How long ago the {which} one happened, in whole {unit}."
        for which in ("first", "last")
        for unit in UNITS_AGO_MS
    },
}

FUNCTIONS: dict[str, str] = {
    "lower": "The text in small letters.",
    "upper": "The text in capital letters.",
    "starts_with": "Whether a text begins with another.",
    "ends_with": "Whether a text ends with another.",
    "contains": "Whether a text has another in it.",
    "len": "How many characters a text has.",
    "abs": "The number without its sign.",
    "round": "The nearest whole number, half away from zero.",
    "semver": "A text read as a version, so that 2.10.0 is above 2.9.0.",
    "datetime": "A text read as an instant, with its zone.",
    "date": "The instant at which that local day begins.",
    "ago": "How long ago an instant is, a duration.",
    "until": "How long it is until an instant, a duration.",
    "exists": "Whether there is a value; never unknown itself.",
    "if": "The second value where the first holds, else the third.",
    "min2": "The smaller of two values.",
    "max2": "The greater of two values.",
    "between": "Whether a value lies between two others, both included.",
}

BUILT_IN: dict[str, str] = {
    name: f"When the {which} message of the profile happened."
    if unit is None
    else f"How long ago the {which} message of the profile happened, in whole {name.split('_')[2]}."
    for name, (which, unit) in SEEN.items()
}

ROOTS: dict[str, str] = {
    "profile": "Properties of the profile, as `identify` sent them.",
    "events": "What the profile did: an event, then an aggregate over it.",
    "traits": "Traits by name.",
    "segments": "Whether the profile is in a segment.",
    "context": "What the caller of a decision said; in flags only.",
    "group": "Traits of the group the profile belongs to, as `group` sent them.",
}

REFERENCES: dict[str, str] = {
    "trait": "A trait by its key.",
    "segment": "Whether the profile is in the segment of this key.",
    "flag": "Another flag's value; in flags only.",
}

WHERE = "Only the events for which a condition on their properties is true."
ANY = "Events of every name."

OPERATORS: dict[str, str] = {
    "&&": "both hold",
    "||": "at least one holds",
    "==": "is equal",
    "!=": "is not equal",
    ">": "is greater",
    ">=": "is greater or equal",
    "<": "is less",
    "<=": "is less or equal",
    "in": "is one of a list",
    "not in": "is none of a list",
    "??": "or this, where it is unknown",
    "+": "plus",
    "-": "minus",
    "*": "times",
    "/": "divided by; unknown where that is zero",
    "!": "does not hold",
    "..": "a range: from so long ago, to so long ago",
}
