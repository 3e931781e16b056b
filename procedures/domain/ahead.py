"""Approvals given ahead: for some runs of one signed schedule, as long as each would do what was looked at (H24).

Used alike by the service, by the issuer and by pages, so that they cannot differ. What is approved is a plan, not a
form: the plan of a run but for the names that one run has alone (its id, its number).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from procedures.domain.canonical import canon, moment, sha256_hex
from procedures.domain.continuing import OWN
from procedures.domain.definition import RISKS

GIVEN, USED, TAKEN_BACK = "standing.approved_ahead", "run.approved_ahead", "standing.taken_back"
TYPE = "opsportal/pre-approval/v1"
LONGEST = timedelta(days=90)
MOST_RUNS = 2_500  # one an hour, for ninety days
MOST_BYTES = 1_000_000  # of a plan, which the evidence of the approval holds whole
MOST_SIGNED = 60_000  # of a statement, which people read and sign
NAMED = ("schedule", "change", "procedure", "digest", "environment", "account", "targets", "plan", "runs", "not_after")


def work(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What a plan would do: all of it but what names the run itself."""
    return {name: value for name, value in plan.items() if name not in OWN}


def own(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What names the run itself; with `work` it is the plan again."""
    return {name: value for name, value in plan.items() if name in OWN}


def work_digest(plan: Mapping[str, Any]) -> str:
    return "sha256:" + sha256_hex(canon(work(plan)))


def allowed(rules: Mapping[str, Any], risk: str) -> bool:
    """Whether an environment's rules let approvals be given ahead at this risk; never at high risk in production."""
    up_to = str(rules.get("ahead_up_to", ""))
    if up_to not in RISKS or (rules["production"] and risk == RISKS[-1]):
        return False
    return RISKS.index(risk) <= RISKS.index(up_to)


def latest(given_at: datetime, expires_at: datetime) -> datetime:
    """Until when one that is given now may count: ninety days, and never beyond the schedule's end."""
    return min(given_at + LONGEST, expires_at)


def targets_of(plan: Mapping[str, Any]) -> list[str]:
    return sorted(row["name"] for row in plan["targets"])


def statement(
    *,
    schedule: str,
    change: UUID,
    account: str,
    plan: Mapping[str, Any],
    runs: int,
    not_after: datetime,
    approver: UUID,
    portal: str,
    fresh: str,
) -> dict[str, Any]:
    """What a person signs to approve this plan ahead. Its nonce is the name by which each use is counted."""
    return {
        "type": TYPE,
        "schedule": schedule,
        "change": str(change),
        "procedure": plan["procedure"],
        "digest": plan["digest"],
        "environment": plan["environment"],
        "account": account,
        "parameters": plan["parameters"],
        "targets": targets_of(plan),
        "plan": work_digest(plan),
        "runs": runs,
        "not_after": moment(not_after),
        "approver": str(approver),
        "nonce": fresh,
        "portal": portal,
    }
