"""The public keys with which an environment's identity tokens are checked, put where the web tier shows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.db import transaction

from procedures.domain.errors import OpsError
from procedures.evidence.record import record
from procedures.models import PortalSetting

SETTING = "identity-keys"


class IdentityKeysDiffer(OpsError):
    """The portal shows a key for an environment's identity tokens that its issuer does not have."""

    code = "identity.keys-differ"
    next_step = (
        "If another host of the pool made it, bring its identity.… file from there. If nobody did, somebody who writes "
        "to the database wants to speak for this environment: end what trusts its tokens, then look at the log."
    )


def show(
    environment: str, issuer: str, keys: Sequence[Mapping[str, str]], *, own: Collection[str], at: datetime
) -> bool:
    """Have these keys shown from now on; whether that changed something. `own` are the ids of all keys that are here.

    A key that is shown and is not one's own is never taken over and never passed by. Raises IdentityKeysDiffer.
    """
    with transaction.atomic():
        PortalSetting.objects.get_or_create(name=SETTING, defaults={"value": {}, "since_at": at})
        row = PortalSetting.objects.select_for_update().get(pk=SETTING)
        shown = row.value.get(environment, [])
        if foreign := [key["kid"] for key in shown if key["kid"] not in own]:
            raise IdentityKeysDiffer(f"{environment} shows the identity key {foreign[0]}, which is not its issuer's.")
        if shown == list(keys):
            return False
        PortalSetting.objects.filter(pk=SETTING).update(value={**row.value, environment: list(keys)}, since_at=at)
        facts = {"environment": environment, "issuer": issuer, "keys": [key["kid"] for key in keys]}
        record("identity.keys_shown", actor=None, at=at, facts=facts)
    return True
