"""Making a passkey ready to be enrolled: what the browser is asked for, and the control object its answer becomes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestationConveyancePreference,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from procedures.domain import cose, passkeys
from procedures.domain.errors import OpsError
from procedures.models import EnrolledKey, Person


class NoPasskeysHere(OpsError):
    """The portal's address is one for which browsers offer no passkeys."""

    code = "passkey.not-here"
    next_step = "Enrol an SSH key; for passkeys set OPSPORTAL_PUBLIC_URL to https, or to http://localhost:PORT."


class NotAPasskey(OpsError):
    """What the browser sent is no registration of a passkey for this portal and person."""

    code = "passkey.not-registered"
    next_step = "Reload the settings page and add the passkey again."


def party() -> str | None:
    """The relying-party id of this portal, or None where passkeys cannot work."""
    return passkeys.party_of(settings.OPSPORTAL_PUBLIC_URL)


def origin() -> str:
    """The origin from which a browser must answer."""
    return passkeys.origin_of(settings.OPSPORTAL_PUBLIC_URL)


def of(person: Person) -> list[str]:
    """Credential ids of the passkeys with which this person may sign now."""
    live = EnrolledKey.objects.filter(person=person, method="passkey", revoked_at__isnull=True)
    return list(live.values_list("credential", flat=True))


def begin(person: Person) -> tuple[dict[str, Any], dict[str, Any]]:
    """(options for the browser, state to keep in the session until its answer comes). Raises NoPasskeysHere."""
    user = PublicKeyCredentialUserEntity(id=person.subject.bytes, name=person.username, display_name=str(person))
    options, state = _server().register_begin(
        user,
        [_descriptor(credential) for credential in of(person)],
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return dict(options)["publicKey"], state


def finish(person: Person, state: Any, answer: Mapping[str, str]) -> dict[str, Any]:
    """The control object that enrols the passkey. `answer`: id, clientDataJSON, attestationObject in base64url.

    Raises NoPasskeysHere, NotAPasskey, KeyNotTaken.
    """
    response = {
        "id": answer.get("id", ""),
        "rawId": answer.get("id", ""),
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {name: answer.get(name, "") for name in ("clientDataJSON", "attestationObject")},
    }
    try:
        data = _server().register_complete(state, response)
        made = data.credential_data
        if made is None or passkeys.websafe(made.credential_id) != answer.get("id"):
            raise NotAPasskey("The browser answered with another passkey than it made.")
        public = cose.encoded(made.public_key)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as problem:
        raise NotAPasskey(f"The browser's answer is not that of a new passkey: {problem}") from problem
    return {
        "subject": str(person.subject),
        "method": "passkey",
        "public": base64.b64encode(public).decode(),
        "fingerprint": cose.fingerprint(public),
        "algorithm": cose.decoded(public)[0],
        "credential": passkeys.websafe(made.credential_id),
        "rp": party() or "",
        "origin": origin(),
        "sign_count": data.counter,
    }


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a passkey's control object may not say."""
    found = []
    try:
        data = base64.b64decode(object["public"], validate=True)
        if cose.decoded(data)[0] != object["algorithm"]:
            found.append(("/object/algorithm", "is not that of this public key"))
        if cose.fingerprint(data) != object["fingerprint"]:
            found.append(("/object/fingerprint", "is not the fingerprint of this public key"))
    except (binascii.Error, cose.KeyNotTaken) as problem:
        found.append(("/object/public", f"is not a public key in its canonical form: {problem}"))
    if object["origin"] != origin():
        found.append(("/object/origin", f"is not this portal's, {origin()}"))
    if object["rp"] != party():
        found.append(("/object/rp", f"is not this portal's, {party() or 'which can have none'}"))
    return found


def _server() -> Fido2Server:
    rp = party()
    if rp is None:
        raise NoPasskeysHere(f"Browsers offer no passkeys at {settings.OPSPORTAL_PUBLIC_URL}.")
    server = Fido2Server(
        PublicKeyCredentialRpEntity(name="OpsPortal", id=rp),
        attestation=AttestationConveyancePreference.NONE,
        verify_origin=lambda answered: answered == origin(),
    )
    server.allowed_algorithms = [
        PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=number) for number in cose.ALGORITHMS
    ]
    return server


def _descriptor(credential: str) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=passkeys.from_websafe(credential))
