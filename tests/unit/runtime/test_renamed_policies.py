"""Policies whose rules name events, when events are brought to one spelling."""

from tinycdp.engine.schema.event_names import Renaming
from tinycdp.runtime.policies.limits import Limits, Sampling
from tinycdp.runtime.policies.privacy_rules import ConsentRule, PrivacyPolicy, PrivacyRule

RENAMING = Renaming("snake_case", {"signpu": "signup"})


def test_sampling_goes_by_the_stored_name_and_a_rule_for_it_goes_first() -> None:
    limits = Limits(sampling=(Sampling("Mouse Moved", 10), Sampling("signpu", 20), Sampling("signup", 30)))
    found = {rule.event: rule.percent for rule in limits.renamed(RENAMING).sampling}
    assert found == {"Mouse Moved": 10, "mouse_moved": 10, "signpu": 20, "signup": 30}


def test_privacy_and_consent_go_by_both_names() -> None:
    policy = PrivacyPolicy(
        rules=(PrivacyRule("properties.email", "drop", "signpu"), PrivacyRule("properties.ip", "mask")),
        consent=(ConsentRule(("ads",), "Signed Up"),),
    )
    found = policy.renamed(RENAMING)
    assert [(rule.path, rule.event) for rule in found.rules] == [
        ("properties.email", "signpu"),
        ("properties.ip", "*"),
        ("properties.email", "signup"),
    ]
    assert [rule.event for rule in found.consent] == ["Signed Up", "signed_up"]


def test_as_many_rules_as_a_policy_may_have_can_be_renamed() -> None:
    limits = Limits(sampling=tuple(Sampling(f"Mouse {n} Moved", 10) for n in range(1_000)))
    assert len(limits.renamed(RENAMING).sampling) == 1_000
    rules = tuple(PrivacyRule("properties.email", "drop", f"Event {n}") for n in range(500))
    assert len(PrivacyPolicy(rules=rules).renamed(RENAMING).rules) == 1_000
