"""A step with a token of Kubernetes: its kubeconfig lies in memory, the log holds stars, and a crash leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from procedures.domain.clock import now
from procedures.domain.sealing import secret_object
from procedures.evidence.queries import facts_of_run
from procedures.issuer.returning import sweep
from procedures.issuer.stock import stock_of
from procedures.models import LeaseRecord, PoolKey, Run
from procedures.runner.drive import drive
from procedures.services import versions
from tests.credentials.clusters import LOGIN, NAMESPACE, Cluster, a_cluster
from tests.engine.test_plain_key import everything_stored
from tests.factories.portal import World
from tests.factories.transitions import unevidenced

pytestmark = pytest.mark.ordinary

YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: roll}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [development]
  timeout: 20m
  credentials:
    k8s: {kind: kubernetes, ttl: 10m, account: deployer}
  steps:
    - {id: one, action: "local:script", credentials: [k8s], input: {script: look.sh}}
"""
LOOK = b'echo "at=$KUBECONFIG mode=$(stat -c %a "$KUBECONFIG") on=$(stat -f -c %T "$KUBECONFIG")"\ncat "$KUBECONFIG"\n'


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with a_cluster(tmp_path) as made:
        place = Path(settings.OPSPORTAL_KEYS_DIR) / "kubernetes-ca.pem"
        place.write_bytes(made.authority.read_bytes())
        yield made
        place.unlink()


def asked(world: World, cluster: Cluster) -> Run:
    pool = PoolKey.objects.get(environment_id="development").public
    login = json.dumps({"token": LOGIN}).encode()
    world.propose("secret", secret_object(environment="development", name="k8s", value=login, pool=pool))
    ceiling = {"server": cluster.server.url, "namespace": NAMESPACE, "secret": "k8s"}
    words = {"environment": "development", "name": "k8s", "provider": "kubernetes-token", "role": "deployer"}
    world.propose("binding", {**words, "ceiling": ceiling, "max_ttl_s": 900, "reach": {}})
    author, quinn = world.person("adam"), world.person("quinn")
    world.may(author, "author")
    files = {"procedure.yaml": YAML.encode(), "look.sh": LOOK, "README.md": b"x"}
    version = versions.submit_version(actor=author, files=files, note="", at=now())
    world.review(world.mira, version, "operations", "security", signed=True)
    world.may(quinn, "run", procedure="roll")
    return world.ask(quinn, procedure="roll")


def test_a_step_finds_its_kubeconfig_and_the_token_dies_with_the_step(world: World, cluster: Cluster) -> None:
    made = asked(world, cluster)
    drive(made.id)
    made.refresh_from_db()
    text = "".join(made.log.filter(stream="stdout").order_by("seq").values_list("text", flat=True))
    assert made.state == "succeeded", made.message + "".join(made.log.values_list("text", flat=True))
    assert text.startswith("at=/run/lent/KUBECONFIG mode=400 on=tmpfs\n{")
    (token,) = cluster.server.tokens
    assert cluster.server.url in text
    assert token not in text
    assert "***" in text
    assert token.encode() not in everything_stored()
    assert LOGIN.encode() not in everything_stored()
    assert cluster.server.secrets == {}
    assert cluster.server.who(token) == ""
    told = {fact.kind: fact.facts for fact in facts_of_run(made.id) if fact.kind.startswith("lease.")}
    assert told["lease.issued"]["evidence"]["bound"] == f"opsportal-{LeaseRecord.objects.get().pk.hex}"
    assert (told["lease.issued"]["kills_sessions"], told["lease.revoked"]["how"]) == (True, "revoked")


def test_what_a_killed_issuer_made_and_never_recorded_is_swept(world: World, cluster: Cluster) -> None:
    made = asked(world, cluster)
    drive(made.id)
    row = LeaseRecord.objects.get()
    cluster.lend(lease=row.pk)
    later = now() + timedelta(hours=1)
    with unevidenced():
        LeaseRecord.objects.update(state=LeaseRecord.State.INTENT, handle="", ended_at=None)
    assert len(cluster.server.secrets) == 1
    stock = stock_of(Path(settings.OPSPORTAL_KEYS_DIR))
    cluster.server.refuses = "secrets"
    assert sweep(stock, ["development"], at=later) == 0, "its provider does not answer: the next sweep tries again"
    cluster.server.refuses = ""
    assert sweep(stock, ["development"], at=later) == 1
    assert cluster.server.secrets == {}
    assert LeaseRecord.objects.get().state == LeaseRecord.State.REVOKED
