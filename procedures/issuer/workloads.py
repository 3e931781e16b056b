"""Whether the workload that asked for a run may still be believed, judged from the log (rules 14 and 15; H32)."""

from __future__ import annotations

from collections.abc import Sequence

from procedures.domain.controls import Authority
from procedures.evidence.queries import Fact
from procedures.issuer.refusals import LeaseRefused


def judge(authority: Authority, requester: str, facts: Sequence[Fact]) -> None:
    """Refuse what a workload asked for whose issuer or rule no signed change put in force, or is in force no more.

    The claims that the exchange wrote down are compared with the rule as it stands now: one that was made narrower
    meanwhile lends nothing to what it no longer fits. Raises LeaseRefused.
    """
    said = next((f.facts["workload"] for f in facts if f.kind == "run.requested" and "workload" in f.facts), None)
    if said is None:
        return
    rule = authority.workloads.get(("workload_rule", said["rule"]), {})
    issuer = authority.workloads.get(("trusted_issuer", rule.get("issuer", "")), {})
    for what, row in (("rule", rule), ("issuer", issuer)):
        if not row.get("stands"):
            why = "is asserted by the platform alone" if row else "is in force no more"
            raise LeaseRefused(f"The {what} by which the workload {said['sub']} was let in {why}.")
    fits = all(said["claims"].get(name) == value for name, value in rule["claims"].items())
    if rule["account"] != requester or issuer["issuer"] != said["issuer"] or not fits:
        raise LeaseRefused(f"The rule {said['rule']} does not fit the workload {said['sub']} as it stands now.")
