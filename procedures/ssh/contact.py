"""Contact: the target answers and shows that it is the one that people confirmed. Nobody logs in."""

from __future__ import annotations

import base64
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.host_renewal import is_due
from procedures.domain.ports import Target
from procedures.domain.sshkeys import AUTHORITY
from procedures.ssh.host_certificates import Shown, demanded_of
from procedures.ssh.transport import HostKeyRefused, Unreachable, greet

State = Literal["reached", "unreachable", "other_key"]
THREADS = 64
CONNECT_S = 5.0


def contact(target: Target) -> tuple[State, str]:
    """(state, in words why not). An SSH host shows what it must, a cluster a certificate of its authority."""
    if target.host_key.startswith(AUTHORITY + " "):
        return _cluster(target)
    try:
        transport = greet(
            address=target.address,
            port=target.port,
            host_key=target.host_key,
            seconds=CONNECT_S,
            demanded=demanded_of(target),
        )
        transport.close()
    except HostKeyRefused as problem:
        return "other_key", problem.message
    except Unreachable as problem:
        return "unreachable", problem.message
    return "reached", _ending(transport.shown)


def _ending(shown: Shown | None) -> str:
    """What to do about a certificate that ends soon, as long as it still holds."""
    if shown is None or not is_due(shown.valid_until_at, at=now()):
        return ""
    return f"Its host certificate ends at {moment(shown.valid_until_at)}: bring the newest to the host."


def contact_each(targets: list[Target]) -> dict[str, tuple[State, str]]:
    """The same for many, 64 at once, by name."""
    if not targets:
        return {}
    with ThreadPoolExecutor(max_workers=min(THREADS, len(targets)), thread_name_prefix="contact") as pool:
        return dict(zip([t.name for t in targets], pool.map(contact, targets), strict=True))


def _cluster(target: Target) -> tuple[State, str]:
    trusted = x509.load_der_x509_certificate(base64.b64decode(target.host_key.partition(" ")[2]))
    context = ssl.create_default_context(cadata=trusted.public_bytes(Encoding.PEM).decode())
    try:
        with (
            socket.create_connection((target.address, target.port), timeout=CONNECT_S) as raw,
            context.wrap_socket(raw, server_hostname=target.address),
        ):
            return "reached", ""
    except ssl.SSLCertVerificationError as problem:
        return (
            "other_key",
            f"{target.address}:{target.port} shows a certificate of another authority: {problem.reason}.",
        )
    except (OSError, ValueError) as problem:
        return "unreachable", f"{target.address}:{target.port} does not answer: {problem}."[:300]
