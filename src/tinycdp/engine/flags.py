"""Flag documents: what an admin writes, checked and made whole.

Shape   Flag with variants, overrides and ordered rules; `{"key", "rule"}` is short for a boolean flag with one rule
Units   rollout in per cent with three decimals, split weights in hundred-thousandths that sum to 100,000
Laws    the salt is minted once and never derived from the key, so a rename moves nobody
Errors  InvalidInput with a JSONPath for a document that contradicts itself
Source  dsl/SPEC.md "Flags"
"""

from decimal import Decimal
from typing import Any, Literal

import msgspec

from tinycdp.engine.bucketing import BUCKETS
from tinycdp.errors import InvalidInput

FlagType = Literal["boolean", "string", "integer", "float", "object"]
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "string": (str,),
    "integer": (int,),
    "float": (int, float, Decimal),
    "object": (dict, list),
}


class Override(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """The first that fits wins, before any rule. `profile` is any identifier of the person, or the profile's id."""

    serve: str
    profile: str | None = None
    segment: str | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Serves a variant, or splits over several, where `when` is true and the rollout admits the unit."""

    when: str
    id: str = ""
    serve: str | None = None
    split: dict[str, int] | None = None
    rollout: Decimal | None = None


class Default(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    serve: str


class Flag(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    key: str
    type: FlagType
    variants: dict[str, Any]
    off_variant: str
    default: Default
    salt: str
    enabled: bool = True
    unit: Literal["bucketing_key"] = "bucketing_key"
    overrides: tuple[Override, ...] = ()
    rules: tuple[Rule, ...] = ()
    description: str = ""


def read_flag(document: dict[str, Any], salt: str) -> Flag:
    """The flag a document describes; `salt` is taken where the document brings none of its own."""
    whole = dict(document)
    if "rule" in whole:
        if "rules" in whole:
            raise InvalidInput("INVALID_FLAG", "$.rule: a flag has either `rule` or `rules`, not both.", path="$.rule")
        whole["rules"] = [{"id": "rule", "when": whole.pop("rule"), "serve": "on"}]
    if whole.setdefault("type", "boolean") == "boolean":
        whole.setdefault("variants", {"on": True, "off": False})
    variants = whole.get("variants")
    if isinstance(variants, dict) and variants:
        whole.setdefault("offVariant", "off" if "off" in variants else next(iter(variants)))
        whole.setdefault("default", {"serve": whole["offVariant"]})
    whole.setdefault("salt", salt)
    if isinstance(rules := whole.get("rules"), list):
        whole["rules"] = [
            {"id": f"rule{n}", **rule} if isinstance(rule, dict) else rule for n, rule in enumerate(rules, 1)
        ]
    try:
        flag = msgspec.convert(whole, Flag, strict=True)
    except msgspec.ValidationError as error:
        raise InvalidInput("INVALID_FLAG", f"The flag cannot be read: {error}.") from None
    _check(flag)
    return _typed(flag)


def to_document(flag: Flag) -> dict[str, Any]:
    """The whole document, sugar expanded."""
    document: dict[str, Any] = msgspec.to_builtins(flag, builtin_types=(Decimal,))
    return {**document, "enabled": flag.enabled, "rules": document.get("rules", [])}


def _check(flag: Flag) -> None:
    def refuse(path: str, message: str) -> None:
        raise InvalidInput("INVALID_FLAG", f"{path}: {message}", path=path)

    def known(path: str, variant: str) -> None:
        if variant not in flag.variants:
            refuse(path, f"there is no variant {variant!r}; there are {', '.join(map(repr, flag.variants))}.")

    if not flag.variants:
        refuse("$.variants", "a flag needs at least one variant.")
    for name, value in flag.variants.items():
        fits = isinstance(value, _JSON_TYPES[flag.type]) and (flag.type == "boolean" or not isinstance(value, bool))
        if not fits:
            refuse(f"$.variants.{name}", f"the flag is of type {flag.type}, which this value is not.")
    known("$.offVariant", flag.off_variant)
    known("$.default.serve", flag.default.serve)
    for n, override in enumerate(flag.overrides):
        known(f"$.overrides[{n}].serve", override.serve)
        if (override.profile is None) == (override.segment is None):
            refuse(f"$.overrides[{n}]", "name either a `profile` or a `segment`.")
    seen: set[str] = set()
    for n, rule in enumerate(flag.rules):
        path = f"$.rules[{n}]"
        if rule.id in seen:
            refuse(f"{path}.id", f"the id {rule.id!r} stands twice; decisions name rules by it.")
        seen.add(rule.id)
        if (rule.serve is None) == (rule.split is None):
            refuse(path, "a rule has either `serve` or `split`.")
        if rule.serve is not None:
            known(f"{path}.serve", rule.serve)
        if rule.split is not None:
            for variant, weight in rule.split.items():
                known(f"{path}.split", variant)
                if weight < 0:
                    refuse(f"{path}.split.{variant}", "a weight is not negative.")
            if (total := sum(rule.split.values())) != BUCKETS:
                refuse(f"{path}.split", f"the weights sum to {total}; they must sum to {BUCKETS}, hundred-thousandths.")
        if rule.rollout is not None and not (
            0 <= rule.rollout <= 100 and rule.rollout * 1000 == int(rule.rollout * 1000)
        ):
            refuse(f"{path}.rollout", "a rollout is a percentage from 0 to 100 with at most three decimals.")


def _typed(flag: Flag) -> Flag:
    """A float flag's values keep their fraction on every way out: 2 becomes 2.0."""
    if flag.type != "float":
        return flag
    values = {name: Decimal(f"{v}.0") if isinstance(v, int) else Decimal(str(v)) for name, v in flag.variants.items()}
    return msgspec.structs.replace(flag, variants=values)
