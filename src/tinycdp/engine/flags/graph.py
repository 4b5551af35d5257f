"""References of flags to segments and other flags, and shares of exclusion groups.

Shape   check_flags(flags, segments)
Errors  InvalidInput UNKNOWN_SEGMENT, UNKNOWN_FLAG, UNKNOWN_VARIANT, INVALID_FLAG, EXCLUSION_OVERLAP
Source  dsl/SPEC.md "Flags"
"""

from collections.abc import Mapping, Set
from decimal import Decimal

from tinycdp.engine.flags.document import Exclusion, Flag, Rule, stages
from tinycdp.errors import InvalidInput


def check_flags(flags: Mapping[str, Flag], segments: Set[str]) -> None:
    """Check each flag's references to segments and other flags, at every stage of its schedule."""
    shares: list[tuple[str, Rule, Exclusion]] = []
    for key, flag in flags.items():
        if flag.archived:
            continue
        claimed: dict[tuple[str, Decimal, Decimal], tuple[str, Rule, Exclusion]] = {}
        for at, stage in stages(flag):
            where = f"flag {key!r}" if at is None else f"flag {key!r}, after its schedule,"
            for n, override in enumerate(stage.overrides):
                if override.segment is not None and override.segment not in segments:
                    message = f"{where} $.overrides[{n}].segment: unknown segment {override.segment!r}."
                    raise InvalidInput("UNKNOWN_SEGMENT", message, flag=key)
            for n, prerequisite in enumerate(stage.prerequisites):
                other = _required(flags, key, prerequisite.flag, f"{where} $.prerequisites[{n}].flag")
                for variant in prerequisite.variants:
                    if all(variant not in s.variants for _, s in stages(other)):
                        message = f"{where} $.prerequisites[{n}].variants: {other.key!r} has no variant {variant!r}."
                        raise InvalidInput("UNKNOWN_VARIANT", message, flag=key)
            for n, holdout in enumerate(stage.holdouts):
                if _required(flags, key, holdout, f"{where} $.holdouts[{n}]").type != "boolean":
                    message = f"{where} $.holdouts[{n}]: {holdout!r} is not a boolean flag."
                    raise InvalidInput("INVALID_FLAG", message, flag=key)
            for rule in stage.rules:
                if (share := rule.exclusion) is not None:
                    claimed.setdefault((share.group, share.since, share.to), (key, rule, share))
        for other_key, other_rule, other_share in shares:
            for _, rule, share in claimed.values():
                if share.group == other_share.group and share.since < other_share.to and other_share.since < share.to:
                    message = (
                        f"flag {key!r}, rule {rule.id!r}: its share {share.since} to {share.to} of the exclusion group "
                        f"{share.group!r} overlaps that of flag {other_key!r}, rule {other_rule.id!r}, "
                        f"{other_share.since} to {other_share.to}."
                    )
                    raise InvalidInput("EXCLUSION_OVERLAP", message, flag=key)
        shares += claimed.values()


def _required(flags: Mapping[str, Flag], by: str, key: str, where: str) -> Flag:
    flag = flags.get(key)
    if flag is None or flag.archived:
        what = "is archived" if flag is not None else "does not exist"
        raise InvalidInput("UNKNOWN_FLAG", f"{where}: the flag {key!r} {what}.", flag=by)
    return flag
