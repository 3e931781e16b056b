"""What a target's own sshd wrote about who came in, against what the issuer lent: who came in with something else?

The log is data of somebody else's: a line counts only if sshd's own words begin it, so that no name, key id or path in
it says anything for sshd.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MOST_LINES, LONGEST_LINE = 50_000, 2_000
SKEW = timedelta(minutes=2)
NOT_OURS, UNSURE = "not ours", "unsure"
ABSOLUTE = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
SYSLOG = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
LINE = re.compile(
    rf"^(?:(?P<when>{ABSOLUTE}|{SYSLOG}) \S{{1,255}} sshd(?:-session|-auth)?\[\d+\]: )?"
    r"Accepted (?P<method>[a-z/-]{1,60}) for (?P<account>\S{1,100}) from (?P<address>[0-9A-Za-z.:%_-]{1,100})"
    r" port (?P<port>\d{1,5}) ssh2(?:: (?P<rest>.*))?$",
    re.ASCII,
)
CERTIFICATE = re.compile(
    r"^\S+-CERT (?P<key>SHA256:\S{43}) ID (?P<key_id>.*) \(serial (?P<serial>\d{1,20})\) CA \S+ (?P<ca>SHA256:\S{43})$",
    re.ASCII,
)
KEY = re.compile(r"^[A-Z0-9-]{1,30} (?P<key>SHA256:\S{43})$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Login:
    """One that sshd accepted. `at` where its time is absolute; `serial`, `key_id` and `ca` of a certificate."""

    line: str
    when: str
    at: datetime | None
    method: str
    account: str
    address: str
    key: str = ""
    key_id: str = ""
    serial: str = ""
    ca: str = ""

    def mark(self, target: str) -> str:
        """The same for the same line of one target's log, however often it is handed in."""
        return hashlib.sha256(f"{target}\n{self.line}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Lent:
    """One lease as the evidence log holds it."""

    target: str
    account: str
    issued_at: datetime
    expires_at: datetime
    serial: str = ""
    key_id: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is true of one target: its environment's authority, the accounts of procedures, and what was lent."""

    target: str
    authority: str
    accounts: Collection[str]
    lent: Sequence[Lent]
    _by_serial: Mapping[str, Lent] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_serial", {one.serial: one for one in self.lent if one.serial})

    def why_not(self, login: Login) -> str:
        """Why nobody was lent this way in, in words; "" if somebody was, NOT_OURS, or UNSURE without a time."""
        if login.ca and login.ca == self.authority:
            return self._of_a_certificate(login)
        if login.account not in self.accounts:
            return NOT_OURS
        if login.ca:
            return "with a certificate of another authority than that of the environment"
        return self._of_a_key(login) if login.key else f"by {login.method}, which no run uses"

    def _of_a_certificate(self, login: Login) -> str:
        lent = self._by_serial.get(login.serial)
        if lent is None:
            return "with a certificate of the environment's authority whose serial was lent to no run"
        if lent.target != self.target:
            return f"with a certificate that was lent for {lent.target}"
        if (lent.account, lent.key_id) != (login.account, login.key_id) or lent.key not in {"", login.key}:
            return "with a certificate of that serial for another account, another key id or another key"
        return ""

    def _of_a_key(self, login: Login) -> str:
        mine = [one for one in self.lent if (one.key, one.serial, one.target) == (login.key, "", self.target)]
        if not mine:
            return "with a key that was lent to no run for this target"
        if login.at is None:
            return UNSURE
        if not any(one.issued_at - SKEW <= login.at <= one.expires_at + SKEW for one in mine):
            return "with a key of the environment at a time when it was lent to no run"
        return ""


def read(text: str) -> list[Login]:
    """Each login that sshd says it accepted, once. Lines that are too long or are anything else are passed over."""
    found: dict[str, Login] = {}
    for line in text.split("\n")[:MOST_LINES]:
        bare = line.rstrip("\r")
        if len(bare) <= LONGEST_LINE and (match := LINE.match(bare)) is not None:
            found.setdefault(bare, _login(bare, match))
    return list(found.values())


def twice(logins: Sequence[Login]) -> set[str]:
    """Serials with which somebody came in more than once: a certificate is for one login."""
    seen: dict[str, int] = {}
    for login in logins:
        if login.serial:
            seen[login.serial] = seen.get(login.serial, 0) + 1
    return {serial for serial, count in seen.items() if count > 1}


def _login(line: str, match: re.Match[str]) -> Login:
    when, rest = match["when"] or "", match["rest"] or ""
    more: dict[str, str] = {}
    if match["method"] == "publickey":
        shown = CERTIFICATE.match(rest) or KEY.match(rest)
        more = shown.groupdict() if shown is not None else {}
    return Login(line, when, _moment(when), match["method"], match["account"], match["address"], **more)


def _moment(when: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(when.replace(",", "."))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
