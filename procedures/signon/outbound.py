"""The few requests that this process makes to an identity provider: to signed addresses, bounded, never redirected."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpcore

from procedures.domain.addresses import address_problem
from procedures.domain.providers import ProviderUnreachable

LONGEST_S = 10.0
LARGEST_BYTES = 1 << 20
OWN_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "::1/128", "fc00::/7", "100.64.0.0/10")


class _Judged(httpcore.NetworkBackend):
    """Connects to the address that was judged: own networks are fine, two managers named the host; metadata never."""

    def __init__(self) -> None:
        self.plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return self.plain.connect_tcp(judged(host, port), port, timeout, local_address, socket_options)


def judged(host: str, port: int) -> str:
    """The address to connect to. Raises ProviderUnreachable for one that no portal may reach, or no address at all."""
    try:
        rows = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise ProviderUnreachable(f"{host} has no address.") from problem
    addresses = sorted({str(row[4][0]) for row in rows}, key=lambda text: ":" in text)
    for address in addresses:
        if address_problem(address, OWN_NETWORKS):
            raise ProviderUnreachable(f"{host} leads to an address that is never reached.")
    return addresses[0]


def get(url: str, headers: Mapping[str, str] | None = None) -> Any:
    return _asked("GET", url, headers or {})


def post(url: str, data: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Any:
    """A form, answered with JSON. Raises ProviderUnreachable."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return _asked("POST", url, {**kind, **(headers or {})}, urlencode(data).encode())


def _asked(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Any:
    """The JSON that is answered. Raises ProviderUnreachable."""
    host = urlsplit(url).hostname
    limits = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), LONGEST_S)}
    named = {"Accept": "application/json", "User-Agent": "opsportal", **headers}
    try:
        with (
            httpcore.ConnectionPool(
                ssl_context=ssl.create_default_context(), network_backend=_Judged(), max_connections=1
            ) as pool,
            pool.stream(method, url, headers=list(named.items()), content=body, extensions=limits) as answer,
        ):
            found = _bounded(answer.iter_stream(), str(host))
            if answer.status != 200:
                raise ProviderUnreachable(f"{host} answered {answer.status}.")
            return json.loads(found)
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as problem:
        raise ProviderUnreachable(f"{host} gave no usable answer ({type(problem).__name__}).") from problem


def _bounded(parts: Iterable[bytes], host: str) -> bytes:
    """Everything that came, in bounded size and time. Raises ProviderUnreachable."""
    until, found = time.monotonic() + 2 * LONGEST_S, b""
    for part in parts:
        found += part
        if len(found) > LARGEST_BYTES or time.monotonic() > until:
            raise ProviderUnreachable(f"{host} answers without end.")
    return found
