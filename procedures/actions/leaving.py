"""The way out of a local step to the hosts of its list, and what the step was seen to use."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from procedures.actions.reach import judged
from procedures.domain.ports import ActionCall, ActionIO, ActionResult
from procedures.domain.seen import seen
from procedures.sandbox.egress import Egress

CONNECT_S = 10.0
SERVED = frozenset({"aws-sts", "kubernetes-token", "oidc-workload", "postgres-role"})  # worth nothing offline


def way_out(call: ActionCall) -> AbstractContextManager[Egress | None]:
    """The way out to the hosts of the step's list, for as long as it runs; None without a list.

    Each name is resolved out here, once for a connection, and the address that was judged is the one connected to.
    """
    listed = call.input.get("egress")
    if not listed:
        return nullcontext()

    def connect(host: str, port: int) -> socket.socket:
        return socket.create_connection((judged(host, port, call.networks), port), timeout=CONNECT_S)

    return Egress(listed, connect)


def with_use(call: ActionCall, result: ActionResult, egress: Egress | None, io: ActionIO) -> ActionResult:
    """The result with what the step reached, which is evidence.

    What it asked for in vain is a text of its own: it goes where output is masked, and its number into evidence.
    """
    result = replace(result, facts={**result.facts, **_seen(call, egress)})
    if egress is None:
        return result
    for place, count in sorted(egress.refused.items()):
        io.write("system", f"Egress: {place} was refused ({count} ×).\n".encode())
    facts = {"reached": dict(egress.reached), "refused": egress.refused.total()}
    return replace(result, facts={**result.facts, "egress": facts})


def _seen(call: ActionCall, egress: Egress | None) -> dict[str, Any]:
    """What a program was seen to use. Whether it read what it was lent nobody can see; where nothing was reached,
    nothing that a server would have to take was used.
    """
    network = "all" if call.input.get("network") else "listed" if egress else "none"
    credential = ""
    if call.lease is not None:
        away = network == "none" or (egress is not None and not egress.reached)
        served = call.lease.provider in SERVED or "VAULT_TOKEN" in call.lease.env
        credential = "not used" if away and served else "placed"
    return seen(network=network, credential=credential, hosts=list(egress.reached) if egress else ())
