"""Signing in at a real SAML provider, and every answer that does not prove who came."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from django.test import Client
from lxml import etree

from procedures.models import Assertion, Identity
from tests.factories.portal import World
from tests.fixtures import identity_providers
from tests.signon.browser import PORTAL, Browser
from tests.signon.certificates import signed_by_itself

pytestmark = pytest.mark.once
ENTITY = "urn:tests:idp"
ACCOUNTS = {
    name: {"subject": f"{name}-7f3a", "claims": {"username": name, "name": name.title(), "groups": ["eng", "all"]}}
    for name in ("ann", "bob")
}


@dataclass(frozen=True)
class Saml:
    """The running SAML provider; `certificate` is its own in base64."""

    url: str
    certificate: str

    def object(self, **more: Any) -> dict[str, Any]:
        settings = {"entity_id": ENTITY, "sso_url": f"{self.url}/sso", "certificates": [self.certificate]}
        settings |= more.pop("settings", {})
        return {
            "name": "corp",
            "title": "Corp",
            "protocol": "saml",
            "settings": settings,
            "groups": {"eng": "developers"},
            "authority": False,
            "provision": True,
            "action": "set",
            **more,
        }


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saml]:
    port, pair = identity_providers.free_port(), signed_by_itself()
    config = {"port": port, "key": pair.key, "cert": pair.certificate, "issuer": ENTITY, "accounts": ACCOUNTS}
    with identity_providers.node("saml.cjs", config, tmp_path_factory.mktemp("saml")):
        yield Saml(f"http://127.0.0.1:{port}", pair.der)


@pytest.fixture
def corp(world: World, idp: Saml) -> Saml:
    world.confirmed("identity_provider", idp.object())
    return idp


def asserted(browser: Browser, name: str = "ann", **wrong: str) -> str:
    """What the provider would have the browser post, for a sign-in that was begun in it."""
    answer = httpx.get(httpx.URL(browser.away("corp")).copy_merge_params({"as": name, **wrong}), timeout=20)
    return str(answer.json()["SAMLResponse"])


def posted(response: str) -> Any:
    """The post from the provider's site: another origin, so without our cookie and without our form's token."""
    client = Client(HTTP_HOST="localhost:8000", enforce_csrf_checks=True)
    return client.post("/login/with/corp/acs/", {"SAMLResponse": response, "RelayState": "https://evil.example/"})


def refused(answer: Any, words: str) -> None:
    text = html.unescape(answer.content.decode())
    assert answer.status_code == 403, text
    assert words in text, text
    assert not Identity.objects.exists()


def test_the_whole_way_gives_an_account_without_rights_in_the_mapped_group(corp: Saml, browser: Browser) -> None:
    answer = posted(asserted(browser))
    assert answer["Location"].startswith("/login/with/corp/done/?handle=")
    assert browser.ours.get(answer["Location"])["Location"] == "/"
    ann = browser.me()
    assert ann is not None
    assert (ann.username, ann.name) == ("ann", "Ann")
    assert [m.group.name for m in ann.memberships.all()] == ["developers"]
    assert Identity.objects.get().subject == "ann-7f3a"
    assert Assertion.objects.get().said is None, "kept no longer than needed"


def test_an_assertion_is_taken_once_and_only_in_the_browser_that_asked(corp: Saml, browser: Browser) -> None:
    response = asserted(browser)
    onward = posted(response)["Location"]
    refused(posted(response), "used already")
    thief, victim = Browser(), Browser()
    victim.away("corp")
    refused(thief.ours.get(onward), "not begun in this browser")
    refused(victim.ours.get(onward), "not begun in this browser")
    assert browser.ours.get(onward).status_code == 302
    assert browser.ours.get(onward).status_code == 403, "a handle is good once"


WRONG: tuple[tuple[dict[str, str], str], ...] = (
    ({"audience": "https://other.example.com/"}, "not a valid audience"),
    ({"recipient": "https://other.example.com/acs/"}, "SubjectConfirmation"),
    ({"recipient": f"{PORTAL}/login/with/corp/acs/more/"}, "made for another address"),
    ({"lifetime": "-600"}, "expired"),
    ({"issuer": "urn:tests:other"}, "Invalid issuer"),
    ({"unsigned": "yes"}, "not signed"),
    ({"unsigned": "yes", "signResponse": "yes"}, "not signed"),
)


def test_an_assertion_for_others_from_others_too_late_or_unsigned_is_refused(corp: Saml, browser: Browser) -> None:
    for wrong, words in WRONG:
        refused(posted(asserted(browser, **wrong)), words)


def test_an_answer_to_another_question_is_nobodys(corp: Saml, browser: Browser) -> None:
    onward = posted(asserted(browser, inResponseTo="_another"))["Location"]
    refused(browser.ours.get(onward), "not begun in this browser")


def tree(response: str) -> etree._Element:
    return etree.fromstring(base64.b64decode(response))


def again(root: etree._Element) -> str:
    return base64.b64encode(etree.tostring(root)).decode()


def assertion_of(root: etree._Element) -> etree._Element:
    return next(root.iter("{urn:oasis:names:tc:SAML:2.0:assertion}Assertion"))


def forged(root: etree._Element) -> etree._Element:
    """A copy of the true assertion that speaks of Bob, without the signature."""
    copy = etree.fromstring(etree.tostring(assertion_of(root)).replace(b"ann-7f3a", b"bob-7f3a"))
    copy.set("ID", "_forged")
    for signature in copy.findall("{http://www.w3.org/2000/09/xmldsig#}Signature"):
        copy.remove(signature)
    return copy


def beside(root: etree._Element) -> None:
    root.insert(list(root).index(assertion_of(root)), forged(root))


def true_one_inside_the_forged_one(root: etree._Element) -> None:
    true, false = assertion_of(root), forged(root)
    root.replace(true, false)
    false.append(true)


def true_one_inside_its_own_signature(root: etree._Element) -> None:
    true, false = assertion_of(root), forged(root)
    root.replace(true, false)
    signature = next(true.iter("{http://www.w3.org/2000/09/xmldsig#}Signature"))
    signature.getparent().remove(signature)  # type: ignore[union-attr]
    false.insert(1, signature)
    holder = etree.SubElement(signature, "{http://www.w3.org/2000/09/xmldsig#}Object")
    holder.append(true)


def changed_in_place(root: etree._Element) -> None:
    for node in root.iter("{urn:oasis:names:tc:SAML:2.0:assertion}NameID"):
        node.text = "bob-7f3a"


def cut_by_a_comment(root: etree._Element) -> None:
    for node in root.iter("{urn:oasis:names:tc:SAML:2.0:assertion}NameID"):
        node.text = ""
        comment = etree.Comment("x")
        comment.tail = "ann-7f3a.evil"
        node.append(comment)


WRAPS = (beside, true_one_inside_the_forged_one, true_one_inside_its_own_signature, changed_in_place, cut_by_a_comment)


def test_a_signature_is_not_wrapped_around_somebody_else(corp: Saml, browser: Browser) -> None:
    for wrap in WRAPS:
        root = tree(asserted(browser))
        wrap(root)
        refused(posted(again(root)), "assertion does not hold")


def test_a_signature_by_another_key_is_refused_though_it_brings_its_own_certificate(
    world: World, idp: Saml, browser: Browser
) -> None:
    world.confirmed("identity_provider", idp.object(settings={"certificates": [signed_by_itself().der]}))
    refused(posted(asserted(browser)), "Signature validation failed")


def test_what_is_no_response_at_all_is_refused_as_that(corp: Saml) -> None:
    entity = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    for text in (b"", b"<", b"<a/>", entity, b"\xff\xfe" * 50):
        answer = posted(base64.b64encode(text).decode())
        assert answer.status_code == 403
        assert "root:" not in answer.content.decode()
    assert posted("%%% no base64").status_code == 403


def test_the_portals_own_description_names_where_answers_go_and_signed_assertions(corp: Saml) -> None:
    client = Client(HTTP_HOST="localhost:8000")
    text = client.get("/login/with/corp/metadata/").content.decode()
    assert f'Location="{PORTAL}/login/with/corp/acs/"' in text
    assert 'WantAssertionsSigned="true"' in text
    assert re.search(r'entityID="[^"]+/login/with/corp/metadata/"', text)
    assert client.get("/login/with/none/metadata/").status_code == 404
