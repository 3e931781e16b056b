"""One real sshd for a file of tests, and a certificate authority that it trusts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from opsportal.demo.hosts import Host
from procedures.credentials.ssh_certificate import SshCertificate
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Action, ActionCall, Binding, Lease, RunContext, Target
from procedures.domain.sshkeys import fingerprint
from procedures.ssh.authority import load_ca
from tests.fixtures.counterparts import need

NEED = CredentialNeed("deploy", "ssh", {}, 600)


@dataclass(slots=True)
class Place:
    """A host, its target as a plan knows it, and the provider of its environment."""

    host: Host
    target: Target
    provider: SshCertificate
    keys: Path

    @property
    def binding(self) -> Binding:
        return Binding("staging", "deploy", "ssh-certificate", self.host.account, {}, 600, {}, "sha256:x")

    def lease(self, action: Action, call: ActionCall, *, seconds: int = 60, target: Target | None = None) -> Lease:
        """A certificate for exactly this call."""
        lease_id = uuid4()
        context = RunContext(
            run_id=call.run_id,
            run_no=1,
            step=call.step,
            attempt=call.attempt,
            procedure="p",
            digest="d",
            environment="staging",
            requester="quinn",
            approvers=("petra",),
            runner="r",
            deadline=now(),
            target=target or self.target,
            command_sha256=action.command_sha256(call, str(lease_id)),
            timeout_s=30,
        )
        return self.provider.issue(context, NEED, self.binding, lease_id, at=now(), ttl_s=seconds)


@pytest.fixture(scope="module")
def place(host_number: int) -> Iterator[Place]:
    with placed(101 + host_number) as found:
        yield found


@contextmanager
def placed(number: int, shell: str = "/bin/sh") -> Iterator[Place]:
    """A host whose account has this login shell."""
    need("sshd")
    folder = Path(tempfile.mkdtemp(prefix="opsportal-sshd-", dir="/var/tmp"))
    folder.chmod(0o711)
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    load_ca(keys / "ssh-ca-staging")
    host = Host("web-01", folder / "web-01", number, shell=shell)
    host.start()
    host.trust(ca=(keys / "ssh-ca-staging.pub").read_text())
    target = Target(
        uuid4(), "web-01", "staging", "127.0.0.1", host.port, host.host_key, fingerprint(host.host_key), "certificate"
    )
    try:
        yield Place(host, target, SshCertificate(keys, "127.0.0.1/32"), keys)
    finally:
        host.stop()
