"""What a host makes: over a real sshd, one for each target, in no log of either side."""

from __future__ import annotations

import json

import pytest

from procedures.domain import age
from procedures.domain.clock import now
from procedures.runner.drive import drive
from procedures.services import results
from tests.engine import test_plain_key
from tests.engine.test_plain_key import Place, everything_stored, place
from tests.engine.test_results import CANARY, MAKE, found
from tests.engine.test_runs import text

pytestmark = pytest.mark.ordinary
__all__ = ["place"]
STEP = b"{id: who, action: 'ssh:command', credentials: [deploy], timeout: 20s, input: {argv: [sh, -c, %s]}}\n"
YAML = test_plain_key.YAML[: test_plain_key.YAML.index(b"  steps:")] + (
    b"  steps:\n    - " + STEP % json.dumps(MAKE).encode() + b"  output:\n    secrets:\n"
    b"      password: {value: '${{ steps.who.output.password }}', deliver: once}\n"
)


def test_what_a_host_made_is_masked_sealed_and_named_after_its_target(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_plain_key, "YAML", YAML)
    place.seal()
    place.furnish()
    quinn = place.world.person("quinn", key=True)
    place.world.may(quinn, "run", procedure="who-am-i")
    run = place.world.ask(quinn, procedure="who-am-i")
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "succeeded", run.message + text(run)
    assert "making ***" in text(run)
    row = run.results.select_related("task").get()
    assert (row.task.target, row.state) == ("web-01", "kept")
    assert not found(everything_stored())
    assert not found(place.host.log.encode())
    _, file = results.fetch_result(actor=quinn, run=run.id, result=row.id, at=now())
    assert age.decrypt(file, place.world.keys["quinn"]).decode() == CANARY
