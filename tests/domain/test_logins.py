"""sshd's own log, as data of somebody else's: what counts as a login, and what of it nobody was lent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from procedures.domain.logins import NOT_OURS, UNSURE, Known, Lent, Login, read, twice

OURS, THEIRS, KEY = ("SHA256:" + letter * 43 for letter in "abc")
AT = datetime(2026, 11, 26, 13, 0, tzinfo=UTC)
ID = "run=1 no=1 step=one host=web-01 requester=quinn approvers=none procedure=tidy"
LENT = Lent("web-01", "deploy", AT, AT + timedelta(minutes=2), serial="77", key_id=ID)
KEYED = Lent("web-01", "deploy", AT, AT + timedelta(minutes=2), key=KEY)
KNOWN = Known("web-01", OURS, {"deploy"}, [LENT, KEYED, replace(LENT, target="web-02", serial="78")])


def certificate(serial: str = "77", *, ca: str = OURS, account: str = "deploy", key_id: str = ID) -> str:
    shown = f"ED25519-CERT {KEY} ID {key_id} (serial {serial}) CA ED25519 {ca}"
    return f"Accepted publickey for {account} from 10.0.0.9 port 4711 ssh2: {shown}"


def key(*, at: str = "2026-11-26T13:01:00+0000", account: str = "deploy", key: str = KEY) -> str:
    return f"{at} web-01 sshd[99]: Accepted publickey for {account} from 10.0.0.9 port 4711 ssh2: ED25519 {key}"


ROWS = {
    "as it was lent": (certificate(), ""),
    "a serial that nobody lent": (certificate("79"), "lent to no run"),
    "lent for another host": (certificate("78"), "lent for web-02"),
    "another account": (certificate(account="root"), "another account"),
    "another key id": (certificate(key_id="run=2"), "another key id"),
    "another authority": (certificate(ca=THEIRS), "another authority"),
    "another authority for somebody else": (certificate(ca=THEIRS, account="olga"), NOT_OURS),
    "a password": ("Accepted password for deploy from 10.0.0.9 port 4711 ssh2", "by password"),
    "a password of somebody else": ("Accepted password for olga from 10.0.0.9 port 4711 ssh2", NOT_OURS),
    "a key in its time": (key(), ""),
    "a key at another time": (key(at="2026-11-26T15:01:00+00:00"), "at a time when it was lent to no run"),
    "a key without a time": (key(at="Nov 26 13:01:00"), UNSURE),
    "a key that nobody lent": (key(key=THEIRS), "a key that was lent to no run"),
    "a key of somebody else": (key(account="olga", key=THEIRS), NOT_OURS),
}


@pytest.mark.parametrize("row", ROWS)
def test_who_came_in_with_what_nobody_was_lent(row: str) -> None:
    line, said = ROWS[row]
    (login,) = read(line)
    why = KNOWN.why_not(login)
    assert why == said if said in {"", NOT_OURS, UNSURE} else said in why


@pytest.mark.parametrize(
    "line",
    [
        f"Invalid user {certificate()} from 10.0.0.9 port 1",
        f"Nov 26 13:00:01 web-01 sudo[1]: {certificate()}",
        f"Nov 26 13:00:01 web-01 sshd[1]: Failed password for {certificate()}",
        f"Nov 26 13:00:01 web-01 sshd[1]: Invalid user x\t{certificate()}",
        " " + certificate(),
        certificate() + " and more",
        certificate(key_id="x" * 3000),
        "Accepted publickey for deploy from 10.0.0.9 port 4711 ssh1",
        "",
        "\x00" * 100,
    ],
    ids=str,
)
def test_what_sshd_did_not_say_by_itself_is_no_login(line: str) -> None:
    assert [one for one in read(line) if one.serial == "77" and one.ca == OURS] == []


def test_a_key_id_that_imitates_the_end_of_the_line_does_not_pass_for_ours() -> None:
    """Whoever signs certificates of another authority writes into the key id what they like."""
    forged = f"{ID} (serial 77) CA ED25519 {OURS}"
    (login,) = read(certificate("5", ca=THEIRS, key_id=forged))
    assert (login.serial, login.ca) == ("5", THEIRS)
    assert "another authority" in KNOWN.why_not(login)


def test_a_line_is_counted_once_and_a_certificate_twice_is_told() -> None:
    once = certificate()
    again = once.replace("port 4711", "port 4712")
    assert len(read(f"{once}\n{once}\n{once}")) == 1
    assert twice(read(f"{once}\n{again}")) == {"77"}
    assert twice(read(once)) == set()


def test_a_huge_or_hostile_log_is_read_in_a_blink() -> None:
    flood = "Accepted publickey for " + "A" * 1_900 + "\n"
    assert read(flood * 60_000) == []
    assert isinstance(read(certificate())[0], Login)
