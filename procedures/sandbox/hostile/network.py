"""Attempts to reach somebody: over the network, and by sockets of the same host."""

from __future__ import annotations

import socket
from typing import Any

from procedures.sandbox.hostile.attack import Facts, attack

WAIT_S = 0.3


@attack
def connect(facts: Facts) -> bool:
    return _answers(socket.AF_INET, ("127.0.0.1", facts["port"]))


@attack
def send_datagrams(facts: Facts) -> bool:
    """To a port that gives everything back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(WAIT_S)
        link.connect(("127.0.0.1", facts["echo"]))
        link.send(b"x")
        return link.recv(1) == b"x"


@attack
def connect_to_a_socket_file(facts: Facts) -> bool:
    return _answers(socket.AF_UNIX, facts["socket"])


@attack
def connect_to_an_abstract_socket(facts: Facts) -> bool:
    return _answers(socket.AF_UNIX, f"\0{facts['abstract']}")


def _answers(family: int, address: Any) -> bool:
    with socket.socket(family) as link:
        link.settimeout(WAIT_S)
        link.connect(address)
        return True
