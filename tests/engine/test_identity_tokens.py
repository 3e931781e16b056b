"""A step that is lent an identity token: it lies in memory, the log holds stars, and what was not accepted has none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from django.conf import settings

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.domain.lending import Lend
from procedures.evidence.queries import facts_of_run
from procedures.issuer.refusals import LeaseRefused
from procedures.models import LeaseRecord, PortalSetting, Run, Runner
from procedures.runner import drive
from procedures.services import claims, versions
from procedures.ssh.accounts import NotIssuable
from tests.engine.test_plain_key import everything_stored
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary

YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: assume}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [development]
  credentials:
    who: {kind: oidc, ttl: 2m, audience: sts.amazonaws.com}
  steps:
    - {id: one, action: "local:script", credentials: [who], input: {script: look.sh}}
    - {id: none, action: "local:script", input: {script: look.sh}}
"""
LOOK = b"""\
f="$AWS_WEB_IDENTITY_TOKEN_FILE"
test -n "$f" || { echo nothing; exit 0; }
echo "at=$f mode=$(stat -c %a "$f") on=$(stat -f -c %T "$f") left=$(ls -A /scratch | tr '\\n' ' ')"
(: >"$f") 2>/dev/null && echo written
cat "$f"
"""


@pytest.fixture
def furnished(world: World) -> Iterator[World]:
    words = {"environment": "development", "name": "who", "provider": "oidc-workload", "role": "sts.amazonaws.com"}
    ceiling = {"file": "AWS_WEB_IDENTITY_TOKEN_FILE"}
    world.propose("binding", {**words, "ceiling": ceiling, "max_ttl_s": 300, "reach": {}})
    yield world
    for path in Path(settings.OPSPORTAL_KEYS_DIR).glob("identity.*"):
        path.unlink()


def asked(world: World, text: str = YAML) -> Run:
    author, quinn = world.person("adam"), world.person("quinn")
    world.may(author, "author")
    files = {"procedure.yaml": text.encode(), "look.sh": LOOK, "README.md": b"x"}
    version = versions.submit_version(actor=author, files=files, note="", at=now())
    world.review(world.mira, version, "operations", "security", signed=True)
    world.may(quinn, "run", procedure="assume")
    return world.ask(quinn, procedure="assume")


def text(made: Run, step: str) -> str:
    return "".join(made.log.filter(task__step=step, stream="stdout").order_by("seq").values_list("text", flat=True))


def test_a_step_finds_its_token_in_a_file_that_lies_on_no_disk(furnished: World) -> None:
    made = asked(furnished)
    drive.drive(made.id)
    made.refresh_from_db()
    assert made.state == "succeeded", made.message
    first, rest = text(made, "one").split("\n", 1)
    place = "/run/lent/AWS_WEB_IDENTITY_TOKEN_FILE"
    assert first == f"at={place} mode=400 on=tmpfs left=.output .parameters.json "
    assert set(rest.strip()) == {"*"}, "the step prints it, and the log holds stars"
    assert text(made, "none") == "nothing\n"
    assert not re.search(rb"eyJ[\w-]+\.eyJ", everything_stored())
    lease = LeaseRecord.objects.get()
    told = {fact.kind: fact.facts for fact in facts_of_run(made.id) if fact.kind.startswith("lease.")}
    assert set(told) == {"lease.intent", "lease.issued", "lease.revoked"}
    assert told["lease.issued"]["evidence"]["sub"].endswith(f":digest:{made.digest}:step:one:run:{made.id}")
    assert (told["lease.issued"]["evidence"]["jti"], told["lease.issued"]["kills_sessions"]) == (str(lease.pk), False)
    assert told["lease.revoked"]["how"] == "expires-only", "it is said that it lives until its time"


def lent(made: Run) -> Lend:
    taken = claims.claim_run(run=made.pk, runner=Runner.objects.get(pk=drive.identity().id), at=now())
    assert taken is not None
    return Lend(made.pk, taken.token, "one", "", 1, "who")


def test_the_token_says_what_was_accepted_whatever_the_tables_say(furnished: World) -> None:
    made = asked(furnished)
    want = lent(made)
    with drive.issuer("development").lend(want) as lease, drive.issuer("development").lend(want) as other:
        (key,) = PortalSetting.objects.get(pk="identity-keys").value["development"]
        tokens = [one.material["token"].reveal().decode() for one in (lease, other)]
        one, two = (jwt.decode(token, jwt.PyJWK(key).key, ["RS256"], audience="sts.amazonaws.com") for token in tokens)
        assert (one["digest"], one["procedure"], one["requester"]) == (made.digest, "assume", "quinn")
        assert one["jti"] != two["jti"], "asked for twice, each is on record"
        assert LeaseRecord.objects.filter(state="issued").count() == 2
    Run.objects.update(digest="sha256:" + "b" * 64)
    with pytest.raises(LeaseRefused), drive.issuer("development").lend(want):
        raise AssertionError("a run of another digest was lent a token")
    Run.objects.update(digest=made.digest)
    with (
        pytest.raises(LeaseRefused),
        drive.issuer("development").lend(Lend(want.run, want.claim, "none", "", 1, "who")),
    ):
        raise AssertionError("a step that does not name it was lent a token")


def test_a_digest_that_declares_another_audience_gets_no_token(furnished: World) -> None:
    made = asked(furnished, YAML.replace("audience: sts.amazonaws.com", "audience: vault"))
    with pytest.raises(NotIssuable, match="audience"), drive.issuer("development").lend(lent(made)):
        raise AssertionError("it was lent")
    assert not LeaseRecord.objects.exclude(state="revoked").exists()


def test_one_that_declares_none_is_not_even_submitted(furnished: World) -> None:
    with pytest.raises(InvalidInput) as refused:
        asked(furnished, YAML.replace(", audience: sts.amazonaws.com", ""))
    assert "says its audience" in str(refused.value.problems)
