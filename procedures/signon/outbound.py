"""One request to an address that people signed: judged, bounded in size and time, never redirected.

It is made by the egress process, and by whoever reads a provider's own document at a terminal; never by a web process.
"""

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
from procedures.domain.providers import LOOPBACK, EgressRefused, ProviderUnreachable

LONGEST_S, WHOLE_S = 10.0, 20.0
LARGEST_BYTES = 1 << 20
OWN_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "100.64.0.0/10")
THIS_MACHINE = ("127.0.0.0/8", "::1/128")


class _Timed(httpcore.NetworkStream):
    """A connection that ends when its time is over, however often a little comes: head and answer together."""

    def __init__(self, stream: httpcore.NetworkStream, host: str, until: float) -> None:
        self.stream, self.host, self.until = stream, host, until

    def _left(self, timeout: float | None) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise EgressRefused(f"{self.host} answers without end.")
        return min(left, timeout or left)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self.stream.read(max_bytes, self._left(timeout))
        except httpcore.ReadTimeout:
            self._left(None)
            raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, self._left(timeout))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inside = self.stream.start_tls(ssl_context, server_hostname, self._left(timeout))
        return _Timed(inside, self.host, self.until)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


class Judged(httpcore.NetworkBackend):
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
        until = time.monotonic() + WHOLE_S
        stream = self.plain.connect_tcp(judged(host, port), port, timeout, local_address, socket_options)
        return _Timed(stream, host, until)


def judged(host: str, port: int) -> str:
    """The address to connect to. Raises EgressRefused for one that no portal may reach, ProviderUnreachable for none.

    This machine is reached where the signed address says so itself, never by a name that somebody else points here.
    """
    try:
        rows = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise ProviderUnreachable(f"{host} has no address.") from problem
    networks = OWN_NETWORKS + (THIS_MACHINE if host.strip("[]") in LOOPBACK else ())
    addresses = sorted({str(row[4][0]) for row in rows}, key=lambda text: ":" in text)
    for address in addresses:
        if address_problem(address, networks):
            raise EgressRefused(f"{host} leads to an address that is never reached.")
    return addresses[0]


def get(url: str, headers: Mapping[str, str] | None = None) -> Any:
    return _asked("GET", url, headers or {})


def post(url: str, data: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Any:
    """A form, answered with JSON. Raises EgressRefused, ProviderUnreachable."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return _asked("POST", url, {**kind, **(headers or {})}, urlencode(data).encode())


def _asked(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Any:
    """The JSON that is answered. Raises EgressRefused, ProviderUnreachable."""
    host = urlsplit(url).hostname
    limits = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), LONGEST_S)}
    named = {"Accept": "application/json", "User-Agent": "opsportal", **headers}
    try:
        with (
            httpcore.ConnectionPool(
                ssl_context=ssl.create_default_context(), network_backend=Judged(), max_connections=1
            ) as pool,
            pool.stream(method, url, headers=list(named.items()), content=body, extensions=limits) as answer,
        ):
            if 300 <= answer.status < 400:
                raise EgressRefused(f"{host} sends whoever asks elsewhere ({answer.status}).")
            found = _bounded(answer.iter_stream(), str(host))
            if answer.status != 200:
                raise ProviderUnreachable(f"{host} answered {answer.status}.")
            return json.loads(found)
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        OSError,
        ValueError,
        RecursionError,
    ) as problem:
        raise ProviderUnreachable(f"{host} gave no usable answer ({type(problem).__name__}).") from problem


def _bounded(parts: Iterable[bytes], host: str) -> bytes:
    """Everything that came, in bounded size. Raises EgressRefused."""
    found = bytearray()
    for part in parts:
        found += part
        if len(found) > LARGEST_BYTES:
            raise EgressRefused(f"{host} answers without end.")
    return bytes(found)
