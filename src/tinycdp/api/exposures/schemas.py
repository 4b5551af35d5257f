"""What clients and server exchange about exposures and stale flags."""

import msgspec

from tinycdp.runtime.decisions.stale_flags import Code


class Share(msgspec.Struct, frozen=True):
    """share  of all units, as a fraction"""

    variant: str
    units: int
    share: float


class DayCount(msgspec.Struct, frozen=True):
    """The units that were given a variant on a day. `rule` is null if no rule matched."""

    day: str
    variant: str
    rule: str | None
    units: int


class Arm(msgspec.Struct, frozen=True):
    """expected  units, by the weight"""

    variant: str
    weight: int
    units: int
    expected: float


class SampleRatio(msgspec.Struct, frozen=True, rename="camel"):
    """Whether the units of one rule's split match its weights.

    since, version  units are counted from this instant and this version of the flag
    chi_square, p  how far the counts are from the weights, and how likely chance is to go as far; null if there are
                   too few units to tell
    mismatch       whether chance is ruled out
    crossovers     units among them that were given another of these variants afterwards"""

    rule: str
    since: str
    version: int
    units: int
    arms: list[Arm]
    chi_square: float | None
    p: float | None
    mismatch: bool
    crossovers: int
    sentence: str


class FlagExposures(msgspec.Struct, frozen=True, rename="camel"):
    """A flag's exposures from a first to a last day.

    units       that were given any variant
    crossovers  units that were given more than one variant"""

    flag: str
    first: str = msgspec.field(name="from")
    last: str = msgspec.field(name="to")
    units: int
    crossovers: int
    variants: list[Share]
    days: list[DayCount]
    sample_ratio: list[SampleRatio]
    as_of: str


class Exposure(msgspec.Struct, frozen=True, rename="camel"):
    """What one unit was given on one day.

    profile_id  null if no message of the unit was ever received
    rule        that gave the variant; null for an override, the default, and a flag that is off
    version     of the flag; revision: of all definitions"""

    flag: str
    day: str
    variant: str
    unit: str
    profile_id: str | None
    rule: str | None
    version: int
    revision: int
    first_at: str


class ExposurePage(msgspec.Struct, frozen=True):
    """The newest day first. `next` is the cursor of the following page, null after the last."""

    exposures: list[Exposure]
    next: str | None


class RecentExposures(msgspec.Struct, frozen=True, rename="camel"):
    """Units per variant: of this day (UTC), and of the seven days that end with it."""

    today: dict[str, int]
    seven_days: dict[str, int]


class StaleReason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """since  how long it has been so, as far back as is known
    rules   that answered no request
    advice  what to do about it"""

    code: Code
    since: str
    text: str
    advice: str
    rules: list[str] = []


class Dependent(msgspec.Struct, frozen=True):
    """A definition that names the flag."""

    kind: str
    key: str


class StaleFlag(msgspec.Struct, frozen=True, rename="camel"):
    """used_by     definitions that name the flag: they have to change first
    last_asked  the last day on which a client asked for it, null for never"""

    flag: str
    reasons: list[StaleReason]
    used_by: list[Dependent]
    last_asked: str | None


class StaleFlags(msgspec.Struct, frozen=True, rename="camel"):
    """recorded_since  uses before it are not known"""

    flags: list[StaleFlag]
    days: int
    recorded_since: str
    as_of: str
