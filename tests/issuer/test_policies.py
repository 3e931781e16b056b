"""What the log says that policies asked of an acceptance, as the issuer counts it."""

from __future__ import annotations

from typing import Any

from procedures.evidence.queries import Fact
from procedures.issuer.judgement import _asked_by_policies as asked
from procedures.issuer.policies import begun_at


def fact(kind: str, digest: str = "d", **facts: Any) -> Fact:
    return Fact("", kind, "", {"digest": digest, **facts}, None, [])


def test_the_last_decision_on_these_bytes_and_the_acceptance_count_together() -> None:
    facts = [
        fact("policy.decided", stage="submit", required={"security": 3}),
        fact("policy.decided", stage="submit", required={"security": 1}),
        fact("policy.decided", digest="other", stage="submit", required={"operations": 9}),
        fact("version.accepted", policy={"required": {"compliance": 1}}),
    ]
    assert asked(facts, "d") == {"security": 1, "compliance": 1}
    assert asked([fact("version.accepted")], "d") == {}


def test_the_moment_of_an_event_is_read_from_its_id() -> None:
    assert begun_at("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").isoformat() == "2022-02-22T19:22:22+00:00"
