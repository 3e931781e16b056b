"""The emergency pack: what people need by hand while the portal is down, from its database alone (people.md, S5).

A credential in it is opened by two people together, whom the log names, and by nobody alone; that it was sealed, and to
whom, is an event, or it is not sealed.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.db import DatabaseError, transaction

from opsportal.keeping import emergency_paper
from procedures.answers.standing import Standing, standing
from procedures.domain import age, grants, shares
from procedures.domain.canonical import moment
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.sshkeys import fingerprint
from procedures.evidence import paper, paper_pdf
from procedures.evidence.record import record
from procedures.evidence.verify import zip_bytes
from procedures.models import Environment, Version

TOGETHER = Path(__file__).with_name("open_together.py")
NEW_KEY = b""  # seal a key that is made for this pack


class NobodyToSealTo(OpsError):
    """A credential is opened by two people, and the log names fewer."""

    code = "emergency.nobody-to-seal-to"
    next_step = "Let two people break the glass there, by signed grants, each with an Ed25519 key enrolled for a day."


class NotOnRecord(OpsError):
    """That a credential was sealed could not be recorded, so none was."""

    code = "emergency.not-on-record"
    next_step = "Make the pack without a credential, or where the database can be written, and not from a backup."


@dataclass(frozen=True, slots=True)
class Sealed:
    """A credential in its shares: who holds which, and the public half where it is a key that was made for this."""

    files: Mapping[str, bytes]
    holders: Mapping[str, str]
    public: str


def make(
    *, at: datetime, environments: Sequence[str] = (), seals: Mapping[str, bytes] | None = None, recorded: bool = True
) -> bytes:
    """The pack as a ZIP. `seals` are credentials by environment, empty for a new SSH key; `recorded`: not from a copy.

    Raises InvalidInput, NobodyToSealTo, NotOnRecord.
    """
    rows = list(Environment.objects.order_by("position", "name"))
    chosen = [row for row in rows if not environments or row.name in environments]
    wanted = dict(seals or {})
    unknown = sorted({*environments, *wanted} - {row.name for row in rows})
    if unknown:
        raise InvalidInput([("/environment", f"there is no environment {unknown[0]!r}")])
    if wanted and not recorded:
        raise NotOnRecord("A pack from a backup seals nothing: nobody would know of it.")
    then = standing(at)
    sealed = {name: seal(then, name, value, at) for name, value in sorted(wanted.items())}
    members = {"README.txt": _readme(at, sealed).encode(), "open_together.py": TOGETHER.read_bytes()}
    for row in chosen:
        made = emergency_paper.of(row, then, sealed[row.name].holders if row.name in sealed else {}, at)
        members[f"{row.name}/steps.html"] = paper.as_html(made)
        members[f"{row.name}/steps.pdf"] = paper_pdf.as_pdf(made)
        members[f"{row.name}/known_hosts"] = emergency_paper.known_hosts(row).encode()
    for name, one in sealed.items():
        members |= {f"{name}/credential/{file}": data for file, data in one.files.items()}
    members |= _procedures(chosen)
    if recorded:
        _record(chosen, sealed, at)
    return bytes(zip_bytes(members))


def seal(then: Standing, environment: str, value: bytes, at: datetime) -> Sealed:
    """Shares of a credential for those who may break the glass there, as signed events say. Raises NobodyToSealTo."""
    people = openers(then, environment, at)
    if len(people) < 2:
        raise NobodyToSealTo(
            f"{len(people)} people may break the glass in {environment} with an Ed25519 key: two open it."
        )
    key = Ed25519PrivateKey.generate()
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    public = "" if value else f"{line} opsportal-emergency-{environment}"
    secret = value or key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    files, holders = {}, {}
    for (subject, keys), share in zip(sorted(people.items()), shares.split(secret, len(people)), strict=True):
        name = then.name(subject)
        files[f"{name}.age"] = age.encrypt(share, keys)
        holders[name] = subject
    return Sealed(files | ({"key.pub": f"{public}\n".encode()} if public else {}), holders, public)


def openers(then: Standing, environment: str, at: datetime) -> dict[str, list[str]]:
    """Subject → keys to encrypt to, of whoever may break the glass there by the log; never by the tables alone."""
    authority, until = then.authority, moment(at)
    subjects = {
        subject
        for grant in authority.grants.values()
        if grant["stands"] and "break_glass" in grant["verbs"] and grant["not_before"] <= until < grant["expires_at"]
        if grants.in_place(grant, environment, authority.production)
        for subject in authority.holders(grant["principal"])
    }
    found: dict[str, list[str]] = {}
    for key in authority.keys.values():
        fresh = key.get("counts_from", "") > until
        if key["subject"] in subjects and key.get("method", "ssh") == "ssh" and not fresh and age.fits(key["public"]):
            found.setdefault(key["subject"], []).append(age.bare(key["public"]))
    return found


def _procedures(environments: Sequence[Environment]) -> dict[str, bytes]:
    """Every accepted bundle that may run in one of these environments, its files as they were accepted."""
    names = {row.name for row in environments}
    rows = Version.objects.filter(state="accepted", draft=False, procedure__retired_at__isnull=True)
    return {
        f"procedures/{version.procedure.name}/{file.path}": bytes(file.content)
        for version in rows.select_related("procedure").prefetch_related("files")
        if names & set(version.definition.get("environments") or names)
        for file in version.files.all()
    }


def _record(environments: Sequence[Environment], sealed: Mapping[str, Sealed], at: datetime) -> None:
    said = [
        {
            "environment": name,
            "holders": sorted(one.holders.values()),
            "key": fingerprint(one.public) if one.public else "",
        }
        for name, one in sealed.items()
    ]
    facts = {"environments": [row.name for row in environments], "sealed": said, "by": getpass.getuser()}
    try:
        with transaction.atomic(durable=True):
            record("emergency.packed", actor=None, at=at, facts=facts)
    except DatabaseError as problem:
        if sealed:
            raise NotOnRecord(f"The database takes no event now ({type(problem).__name__}).") from problem


def _readme(at: datetime, sealed: Mapping[str, Sealed]) -> str:
    opened = [
        f"{name}: two of {', '.join(sorted(one.holders))}, each with the own share in {name}/credential/.\n"
        for name, one in sealed.items()
    ]
    return README.format(
        at=f"{at:%Y-%m-%d %H:%M} UTC", sealed="".join(opened) or "No credential was sealed into this pack.\n"
    )


README = """\
When the portal is down. As of {at}.

1. Two people. Open ENVIRONMENT/steps.html or steps.pdf; procedures/ holds every accepted script, with its README.
2. Write down from now on, in UTC: when, who, on which host, which command, why. It is entered and signed afterwards.
3. The credential, if there is one, opens for two people together, in a folder that nobody else reads (umask 077):
     age -d -i ~/.ssh/id_ed25519 ENVIRONMENT/credential/NAME.age > NAME       (each for themselves)
     python3 open_together.py ONE TWO > credential
   Without age: opsportal emergency share NAME.age --identity ~/.ssh/id_ed25519 -o NAME
{sealed}4. Check hosts against ENVIRONMENT/known_hosts:  ssh -o UserKnownHostsFile=ENVIRONMENT/known_hosts …
5. Stops and freezes in steps.html hold for hands too.
6. Afterwards: opsportal evidence record-outage …  signed by who did it, accepted by another. Then take the key of
   credential/key.pub off the hosts, and make a new pack. `opsportal target` tells logins that no run explains.

This file was in order when it was made. It does not follow what was changed since.
"""
