"""SAML 2.0, Web Browser SSO: a question by redirect, a signed assertion by post, checked beyond what the library asks.

python3-saml checks signatures (one assertion, signed itself, by a certificate that people signed), schema, times and
issuer. What it lets pass when it is absent is asked for here: audience, recipient, end of time, the question answered.
Sources: SAML Core 2.0, Profiles 2.0 (4.1.4.3); Somorovsky et al., "On Breaking SAML" (signature wrapping).
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from lxml.etree import LxmlError
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Constants
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings

from procedures.domain.providers import Said, SignInRefused, attributes

LARGEST = 1 << 20
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
SECURITY = {
    "wantAssertionsSigned": True,
    "wantNameId": True,
    "wantAttributeStatement": False,
    "rejectDeprecatedAlgorithm": True,
    "requestedAuthnContext": False,
    "allowRepeatAttributeName": True,
    "signatureAlgorithm": Constants.RSA_SHA256,
    "digestAlgorithm": Constants.SHA256,
    "allowSingleLabelDomains": True,
}
Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ours:
    """How the identity provider knows this portal: both addresses are of the public origin."""

    entity_id: str
    acs_url: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a signed assertion proved: about whom, its own id, the question that it answers, and until when."""

    said: Said
    assertion: str
    question: str
    until: datetime


def begun(provider: Settings, ours: Ours) -> tuple[str, dict[str, str]]:
    """Where the browser goes, and what its session must keep until it comes back."""
    auth = OneLogin_Saml2_Auth(_request(ours), _settings(provider, ours))
    away = str(auth.login(return_to=""))
    return away, {"question": str(auth.get_last_request_id())}


def metadata(ours: Ours) -> bytes:
    """What an administrator gives to the identity provider; it names no secret and no provider."""
    settings = OneLogin_Saml2_Settings(
        settings={"strict": True, "sp": _sp(ours), "security": SECURITY}, sp_validation_only=True
    )
    text = settings.get_sp_metadata()
    return text.encode() if isinstance(text, str) else bytes(text)


def read(provider: Settings, posted: str, ours: Ours) -> Answer:
    """What was posted to us, if a certificate of the provider signed it for us, now. Raises SignInRefused."""
    if not posted or len(posted) > LARGEST:
        raise SignInRefused("The identity provider sent no answer, or one that is too long.")
    try:
        settings = OneLogin_Saml2_Settings(settings=_settings(provider, ours))
        response = OneLogin_Saml2_Response(settings, posted)
        if response.encrypted:
            raise SignInRefused("The assertion is encrypted; this portal holds no key for that.")
        response.is_valid(_request(ours), request_id=None, raise_exceptions=True)
        return _strictly(provider, response, ours)
    except (OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError) as problem:
        raise SignInRefused(f"The assertion does not hold: {str(problem)[:200]}") from problem
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, LxmlError) as problem:
        raise SignInRefused(f"The answer is no SAML response ({type(problem).__name__}).") from problem


def _strictly(provider: Settings, response: Any, ours: Ours) -> Answer:
    """What the library lets pass when it is not there. The document holds one assertion, and that one is signed."""
    if response.get_audiences() != [ours.entity_id]:
        raise SignInRefused("The assertion was made for another application.")
    if response.document.get("Destination", ours.acs_url) != ours.acs_url:
        raise SignInRefused("The answer was sent to another address.")
    found = response.document.xpath(
        "/samlp:Response/saml:Assertion/saml:Subject/saml:SubjectConfirmation[@Method=$bearer]"
        "/saml:SubjectConfirmationData",
        namespaces=Constants.NSMAP,
        bearer=Constants.CM_BEARER,
    )
    if len(found) != 1:
        raise SignInRefused("The assertion says not exactly once how it was confirmed.")
    data = found[0]
    if data.get("Recipient") != ours.acs_url:
        raise SignInRefused("The assertion was made for another address.")
    question = data.get("InResponseTo") or ""
    if not question or response.document.get("InResponseTo", question) != question:
        raise SignInRefused("The assertion answers no question; this portal takes none that it did not ask for.")
    if not data.get("NotOnOrAfter"):
        raise SignInRefused("The assertion says not until when it holds.")
    until = datetime.fromtimestamp(response.get_assertion_not_on_or_after() or 0, tz=UTC)
    return Answer(_said(provider, response), str(response.get_assertion_id()), str(question), until)


def _said(provider: Settings, response: Any) -> Said:
    names, told = attributes(provider), response.get_attributes()
    text = {key: str((told.get(names[key]) or [""])[0])[:200] for key in ("username", "name", "email")}
    wanted = provider["settings"].get("subject")
    if wanted is None and response.get_nameid_format() == TRANSIENT:
        raise SignInRefused("The identity provider names people anew each time; it must give a lasting name.")
    subject = str((told.get(wanted) or [""])[0]) if wanted else str(response.get_nameid() or "")
    if not subject or len(subject) > 255:
        raise SignInRefused("The assertion names nobody.")
    groups = tuple(sorted({str(row) for row in (told.get(names["groups"]) or [])[:2000] if isinstance(row, str)}))
    return Said(subject, groups=groups, **text)


def _request(ours: Ours) -> dict[str, Any]:
    """The request as the library wants it: at our own public address, whatever a proxy made of it."""
    parts = urlsplit(ours.acs_url)
    return {
        "https": "on" if parts.scheme == "https" else "off",
        "http_host": parts.netloc,
        "script_name": parts.path,
        "get_data": {},
        "post_data": {},
    }


def _sp(ours: Ours) -> dict[str, Any]:
    service = {"url": ours.acs_url, "binding": Constants.BINDING_HTTP_POST}
    return {
        "entityId": ours.entity_id,
        "assertionConsumerService": service,
        "NameIDFormat": Constants.NAMEID_PERSISTENT,
    }


def _settings(provider: Settings, ours: Ours) -> dict[str, Any]:
    theirs = provider["settings"]
    idp = {
        "entityId": theirs["entity_id"],
        "singleSignOnService": {"url": theirs["sso_url"], "binding": Constants.BINDING_HTTP_REDIRECT},
        "x509certMulti": {"signing": list(theirs["certificates"])},
    }
    return {"strict": True, "sp": _sp(ours), "idp": idp, "security": SECURITY}
