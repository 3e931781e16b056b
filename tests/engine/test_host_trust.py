"""A run over a restricted key through the issuer: the log says at which level a host is, not a table or a plan."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from procedures.domain.canonical import parse
from procedures.issuer.issue import target_judged
from procedures.issuer.keys import ca_public
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import PoolKey, Run, Target, Task
from procedures.runner.drive import drive
from tests.engine.test_plain_key import Place, place
from tests.ssh.test_restricted import placed

__all__ = ["place"]
pytestmark = pytest.mark.ordinary


def raised(place: Place, level: str) -> None:
    """The host's level of trust, changed as people change it."""
    row = Target.objects.get(name="web-01", ended_at__isnull=True)
    names = ("name", "address", "port", "host_key", "tags", "attributes")
    object = {**{name: getattr(row, name) for name in names}, "environment": row.environment_id, "action": "set"}
    place.world.propose("target", {**object, "trust": level})


def restricted(place: Place) -> None:
    """A second key, sealed, bound beside the plain one, and let in by the host for signed commands alone."""
    from procedures.domain.sealing import secret_object

    place.seal()
    place.furnish()
    one = place.host.folder / "restricted"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(one)], check=True)
    authority = ca_public(Path(settings.OPSPORTAL_KEYS_DIR), "development")
    placed(place.host, authority, one.with_suffix(".pub").read_text(), "127.0.0.1/32")
    pool = PoolKey.objects.get(environment_id="development").public
    box = secret_object(environment="development", name="restricted-key", value=one.read_bytes(), pool=pool)
    place.world.propose("secret", box)
    bound = {"environment": "development", "name": "deploy", "provider": "ssh-key", "role": place.host.account}
    ceiling = {"secret": "deploy-key", "restricted": "restricted-key"}
    place.world.propose("binding", {**bound, "ceiling": ceiling, "max_ttl_s": 300, "reach": {}})


def levels(run: Run) -> list[str]:
    return [lease.facts["level"] for lease in run.leases.all()]


def test_a_host_at_a_restricted_key_runs_what_the_issuer_signed(place: Place) -> None:
    restricted(place)
    raised(place, "restricted")
    run = place.run()
    log = "".join(run.log.order_by("seq").values_list("text", flat=True))
    assert (run.state, log.strip()) == ("succeeded", place.host.account), log
    assert levels(run) == ["restricted"]
    assert Task.objects.get(run=run).facts["level"] == "restricted"


def test_a_table_that_says_less_than_the_log_changes_nothing(place: Place) -> None:
    restricted(place)
    raised(place, "restricted")
    quinn = place.world.person("quinn")
    place.world.may(quinn, "run", procedure="who-am-i")
    Target.objects.filter(ended_at__isnull=True).update(trust="key")
    run = place.world.ask(quinn, procedure="who-am-i")
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, levels(run)) == ("succeeded", ["restricted"])


def test_a_host_weaker_than_the_plan_that_was_approved_gets_nothing(place: Place) -> None:
    restricted(place)
    raised(place, "restricted")
    quinn = place.world.person("quinn")
    place.world.may(quinn, "run", procedure="who-am-i")
    plan = parse(bytes(place.world.ask(quinn, procedure="who-am-i").plan))
    assert target_judged(replay(), plan, "web-01").trust == "restricted"
    raised(place, "certificate")
    assert target_judged(replay(), plan, "web-01").trust == "certificate", "stronger than planned is well"
    raised(place, "key")
    with pytest.raises(LeaseRefused, match="weaker now"):
        target_judged(replay(), plan, "web-01")


def test_the_plan_the_run_and_the_target_say_what_a_restricted_key_leaves_open(place: Place, client: Client) -> None:
    restricted(place)
    raised(place, "restricted")
    run = place.run()
    place.world.may(run.requester, "operate")
    client.force_login(run.requester)
    for path in (f"/runs/{run.id}/?tab=plan", f"/runs/{run.id}/", "/environments/development/target/?name=web-01"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "Nothing ends it by itself" in answer.content.decode(), path
