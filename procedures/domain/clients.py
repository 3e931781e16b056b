"""Programs that ask to act as an agent: their names, and where a browser may be sent (RFC 8252, 9700).

A program registers itself, so nothing that it says is believed: only the place it is sent to holds, because a browser
goes there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from procedures.domain.untrusted import brief

MOST_REDIRECTS = 5
LONGEST_REDIRECT = 500
LONGEST_STATE = 2_000
NAME = 60
DAYS = 90
CODE = timedelta(seconds=60)
ACCESS = timedelta(minutes=30)
IDLE = timedelta(days=14)
UNUSED = timedelta(hours=24)
AN_HOUR, WAITING = 20, 500  # registrations from one address within an hour; programs that nobody has connected yet
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
OURS = frozenset({"code", "state", "iss", "error", "error_description"})
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
# Digits and Cyrillic and Greek letters that look like those of our name.
_LOOKALIKES = str.maketrans(
    {"0": "o", "1": "l", "5": "s", "i": "l", "|": "l", "\u03b9": "l", "\u04cf": "l", "\u0456": "l", "\u03bf": "o"}
    | {"\u043e": "o", "\u03c1": "p", "\u0440": "p", "\u0455": "s", "\u0430": "a", "\u03b1": "a", "\u03c4": "t"}
    | {"\u0442": "t", "\u0433": "r"}
)


def redirect_problem(uri: str) -> str:
    """Why no browser is ever sent to this address, or an empty string."""
    if len(uri) > LONGEST_REDIRECT or not re.fullmatch(r"[!-~]+", uri) or "\\" in uri:
        return f"is not plain ASCII of at most {LONGEST_REDIRECT} characters"
    parts = _split(uri)
    if parts is None or not parts.hostname:
        return "is not the address of a host"
    if parts.scheme not in {"https", "http"}:
        return "is neither https, nor http on this computer"
    if "@" in parts.netloc or "#" in uri:
        return "carries a user, a password or a fragment"
    if parts.hostname not in LOOPBACK and parts.scheme == "http":
        return "is http on another computer; use https"
    if parts.hostname not in LOOPBACK and not _HOST.fullmatch(parts.hostname):
        return "names its host in other than small letters, digits, dots and hyphens"
    if taken := OURS & {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}:
        return f"carries {', '.join(sorted(taken))}, which the portal adds itself"
    return ""


def redirects_problem(uris: Sequence[str]) -> str:
    """The same for all that a program registers."""
    if not 1 <= len(uris) <= MOST_REDIRECTS:
        return f"name 1 to {MOST_REDIRECTS} redirect URIs"
    return next((f"{uri[:LONGEST_REDIRECT]!a} {why}" for uri in uris if (why := redirect_problem(uri))), "")


def is_registered(registered: Sequence[str], asked: str) -> bool:
    """Whether `asked` is one of these to the letter; on this computer the port is the program's to choose."""
    return not redirect_problem(asked) and any(asked == one or _alike(one, asked) for one in registered)


def _alike(registered: str, asked: str) -> bool:
    one, other = urlsplit(registered), urlsplit(asked)
    same = (one.scheme, one.hostname, one.path, one.query) == (other.scheme, other.hostname, other.path, other.query)
    return same and one.scheme == "http" and one.hostname in LOOPBACK


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    return None if port == 0 else parts


def receiver(uri: str) -> str:
    """Who gets the answer, as a person reads it: this computer, or a host by its name."""
    parts = urlsplit(uri)
    if parts.hostname in LOOPBACK:
        return "a program on this computer"
    return parts.netloc


def form_target(uri: str) -> str:
    """The source expression of a content security policy that lets a form lead there; it knows no IPv6 address."""
    parts = urlsplit(uri)
    return "http:" if "[" in parts.netloc else f"{parts.scheme}://{parts.netloc}"


def answered(uri: str, **facts: str) -> str:
    """The address with these facts added to its query."""
    parts = urlsplit(uri)
    query = "&".join(part for part in (parts.query, urlencode(facts)) if part)
    return parts._replace(query=query).geturl()


def name_of(text: str | None) -> str:
    """What a program calls itself: one line, short, nothing in it hidden; an empty string if it has no name."""
    return brief(text or "", most=NAME)


def name_problem(name: str) -> str:
    """Why no program may call itself this, or an empty string."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(_LOOKALIKES)
    letters = "".join(char for char in plain if char.isalnum())
    return "is this portal's own name" if "opsportal" in letters else ""
