"""A restricted key in a thief's hands, against a real sshd: it runs what the issuer signed for this host, once."""

from __future__ import annotations

import base64
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opsportal.demo.hosts import Host
from procedures.actions.ssh import SshScript
from procedures.credentials.ssh_key import SshKey
from procedures.domain.clock import now
from procedures.domain.ports import Action, ActionCall, Binding, Lease, RunContext, Target
from procedures.domain.secrets import Secret
from procedures.domain.sshkeys import fingerprint
from procedures.ssh import restricted
from procedures.ssh.accounts import NotIssuable
from procedures.ssh.authority import load_ca
from procedures.ssh.transport import PinnedTransport, Unreachable, connect
from tests.actions.calls import Collected, call
from tests.fixtures.counterparts import need
from tests.ssh.conftest import NEED

SCRIPT = b'#!/bin/sh\necho "ran $PARAM_A"\n'


@dataclass(slots=True)
class Kept:
    """A host that lets one restricted key in, and the issuer that holds that key and the authority."""

    host: Host
    target: Target
    keys: Path
    private: bytes

    @property
    def provider(self) -> SshKey:
        return SshKey(lambda environment, name: Secret(self.private), self.keys, "127.0.0.1/32")

    def binding(self, **ceiling: str) -> Binding:
        return Binding("staging", "deploy", "ssh-key", self.host.account, ceiling, 600, {}, "sha256:x")

    def lease(self, asked: ActionCall, action: Action | None = None, **changes: Any) -> Lease:
        lease_id, action = uuid4(), action or SshScript()
        context = RunContext(
            run_id=asked.run_id,
            run_no=1,
            step=asked.step,
            attempt=asked.attempt,
            procedure="p",
            digest="d",
            environment="staging",
            requester="quinn",
            approvers=("petra",),
            runner="r",
            deadline=now(),
            target=self.target,
            command_sha256=action.command_sha256(asked, str(lease_id)),
            timeout_s=30,
        )
        at, context = changes.pop("at", now()), replace(context, **changes)
        return self.provider.issue(context, NEED, self.binding(restricted="k"), lease_id, at=at, ttl_s=60)

    def asked(self, **more: Any) -> ActionCall:
        return call(input={"script": "s.sh"}, files={"s.sh": SCRIPT}, env={"PARAM_A": "1"}, target=self.target, **more)

    def enter(self) -> PinnedTransport:
        """With the key alone, as whoever stole it would."""
        return connect(
            address="127.0.0.1",
            port=self.host.port,
            host_key=self.host.host_key,
            account=self.host.account,
            private_key=self.private,
        )

    def says(self, words: str | None, data: bytes = b"") -> tuple[int, str, str]:
        transport = self.enter()
        channel = transport.open_session()
        channel.invoke_shell() if words is None else channel.exec_command(words)
        channel.sendall(data)
        channel.shutdown_write()
        out, err = channel.makefile("rb").read(), channel.makefile_stderr("rb").read()
        status = channel.recv_exit_status()
        transport.close()
        return status, out.decode(), err.decode()


def placed(host: Host, authority: str, public: str, source: str) -> None:
    """What `target onboard --to restricted` puts in place, in this host's own folder."""
    etc = host.folder / "etc"
    (etc / "stub").write_text(restricted.stub_file().replace(restricted.FOLDER, str(etc)))
    (etc / "stub").chmod(0o755)
    (etc / "signers").write_text(restricted.signers(authority) + "\n")
    (etc / "principals").mkdir(exist_ok=True)
    (etc / "principals" / host.account).write_text(f"{host.account}@{host.name}\n")
    line = restricted.authorized_line(public, source).replace(restricted.PLACE, str(etc / "stub"))
    (etc / "authorized_keys").write_text(line + "\n")


@pytest.fixture(scope="module")
def kept(host_number: int) -> Iterator[Kept]:
    need("sshd")
    folder = Path(tempfile.mkdtemp(prefix="opsportal-restricted-", dir="/var/tmp"))
    folder.chmod(0o711)
    (folder / "keys").mkdir(mode=0o700)
    load_ca(folder / "keys" / "ssh-ca-staging")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "one")], check=True)
    host = Host("web-01", folder / "web-01", 105 + host_number)
    host.start()
    authority = (folder / "keys" / "ssh-ca-staging.pub").read_text()
    placed(host, authority, (folder / "one.pub").read_text(), "127.0.0.1/32")
    mark = fingerprint(host.host_key)
    target = Target(uuid4(), "web-01", "staging", "127.0.0.1", host.port, host.host_key, mark, "restricted")
    yield Kept(host, target, folder / "keys", (folder / "one").read_bytes())
    host.stop()


def test_what_the_issuer_signed_runs_and_says_its_level(kept: Kept) -> None:
    asked, io = kept.asked(), Collected()
    result = SshScript().run(replace(asked, lease=kept.lease(asked)), io)
    assert (result.outcome, io.text, result.facts["level"]) == ("succeeded", "ran 1\n", "restricted"), io.out


@pytest.mark.parametrize(
    "words", ["id", "cat /etc/passwd", "", "opsportal", "opsportal a b c", "opsportal $(id) `id`", "opsportal x;id y"]
)
def test_the_key_alone_runs_nothing(kept: Kept, words: str) -> None:
    status, out, err = kept.says(words)
    assert (status, out) == (126, "")
    assert err.startswith("opsrun: "), err


def test_the_stub_that_a_certificate_would_force_is_no_way_round(kept: Kept) -> None:
    from procedures.ssh.stub import command

    sent = SshScript().payload(kept.asked(), "salt")
    assert kept.says(command(sent.sha256, 30), sent.data)[:2] == (126, "")


def test_no_shell_no_pty_no_forwarding(kept: Kept) -> None:
    assert kept.says(None, b"id\n")[:2] == (126, "")
    with pytest.raises(paramiko.SSHException):
        kept.enter().open_session().get_pty()
    transport = kept.enter()
    with pytest.raises(paramiko.SSHException):
        transport.open_channel("direct-tcpip", ("127.0.0.1", kept.host.port), ("127.0.0.1", 1))
    with pytest.raises(paramiko.SSHException):
        transport.request_port_forward("127.0.0.1", 0)
    with pytest.raises(paramiko.SSHException):
        transport.open_session().invoke_subsystem("sftp")
    transport.close()


def test_h5_a_changed_parameter_or_script_is_not_what_was_signed(kept: Kept) -> None:
    asked = kept.asked()
    lease = kept.lease(asked)
    changed = {"env": {"PARAM_A": "2"}}, {"files": {"s.sh": b"echo evil\n"}}, {"stdin": Secret("x")}
    for change in changed:
        io = Collected()
        result = SshScript().run(replace(asked, lease=lease, **change), io)
        assert (result.exit_status, io.text) == (126, ""), change
        assert b"not the command that was approved" in io.out["stderr"]


def test_h5_a_statement_is_used_once(kept: Kept) -> None:
    asked = kept.asked()
    lease, first, second = kept.lease(asked), Collected(), Collected()
    assert SshScript().run(replace(asked, lease=lease), first).outcome == "succeeded"
    assert SshScript().run(replace(asked, lease=lease), second).exit_status == 126
    assert (first.text, second.text) == ("ran 1\n", "")
    assert b"used already" in second.out["stderr"]


OTHERS: dict[str, dict[str, Any]] = {
    "for another host": {"target": "web-02"},
    "whose time is over": {"at": now() - timedelta(hours=1)},
    "whose time has not come": {"at": now() + timedelta(hours=1)},
}


@pytest.mark.parametrize("row", OTHERS)
def test_a_true_statement_is_not_taken(kept: Kept, row: str) -> None:
    changes = dict(OTHERS[row])
    if "target" in changes:
        changes["target"] = replace(kept.target, name=changes["target"])
    asked, io = kept.asked(), Collected()
    result = SshScript().run(replace(asked, lease=kept.lease(asked, **changes)), io)
    assert (result.exit_status, io.text) == (126, ""), io.out


@pytest.mark.parametrize("forgery", ["another authority", "another purpose", "altered"])
def test_a_forged_statement_is_not_taken(kept: Kept, forgery: str) -> None:
    asked = kept.asked()
    sent = SshScript().payload(asked, "salt")
    authority = (
        Ed25519PrivateKey.generate() if forgery == "another authority" else load_ca(kept.keys / "ssh-ca-staging")
    )
    made = {"digest": sent.sha256, "limit_s": 30, "at": now(), "until": now() + timedelta(minutes=1)}
    words = restricted.signed(
        authority,
        principal=f"{kept.host.account}@web-01",
        lease=uuid4(),
        about="x",
        **made,  # type: ignore[arg-type]
    )
    head, one, two = words.split()
    if forgery == "altered":
        text = base64.b64decode(one).replace(b" 30 ", b" 99 ")
        one = base64.b64encode(text).decode()
    if forgery == "another purpose":
        from procedures.domain.sshkeys import sign_sshsig

        two = base64.b64encode(sign_sshsig(authority, base64.b64decode(one), "file").encode()).decode()
    status, out, err = kept.says(f"{head} {one} {two}", sent.data)
    assert (status, out, "did not sign" in err) == (126, "", True), err


def test_from_another_address_the_key_is_not_let_in(kept: Kept) -> None:
    etc = kept.host.folder / "etc"
    before = (etc / "authorized_keys").read_text()
    (etc / "authorized_keys").write_text(before.replace("127.0.0.1/32", "10.9.9.9"))
    try:
        with pytest.raises(Unreachable):
            kept.enter()
    finally:
        (etc / "authorized_keys").write_text(before)


def test_a_cancel_over_a_restricted_key_leaves_nothing_alive(kept: Kept) -> None:
    import threading

    asked = call(input={"script": "s.sh"}, files={"s.sh": b"setsid sleep 31 & sleep 31\n"}, target=kept.target)
    io = Collected()
    threading.Timer(0.7, io.cancelled.set).start()
    result = SshScript().run(replace(asked, lease=kept.lease(asked)), io)
    assert (result.outcome, result.remote) == ("canceled", "dead")


def test_a_key_is_lent_as_far_as_the_host_trusts_it(kept: Kept) -> None:
    asked = kept.asked()
    with pytest.raises(NotIssuable, match=r"ceiling\.secret names no sealed key"):
        kept.lease(asked, target=replace(kept.target, trust="key"))
    made = kept.lease(asked, target=replace(kept.target, trust="certificate"))
    assert (made.provider, made.evidence["level"], "certificate" in made.material) == ("ssh-key", "certificate", True)
    assert made.material["private_key"].reveal() != kept.private, "a certificate has a key of its own"


def test_a_source_or_key_that_would_break_the_line_is_refused() -> None:
    for public, source in (("ssh-ed25519 AAAA", ""), ("ssh-ed25519 AAAA", 'a",command="x'), ("x", "10.0.0.1")):
        with pytest.raises(ValueError, match="address of the runner"):
            restricted.authorized_line(public, source)
