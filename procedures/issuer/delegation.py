"""Whether software stands behind a run, judged from the log: no table makes an agent a person again (H38)."""

from __future__ import annotations

from collections.abc import Sequence

from procedures.domain.controls import Authority
from procedures.domain.software import DELEGATOR
from procedures.evidence.queries import Fact, stopped_agents
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Person, Run


def asked_by_software(authority: Authority, run: Run, facts: Sequence[Fact]) -> bool:
    """Any one source that says so is enough; an agent that no signed change made, or that is stopped, is refused."""
    subject = str(run.requester.subject)
    chain = [link for fact in facts if fact.kind == "run.requested" for link in fact.facts["chain"]]
    behind = {link["by"] for link in chain} | {subject}
    agents = behind & set(authority.agents)
    if run.requester.kind == Person.Kind.AGENT:
        agents.add(subject)
    for agent in agents:
        if not authority.agents.get(agent, {}).get("stands"):
            raise LeaseRefused("The agent that asked is asserted by the platform alone.")
    if agents and (stopped := stopped_agents()) & (agents | {"*"}):
        raise LeaseRefused("All agents are stopped." if "*" in stopped else "The agent that asked was stopped.")
    _signed_account(authority, run, subject)
    return bool(agents) or any(link["role"] == DELEGATOR for link in chain)


def _signed_account(authority: Authority, run: Run, subject: str) -> None:
    """In production a service account is one that a signed change made: else nobody is known to stand behind it."""
    service = run.requester.kind == Person.Kind.SERVICE or subject in authority.owners.keys() - authority.agents.keys()
    if run.environment_id in authority.production and service and not authority.accounts.get(subject, {}).get("stands"):
        raise LeaseRefused("The service account that asked is asserted by the platform alone.")
