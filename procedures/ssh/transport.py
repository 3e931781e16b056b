"""A paramiko transport that checks what a host shows inside the key exchange, before the first authentication byte.

A host shows the key that was confirmed for it; where its target demands one, inside a certificate (host_certificates).

Two private names of paramiko are used, hence `paramiko>=5.1,<6` and a test per refusal.
"""

from __future__ import annotations

import base64
import io
import logging
import socket
from contextlib import nullcontext
from typing import Any

import paramiko
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_ssh_private_key

from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.domain.sshkeys import AUTHORITY
from procedures.ssh import host_certificates
from procedures.ssh.agent import NotHeld, held
from procedures.ssh.host_certificates import Demanded, NotThisHost, Shown

CONNECT_S = 10.0
SHOWN = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")
logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it prints tracebacks for refusals that we report ourselves
QUICKACK = getattr(socket, "TCP_QUICKACK", None)


class HostKeyRefused(OpsError):
    """The host showed another key than the one that was confirmed for it."""

    code = "ssh.host-key-refused"
    next_step = "Do not go on. If the host was really rebuilt, an operator confirms its new key."


class HostCertificateRefused(HostKeyRefused):
    """The host showed no certificate, or not the one that its target demands; its bare key is no way in."""

    code = "ssh.host-certificate-refused"
    next_step = "Look at `opsportal target certificate NAME`: have the host's key signed again, and put it on the host."


class Unreachable(OpsError):
    """The host did not answer, or did not let this credential in."""

    code = "ssh.unreachable"
    next_step = "Check that the host is up and set up (`opsportal target check`)."


class _QuickSocket:
    """A socket without delays: NODELAY, and QUICKACK armed again before each read, since Linux disarms it."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, size: int) -> bytes:
        if QUICKACK is not None:
            self._raw.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
        return self._raw.recv(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class PinnedTransport(paramiko.Transport):  # type: ignore[misc]
    """Negotiates the pinned key's type alone, or certificates of it, and judges what it is shown itself."""

    pinned: bytes = b""
    pinned_type: str = ""
    demanded: Demanded | None = None
    shown: Shown | None = None
    refused: str = ""

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        if self.demanded is not None:
            return host_certificates.algorithms(self.demanded.host_key)
        if self.pinned_type == "ssh-rsa":
            return ("rsa-sha2-512", "rsa-sha2-256")
        return (self.pinned_type,)

    def _verify_key(self, host_key: bytes, sig: bytes) -> None:
        if self.demanded is not None:
            self._judge(host_key, self.demanded)
        elif not self.pinned or host_key != self.pinned:
            raise paramiko.SSHException("host key is not the pinned one")
        super()._verify_key(host_key, sig)

    def _judge(self, certificate: bytes, demanded: Demanded) -> None:
        try:
            self.shown = host_certificates.judged(certificate, demanded, at=now())
        except NotThisHost as problem:
            self.refused = str(problem)
            raise paramiko.SSHException("host certificate refused") from problem


def connect(
    *,
    address: str,
    port: int,
    host_key: str,
    account: str,
    private_key: bytes = b"",
    certificate: str | None = None,
    agent_key: str = "",
    demanded: Demanded | None = None,
) -> PinnedTransport:
    """An authenticated transport; with `agent_key`, a public key, an agent signs. `demanded`: the host's certificate.

    Raises HostKeyRefused, Unreachable, NotHeld.
    """
    transport = greet(address=address, port=port, host_key=host_key, demanded=demanded)
    try:
        with held(agent_key) if agent_key else nullcontext(_key(private_key, certificate)) as key:
            transport.auth_publickey(account, key)
    except NotHeld:
        transport.close()
        raise
    except paramiko.AuthenticationException as problem:
        transport.close()
        raise Unreachable(f"{address} does not let {account} in with this credential.") from problem
    except (paramiko.SSHException, OSError, EOFError) as problem:
        transport.close()
        raise Unreachable(f"{address} ended the connection: {problem}.") from problem
    return transport


def greet(
    *, address: str, port: int, host_key: str, seconds: float = CONNECT_S, demanded: Demanded | None = None
) -> PinnedTransport:
    """A transport whose host showed what it must; nobody has logged in yet. Raises HostKeyRefused, Unreachable."""
    kind, encoded = host_key.split()[:2]
    if kind == AUTHORITY:
        raise Unreachable(f"{address} is a cluster, which is not reached by SSH.")
    transport = PinnedTransport(_socket(address, port, seconds))
    transport.pinned, transport.pinned_type, transport.demanded = base64.b64decode(encoded), kind, demanded
    try:
        transport.start_client(timeout=seconds)
    except (paramiko.SSHException, OSError, EOFError) as problem:
        transport.close()
        raise _refusal(address, transport, str(problem)) from problem
    if not transport.initial_kex_done:  # paramiko's time-out ends in silence
        transport.close()
        raise Unreachable(f"{address} port {port} shows no host key within {seconds:g} s.")
    return transport


def _refusal(address: str, transport: PinnedTransport, said: str) -> OpsError:
    """Why the key exchange ended, in the words of who must do something about it."""
    other = "pinned" in said or "no acceptable host key" in said.lower()
    if transport.refused:
        return HostCertificateRefused(f"{address} {transport.refused}.")
    if other and transport.demanded is not None:
        return HostCertificateRefused(f"{address} shows no host certificate, though its target demands one.")
    if other:
        return HostKeyRefused(f"{address} shows another host key than the one confirmed for it.")
    return Unreachable(f"{address} ended the connection: {said}.")


def shown_key(address: str, port: int) -> str:
    """The key that a host shows to anybody, as "kind base64", for a person to compare; nobody logs in.

    Raises Unreachable.
    """
    transport = paramiko.Transport(_socket(address, port))
    try:
        transport.get_security_options().key_types = SHOWN
        transport.start_client(timeout=CONNECT_S)
        key = transport.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"
    except (paramiko.SSHException, OSError, EOFError) as problem:
        raise Unreachable(f"{address} port {port} shows no host key: {problem}.") from problem
    finally:
        transport.close()


def _socket(address: str, port: int, seconds: float = CONNECT_S) -> _QuickSocket:
    try:
        return _QuickSocket(socket.create_connection((address, port), timeout=seconds))
    except OSError as problem:
        raise Unreachable(f"{address} port {port} does not answer: {problem}.") from problem


def _key(private_key: bytes, certificate: str | None) -> paramiko.PKey:
    """The key in memory, whatever its kind, with its certificate if there is one."""
    loaded = load_ssh_private_key(private_key, None)
    text = loaded.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    kinds = {"Ed25519PrivateKey": paramiko.Ed25519Key, "RSAPrivateKey": paramiko.RSAKey}
    kind: Any = kinds.get(type(loaded).__name__, paramiko.ECDSAKey)
    key: paramiko.PKey = (
        kind(file_obj=io.StringIO(text)) if kind is paramiko.Ed25519Key else kind.from_private_key(io.StringIO(text))
    )
    if certificate is not None:
        key.load_certificate(certificate)
    return key
