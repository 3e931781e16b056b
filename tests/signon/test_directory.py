"""Signing in with a real directory: over checked encryption, as the person, with what was typed as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.models import Identity, IdentityProvider, Person
from procedures.services import identities, sessions
from procedures.services.sessions import ACCOUNT_TRIES, TRIES
from tests.factories.portal import World
from tests.fixtures import identity_providers
from tests.signon.certificates import signed_by_itself

pytestmark = pytest.mark.once
CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
allow bind_anon_cred
database mdb
suffix "dc=example,dc=com"
directory {folder}/db
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"""
LDIF = """
dn: dc=example,dc=com
objectClass: domain
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: uid=ann,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: ann
cn: Ann Lee
sn: Lee
mail: ann@example.com
userPassword: ann's own password
memberOf: cn=Ops,ou=people,dc=example,dc=com

dn: uid=bob\\, the (1st*),ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: bob, the (1st*)
cn: Bob
sn: Ray
userPassword: bob's own password

dn: uid=finder,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: finder
cn: Finder
sn: Finder
userPassword: finds people

dn: cn=eng,ou=people,dc=example,dc=com
objectClass: groupOfNames
cn: eng
member: uid=ann,ou=people,dc=example,dc=com

dn: cn=all,ou=people,dc=example,dc=com
objectClass: groupOfNames
cn: all
member: uid=ann,ou=people,dc=example,dc=com
member: uid=bob\\, the (1st*),ou=people,dc=example,dc=com
"""
BASE = "ou=people,dc=example,dc=com"


@dataclass(frozen=True)
class Directory:
    """The running directory: its ports, and the certificate that it shows."""

    plain: int
    encrypted: int
    certificate: str

    def object(self, **more: Any) -> dict[str, Any]:
        settings = {
            "url": f"ldaps://localhost:{self.encrypted}",
            "subject": "entryUUID",
            "ca": self.certificate,
            "person_dn": f"uid={{username}},{BASE}",
            "group_base": BASE,
            **more.pop("settings", {}),
        }
        return {
            "name": "corp",
            "title": "Corp directory",
            "protocol": "ldap",
            "settings": {key: value for key, value in settings.items() if value is not None},
            "groups": {f"CN=Eng, {BASE}": "developers", f"cn=ops,{BASE}": "helpers", f"cn=none,{BASE}": "nobody"},
            "authority": False,
            "provision": True,
            "action": "set",
            **more,
        }


@pytest.fixture(scope="module")
def directory() -> Iterator[Directory]:
    plain, encrypted, pair = (
        identity_providers.free_port(),
        identity_providers.free_port(),
        signed_by_itself("localhost"),
    )
    files = {"slapd.conf": CONF, "data.ldif": LDIF, "cert.pem": pair.certificate, "key.pem": pair.key}
    with identity_providers.directory(files, plain=plain, encrypted=encrypted):
        yield Directory(plain, encrypted, pair.certificate)


@pytest.fixture
def trusted(world: World, directory: Directory, secrets: Path) -> Any:
    def let_in(**more: Any) -> None:
        world.confirmed("identity_provider", directory.object(**more))

    (secrets / "corp").write_text("finds people\n")
    let_in()
    return let_in


def sign_in(username: str, password: str, address: str = "192.0.2.9") -> tuple[int, Person | None, str]:
    client = Client(HTTP_HOST="localhost:8000", REMOTE_ADDR=address)
    answer = client.post("/login/with/corp/", {"username": username, "password": password, "next": "//evil.example"})
    found = client.session.get("_auth_user_id")
    text = answer["Location"] if answer.status_code == 302 else answer.content.decode()
    return answer.status_code, Person.objects.get(pk=found) if found else None, text


SEARCHING = {"person_dn": None, "base": BASE, "bind_dn": f"uid=finder,{BASE}"}


@pytest.mark.parametrize("ways", [{}, SEARCHING, {"start_tls": True}], ids=["as the person", "found first", "StartTLS"])
def test_the_whole_way_gives_an_account_in_the_mapped_groups(
    trusted: Any, directory: Directory, ways: dict[str, Any]
) -> None:
    more = {"url": f"ldap://localhost:{directory.plain}"} if "start_tls" in ways else {}
    trusted(settings={**ways, **more})
    status, ann, onward = sign_in("ann", "ann's own password")
    assert (status, onward) == (302, "/")
    assert ann is not None
    assert (ann.username, ann.name, ann.email) == ("ann", "Ann Lee", "ann@example.com")
    assert {m.group.name for m in ann.memberships.all()} == {"developers", "helpers"}
    assert len(Identity.objects.get().subject) == 36, "the entry's own lasting id, not its name"
    assert sign_in("ANN", "ann's own password")[1] == ann


WRONG = (
    ("ann", "wrong"),
    ("ann", ""),
    ("", ""),
    ("nobody", "x"),
    ("*", "ann's own password"),
    ("ann)(uid=*", "ann's own password"),
    ("ann,ou=people,dc=example,dc=com", "ann's own password"),
    ("ann\0", "ann's own password"),
    (f"finder,{BASE}", "finds people"),
)


@pytest.mark.parametrize("ways", [{}, SEARCHING], ids=["as the person", "found first"])
def test_nothing_but_the_persons_own_password_opens_and_a_name_of_special_characters_is_a_name(
    trusted: Any, ways: dict[str, Any]
) -> None:
    trusted(settings=ways)
    for username, password in WRONG:
        status, person, text = sign_in(username, password)
        assert (status, person) == (403, None), username
        assert "Name or password is wrong." in text, username
    assert not Identity.objects.exists()
    status, bob, _ = sign_in("bob, the (1st*)", "bob's own password")
    assert status == 302
    assert bob is not None
    assert bob.name == "Bob"


def test_a_directory_with_another_certificate_or_another_name_gets_no_password(
    trusted: Any, directory: Directory
) -> None:
    wrong = {
        "another authority": {"ca": signed_by_itself("localhost").certificate},
        "the system's authorities": {"ca": None},
        "another name": {"url": f"ldaps://127.0.0.1:{directory.encrypted}"},
        "another name, StartTLS": {"url": f"ldap://127.0.0.1:{directory.plain}", "start_tls": True},
        "nobody there": {"url": "ldaps://localhost:9"},
    }
    for why, settings in wrong.items():
        trusted(settings=settings)
        status, person, text = sign_in("ann", "ann's own password")
        assert (status, person) == (400, None), why
        assert "does not answer" in text, why


def test_a_directory_without_encryption_is_never_let_in(world: World, directory: Directory) -> None:
    for url in (f"ldap://localhost:{directory.plain}", "http://localhost/", "ldaps://", "ldaps://h/dc=x"):
        with pytest.raises(InvalidInput, match="settings/url"):
            world.confirmed("identity_provider", directory.object(settings={"url": url}))
    with pytest.raises(InvalidInput, match="either person_dn or base"):
        world.confirmed("identity_provider", directory.object(settings={"base": BASE}))


def test_guessing_is_slowed_for_the_address_that_guesses(trusted: Any) -> None:
    assert [sign_in("ann", f"guess {n}")[0] for n in range(TRIES + 1)] == [403] * (TRIES + 1)
    assert "Too many wrong passwords" in sign_in("ann", "ann's own password")[2]
    assert sign_in("ann", "ann's own password", address="192.0.2.10")[0] == 302


def guesses(*names: str, count: int = ACCOUNT_TRIES) -> None:
    """Wrong passwords, each from an address of its own, as the door counts them."""
    provider = IdentityProvider.objects.get()
    for number in range(count):
        mark = identities.slowed(provider, names[number % len(names)], f"198.51.100.{number}", at=now())
        identities.refused(provider, "wrong", at=now(), verb=mark)


def test_a_name_has_a_bound_of_tries_from_all_addresses_together_however_it_is_written(trusted: Any) -> None:
    trusted()
    guesses("ann", "ANN", " ann", "\uff41nn", "a\u00adnn")
    status, person, text = sign_in("aNn", "ann's own password", address="203.0.113.9")
    assert (status, person) == (403, None)
    assert "not signed in from this address before" in text
    assert sign_in("bob, the (1st*)", "bob's own password", address="203.0.113.9")[0] == 302


def test_a_storm_keeps_no_owner_from_a_known_address_and_a_manager_lets_them_in(world: World, trusted: Any) -> None:
    trusted()
    ann = sign_in("ann", "ann's own password", address="192.0.2.1")[1]
    assert ann is not None
    guesses("ann")
    assert sign_in("ann", "ann's own password", address="192.0.2.1")[0] == 302
    assert sign_in("ann", "ann's own password", address="203.0.113.9")[0] == 403
    wanda = world.person("wanda")
    world.may(wanda, "manage_access")
    sessions.let_in(actor=wanda, person=ann.subject, at=now())
    assert sign_in("ann", "ann's own password", address="203.0.113.9")[0] == 302
