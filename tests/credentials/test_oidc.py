"""`oidc-workload`: what the issuer signs is believed by who learned its keys from the web tier, and no more."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from procedures.credentials.oidc_workload import OidcWorkload
from procedures.domain.clock import now
from procedures.domain.identity_tokens import AFTER, AHEAD, NoSubject, Ring, issuer_of, ring, signed, subject
from procedures.domain.ports import Lease
from procedures.evidence.queries import facts_of_kinds
from procedures.issuer import identity_keys
from procedures.issuer.identity_keys import IdentityKeys
from procedures.models import PortalSetting
from procedures.services.identity_keys import IdentityKeysDiffer
from procedures.ssh.accounts import NotIssuable
from tests.credentials.clouds import ROLE, Cloud
from tests.credentials.identities import AUDIENCE, NEED, ORIGIN, Party, binding, key_of, provider
from tests.fixtures.databases import FreshDatabase
from tests.fixtures.serving import free_port, served
from tests.postgres.conftest import context

DIGEST = "sha256:" + "a" * 64
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k"}


@dataclass(frozen=True, slots=True)
class Portal:
    """A web tier that is served, and issuers of two environments whose keys lie in a folder that it does not know."""

    url: str
    folder: Path

    @property
    def keys(self) -> IdentityKeys:
        return IdentityKeys(self.folder, self.url)

    def lend(self, environment: str = "staging", *, at: datetime | None = None, **of_run: Any) -> Lease:
        who = replace(context(), environment=environment, **of_run)
        made = OidcWorkload(self.keys, self.url)
        return made.issue(who, NEED, binding(), uuid4(), at=at or now(), ttl_s=60)

    def token(self, environment: str = "staging", **more: Any) -> str:
        return self.lend(environment, **more).material["token"].reveal().decode()

    def party(self, **more: Any) -> Party:
        return Party(issuer_of(self.url, "staging"), **more)

    def kids(self, environment: str = "staging") -> list[str]:
        answer = httpx.get(f"{issuer_of(self.url, environment)}/jwks", timeout=60).raise_for_status()
        return [key["kid"] for key in answer.json()["keys"]]


@pytest.fixture
def portal(fresh_database: FreshDatabase, tmp_path: Path) -> Iterator[Portal]:
    with served(fresh_database, free_port(), tmp_path / "web.log") as url:
        yield Portal(url, tmp_path / "keys")


def forged(token: str, *, head: Mapping[str, Any] | None = None, claims: Mapping[str, Any] | None = None) -> str:
    """The token with other words and its old signature."""
    parts = token.split(".")
    for number, more in ((0, head), (1, claims)):
        words = json.loads(base64.urlsafe_b64decode(parts[number] + "=="))
        parts[number] = base64.urlsafe_b64encode(json.dumps(words | (more or {})).encode()).rstrip(b"=").decode()
    return ".".join(parts)


def test_an_independent_library_believes_what_was_signed_and_nothing_like_it(portal: Portal) -> None:
    assert httpx.get(f"{portal.url}/identity/staging/jwks", timeout=60).status_code == 404, "nothing was signed yet"
    token = portal.token()
    claims = portal.party(begins=f"environment:staging:procedure:report:digest:{DIGEST}:").believes(token)
    assert (claims["digest"], claims["requester"], claims["environment"]) == (DIGEST, "rita", "staging")
    assert claims["exp"] - claims["iat"] == 60
    foreign = portal.token("production")
    kid = jwt.get_unverified_header(token)["kid"]
    head, middle, _ = forged(token, head={"alg": "none"}).split(".")
    (shown,) = httpx.get(f"{portal.url}/identity/staging/jwks", timeout=60).json()["keys"]
    secret = signed_by_hmac(claims, kid, shown["n"])
    attacks: Mapping[str, tuple[Party, str]] = {
        "another audience": (portal.party(audience="vault"), token),
        "another environment's token": (portal.party(), foreign),
        "another environment's key under this one's name": (portal.party(), forged(foreign, head={"kid": kid})),
        "what another environment says of itself": (portal.party(), by_another(portal, claims, kid)),
        "expired": (portal.party(), portal.token(at=now() - timedelta(minutes=2))),
        "not yet": (portal.party(), portal.token(at=now() + timedelta(minutes=2))),
        "no signature": (portal.party(), f"{head}.{middle}."),
        "the public key as a password": (portal.party(), secret),
        "another digest written in": (portal.party(), forged(token, claims={"digest": "sha256:" + "b" * 64})),
        "a run of another digest": (
            portal.party(begins=f"environment:staging:procedure:report:digest:{DIGEST}:"),
            portal.token(digest="sha256:" + "b" * 64),
        ),
        "another procedure": (portal.party(begins="environment:staging:procedure:lock:"), token),
    }
    for what, (party, shown_token) in attacks.items():
        with pytest.raises(jwt.PyJWTError):
            pytest.fail(f"{what}: {party.believes(shown_token)}")
    assert httpx.get(f"{portal.url}/identity/nowhere/jwks", timeout=60).status_code == 404
    assert portal.party().about["issuer"] == f"{portal.url}/identity/staging"


def signed_by_hmac(claims: Mapping[str, Any], kid: str, secret: str) -> str:
    return jwt.encode(dict(claims), secret, algorithm="HS256", headers={"kid": kid})


def by_another(portal: Portal, claims: Mapping[str, Any], kid: str) -> str:
    """What production's issuer would sign if it wanted to speak for staging."""
    signer = portal.keys.signer("production", at=now())
    return signed(claims, replace(signer, kid=kid)).decode()


def test_the_web_tier_shows_public_halves_and_holds_no_private_one(portal: Portal) -> None:
    for environment in ("staging", "production"):
        portal.lend(environment)
        answer = httpx.get(f"{portal.url}/identity/{environment}/jwks", timeout=60)
        assert answer.headers["cache-control"] == "public, max-age=300"
        (key,) = answer.json()["keys"]
        assert not PRIVATE & set(key)
        stored = json.dumps(PortalSetting.objects.get(pk="identity-keys").value)
        for path in portal.folder.iterdir():
            assert path.stat().st_mode & 0o777 == 0o600
            for line in path.read_text().splitlines()[1:-1]:
                assert line not in stored
    assert not set(portal.kids()) & set(portal.kids("production"))


def test_keys_are_turned_without_a_moment_in_which_a_good_token_is_refused(portal: Portal) -> None:
    begun = now() - AHEAD - timedelta(minutes=5)
    identity_keys.make(portal.folder, "staging", at=begun - timedelta(days=90))
    old = portal.token()
    (first,) = portal.kids()
    second = identity_keys.make(portal.folder, "staging", at=now())
    portal.keys.turn()
    assert portal.kids()[0] == first, "the id of a key is the key's own and stays"
    assert len(portal.kids()) == 2
    assert jwt.get_unverified_header(portal.token())["kid"] == first, "the new one is shown and does not sign yet"
    second.rename(second.with_name(f"identity.staging.{begun:{identity_keys.STAMP}}.pem"))
    new = portal.token()
    assert jwt.get_unverified_header(new)["kid"] == portal.kids()[1]
    assert portal.party().believes(old)
    assert portal.party().believes(new)
    long_ago = begun - AFTER
    (path,) = [path for path in portal.folder.iterdir() if f"{begun:{identity_keys.STAMP}}" in path.name]
    path.rename(path.with_name(f"identity.staging.{long_ago:{identity_keys.STAMP}}.pem"))
    portal.keys.turn()
    assert len(list(portal.folder.iterdir())) == len(portal.kids()) == 1
    with pytest.raises(jwt.PyJWTError):
        portal.party().believes(old)
    told = [fact.facts for fact in facts_of_kinds("identity.keys_shown")]
    assert [len(facts["keys"]) for facts in told] == [1, 2, 1]


def test_a_stolen_key_is_replaced_at_once(portal: Portal) -> None:
    stolen = portal.token()
    identity_keys.replace(portal.folder, "staging", at=now())
    fresh = portal.token()
    with pytest.raises(jwt.PyJWTError):
        portal.party().believes(stolen)
    assert portal.party().believes(fresh)
    assert len(list(portal.folder.iterdir())) == 1, "what was ended is gone once nobody is shown it"


@pytest.mark.django_db
def test_a_key_that_somebody_wrote_into_the_table_stops_the_issuer(tmp_path: Path) -> None:
    mine = Portal(ORIGIN, tmp_path)
    mine.lend()
    row = PortalSetting.objects.get(pk="identity-keys")
    theirs = {**row.value["staging"][0], "kid": "theirs"}
    PortalSetting.objects.update(value={"staging": [*row.value["staging"], theirs]})
    with pytest.raises(IdentityKeysDiffer, match="theirs, which is not its issuer's"):
        mine.lend()
    with pytest.raises(IdentityKeysDiffer):
        mine.keys.turn()
    mine.lend("production")


def test_aws_is_shown_the_very_token(cloud: Cloud) -> None:
    """moto gives keys and checks nothing: what is asked of it is looked at."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    lease = provider().issue(context(), NEED, binding(), uuid4(), at=now(), ttl_s=60)
    client = boto3.client("sts", "eu-central-1", endpoint_url=cloud.url, config=Config(signature_version=UNSIGNED))
    token = lease.files["AWS_WEB_IDENTITY_TOKEN_FILE"].reveal().decode()
    said = client.assume_role_with_web_identity(RoleArn=ROLE, RoleSessionName="unlock", WebIdentityToken=token)
    (asked,) = [row for row in cloud.asked if row["Action"] == "AssumeRoleWithWebIdentity"]
    claims = jwt.decode(asked["WebIdentityToken"], key_of("staging").public_key(), ["RS256"], audience=AUDIENCE)
    assert (claims["jti"], claims["sub"]) == (str(lease.id), lease.evidence["sub"])
    assert said["Credentials"]["AccessKeyId"]


def test_asked_for_twice_it_is_one_token_and_each_lease_has_its_own(tmp_path: Path) -> None:
    made, number, at = provider(), uuid4(), now()
    first = made.issue(context(), NEED, binding(), number, at=at, ttl_s=60)
    again = made.issue(context(), NEED, binding(), number, at=at + timedelta(seconds=30), ttl_s=60)
    other = made.issue(context(), NEED, binding(), uuid4(), at=at, ttl_s=60)
    assert first.material["token"].reveal() == again.material["token"].reveal()
    assert first.expires_at == again.expires_at, "asking again makes no longer life"
    assert first.evidence["jti"] != other.evidence["jti"]
    assert made.revoke(first.handle, "over") == "expires-only"


BAD: Mapping[str, tuple[dict[str, Any], Any]] = {
    "no audience declared": ({}, {}),
    "another audience declared": ({}, {"audience": "vault"}),
    "a wildcard": ({"role": "*"}, {"audience": "*"}),
    "the portal's own door": ({"role": f"{ORIGIN}/mcp"}, {"audience": f"{ORIGIN}/mcp"}),
    "no variable": ({"ceiling": {}}, None),
    "a variable that leads programs": ({"ceiling": {"env": "LD_PRELOAD"}}, None),
    "a file for a variable of the portal": ({"ceiling": {"file": "OPSPORTAL_OUTPUT"}}, None),
    "a day": ({"max_ttl_s": 86_400}, None),
}


@pytest.mark.parametrize("what", BAD)
def test_a_token_is_for_the_audience_that_both_procedure_and_binding_name(what: str) -> None:
    changes, scope = BAD[what]
    need = replace(NEED, ttl_s=86_400, scope=NEED.scope if scope is None else scope)
    provider().validate(replace(need, scope=NEED.scope), binding())
    with pytest.raises(NotIssuable):
        provider().issue(context(), need, binding(**changes), uuid4(), at=now(), ttl_s=60)


def test_a_subject_goes_from_the_wide_to_the_narrow_and_nothing_slips_into_its_neighbour() -> None:
    words = {"environment": "staging", "procedure": "report", "digest": DIGEST, "step": "call/one", "run": "0-1"}
    assert re.fullmatch(f"environment:staging:procedure:report:digest:{DIGEST}:step:call/one:run:0-1", subject(**words))
    for changed in (
        {"procedure": "x:digest:y"},
        {"step": "*"},
        {"digest": "sha256:x"},
        {"environment": ""},
        {"step": "s" * 200},
    ):
        with pytest.raises(NoSubject):
            subject(**words | changed)


def test_which_key_signs_and_which_are_shown() -> None:
    at, hour = now(), timedelta(hours=1)
    assert ring({"a": at}, at=at) == Ring("a", ("a",), ())
    two = {"a": at - 90 * hour, "b": at}
    assert ring(two, at=at + 23 * hour) == Ring("a", ("a", "b"), ())
    assert ring(two, at=at + 24 * hour) == Ring("b", ("a", "b"), ())
    assert ring(two, at=at + 48 * hour) == Ring("b", ("b",), ("a",))
    three = {**two, "c": at + hour}
    assert ring(three, at=at + 30 * hour) == Ring("c", ("a", "b", "c"), ())
    assert ring(three, at=at + 60 * hour) == Ring("c", ("c",), ("a", "b"))
