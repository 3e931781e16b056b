"""What people signed changes something once: handed in again, or written into the log again, it brings nothing back."""

from __future__ import annotations

from typing import Any

import pytest

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.statements import StatementMismatch
from procedures.evidence import verify
from procedures.issuer.replay import replay
from procedures.models import ControlChange, Grant
from procedures.services import controls
from tests.evidence.conftest import Log
from tests.evidence.test_asserted import written
from tests.factories.portal import SOON

pytestmark = pytest.mark.ordinary


def given_and_ended(log: Log) -> tuple[dict[str, Any], ControlChange]:
    """Access to production that Mira gave, and that she ended."""
    tina = log.world.person("tina")
    object = {"principal": f"person:{tina.subject}", "verbs": ["view"], "environments": ["production"], "reason": "x"}
    object |= {"not_before": moment(now()), "expires_at": SOON}
    change = log.world.propose("grant", object)
    log.world.propose("grant_end", {"grant": str(change.pk), "reason": "over"})
    return object, change


def test_access_that_ended_is_not_given_again_by_the_words_that_gave_it(log: Log) -> None:
    """Whoever writes to the log has the true statement, with its true signature, and writes it once more."""
    object, change = given_and_ended(log)
    again = written("grant", object, bytes(change.statement), tuple(change.signatures))
    assert not replay().grants[again]["stands"]
    assert replay().asserted, "and it is told"
    found = verify.verify(log.pack(), log.key)["asserted"]
    assert [(one["control"], one["why"]) for one in found] == [("grant", "its statement stands in the log before")]


def test_a_statement_is_handed_in_once(log: Log) -> None:
    """A browser that kept it, or whoever read it on the way, hands it in a second time."""
    object, change = given_and_ended(log)
    signature = log.world.signed("mira", bytes(change.statement))
    with pytest.raises(StatementMismatch, match="handed in before"):
        controls.propose(actor=log.world.mira, control="grant", object=object, signature=signature, at=now())
    assert Grant.objects.filter(person__username="tina", revoked_at__isnull=True).count() == 0
