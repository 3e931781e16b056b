"""LDAP: bind as the person over a checked, encrypted connection; read who they are and in which groups.

Sources: RFC 4513 (5.1.2: a bind without password proves nothing), RFC 4514 and 4515 (escaping), RFC 4532 (who am I).
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from ldap3 import BASE, NONE, SIMPLE, SUBTREE, SYNC, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn, parse_dn

from procedures.domain.providers import ProviderUnreachable, Said, SignInRefused, attributes
from procedures.signon import outbound

WAIT_S, WHOLE_S = 8, 20.0
WRONG = "Name or password is wrong."
Settings = Mapping[str, Any]


class _Checked(Tls):  # type: ignore[misc]  # the library has no types
    """TLS whose certificate OpenSSL checks against the signed name, with the signed authorities or the system's."""

    signed_name = ""

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        context = ssl.create_default_context(cadata=self.ca_certs_data)
        connection.socket = context.wrap_socket(connection.socket, server_hostname=self.signed_name)


def proved(provider: Settings, *, username: str, password: str, secret: str) -> Said:
    """Who has this name and password in the directory. `secret` is the searching account's password, if one searches.

    Raises SignInRefused, ProviderUnreachable.
    """
    if not username.strip() or not password or len(username) > 200 or len(password) > 1000 or "\0" in username:
        raise SignInRefused(WRONG)
    settings = provider["settings"]
    try:
        server = _server(settings)
        dn = _dn(settings, server, username.strip(), secret)
        with _bound(settings, server, dn, password) as connection:
            if not connection.extend.standard.who_am_i():
                raise SignInRefused(WRONG)  # the directory took the bind for an anonymous one
            return _said(provider, connection, dn)
    except LDAPException as problem:
        host = urlsplit(settings["url"]).hostname
        raise ProviderUnreachable(f"The directory at {host} does not answer ({type(problem).__name__}).") from problem


def _server(settings: Settings) -> Server:
    """The server at the very address that was judged: its name is not looked up again."""
    parts = urlsplit(settings["url"])
    encrypted = parts.scheme == "ldaps"
    port = parts.port or (636 if encrypted else 389)
    address = outbound.judged(str(parts.hostname), port)
    tls = _Checked(validate=ssl.CERT_REQUIRED, ca_certs_data=settings.get("ca") or None)
    tls.signed_name = str(parts.hostname)
    return Server(address, port=port, use_ssl=encrypted, tls=tls, get_info=NONE, connect_timeout=WAIT_S)


@contextmanager
def _bound(settings: Settings, server: Server, dn: str, password: str) -> Iterator[Connection]:
    """A connection on which `dn` proved the password. Referrals are never followed: a password goes to one host."""
    connection = Connection(
        server,
        user=dn,
        password=password,
        authentication=SIMPLE,
        client_strategy=SYNC,
        auto_referrals=False,
        read_only=True,
        receive_timeout=WAIT_S,
        raise_exceptions=False,
    )
    over = threading.Timer(WHOLE_S, _cut, args=(connection,))  # however often a little comes
    over.daemon = True
    over.start()
    try:
        connection.open()
        if not server.ssl and not connection.start_tls():
            raise ProviderUnreachable("The directory offers no encryption.")
        if not connection.bind():
            raise SignInRefused(WRONG)
        yield connection
    finally:
        over.cancel()
        connection.unbind()


def _cut(connection: Connection) -> None:
    with suppress(OSError, AttributeError):
        connection.socket.shutdown(socket.SHUT_RDWR)


def _dn(settings: Settings, server: Server, username: str, secret: str) -> str:
    """The entry that a typed name means: by a template, or by one search that finds exactly one."""
    if "person_dn" in settings:
        return str(settings["person_dn"]).replace("{username}", escape_rdn(username))
    if not secret or "bind_dn" not in settings:
        raise ProviderUnreachable("The directory is not searched: the searching account's password is not there.")
    try:
        with _bound(settings, server, settings["bind_dn"], secret) as connection:
            wanted = f"({settings.get('attribute', 'uid')}={escape_filter_chars(username)})"
            connection.search(settings["base"], wanted, SUBTREE, attributes=["1.1"], size_limit=2)
            found = [row["dn"] for row in connection.response if row["type"] == "searchResEntry"]
    except SignInRefused as problem:
        raise ProviderUnreachable("The directory does not take the searching account's password.") from problem
    if len(found) != 1:
        raise SignInRefused(WRONG)
    return str(found[0])


def _said(provider: Settings, connection: Connection, dn: str) -> Said:
    settings, names = provider["settings"], attributes(provider)
    connection.search(dn, "(objectClass=*)", BASE, attributes=[settings["subject"], *names.values()])
    rows = [row for row in connection.response or [] if row["type"] == "searchResEntry"]
    if len(rows) != 1:
        raise SignInRefused("The directory does not show you your own entry.")
    values = {key.lower(): [_text(one) for one in found] for key, found in rows[0]["raw_attributes"].items()}
    subject = next(iter(values.get(settings["subject"].lower(), [])), "")
    if not subject or len(subject) > 255:
        raise SignInRefused(f"The directory's entry has no {settings['subject']}, which tells people apart for ever.")
    told = {key: next(iter(values.get(names[key].lower(), [])), "")[:200] for key in ("username", "name", "email")}
    held = {_plain(one) for one in values.get(names["groups"].lower(), [])} | _groups(settings, connection, dn)
    return Said(subject, groups=tuple(sorted(key for key in provider["groups"] if _plain(key) in held)), **told)


def _groups(settings: Settings, connection: Connection, dn: str) -> set[str]:
    """Groups below `group_base` that list this entry as a member."""
    if "group_base" not in settings:
        return set()
    member = escape_filter_chars(dn)
    wanted = f"(|(member={member})(uniqueMember={member}))"
    connection.search(settings["group_base"], wanted, SUBTREE, attributes=["1.1"], size_limit=2000)
    return {_plain(row["dn"]) for row in connection.response or [] if row["type"] == "searchResEntry"}


def _plain(dn: str) -> str:
    """A group's name in one form, whatever its case and blanks; what is no such name is itself."""
    try:
        return ",".join(f"{kind}={value}".casefold() for kind, value, _ in parse_dn(dn, strip=True))
    except LDAPException:
        return dn


def _text(value: bytes) -> str:
    """Text, or the hexadecimal form of what is none, such as Active Directory's objectGUID."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()
