"""Key and certificate are read out of a runner's memory while its step runs: what do they open, where, how long?"""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import paramiko
import pytest

from opsportal.demo.hosts import Host
from procedures.actions.ssh import SshScript
from procedures.domain.ports import ActionCall, Lease
from procedures.ssh.stub import command
from procedures.ssh.transport import _key
from tests.actions.calls import Collected, call
from tests.ssh.conftest import Place, place

__all__ = ["place"]
pytestmark = pytest.mark.timeout(120)
SCRIPT = b'echo "$PARAM_WORD began"; sleep 2; echo over\n'


@dataclass
class Stolen:
    """What the thief holds, and the request that the runner sends with it."""

    place: Place
    asked: ActionCall
    lease: Lease

    def enter(
        self, port: int, account: str = "", *, source: str = "127.0.0.1", address: str = "127.0.0.1"
    ) -> paramiko.Transport:
        """Sign in as any program would, with no check of ours in the way. Raises AuthenticationException."""
        link = socket.create_connection((address, port), timeout=10, source_address=(source, 0))
        transport = paramiko.Transport(link)
        transport.start_client(timeout=10)
        material = self.lease.material
        key = _key(material["private_key"].reveal(), material["certificate"].reveal().decode())
        transport.auth_publickey(account or self.place.host.account, key)
        return transport

    def run(self, words: str, data: bytes = b"") -> tuple[int, bytes]:
        """(exit status, all that was said) of a command on the host that the certificate is for."""
        transport = self.enter(self.place.host.port)
        try:
            channel = transport.open_session(timeout=10)
            channel.set_combine_stderr(True)
            channel.exec_command(words)
            channel.sendall(data)
            channel.shutdown_write()
            said = channel.makefile("rb").read()
            return channel.recv_exit_status(), said
        finally:
            transport.close()


@pytest.fixture
def stolen(place: Place) -> Iterator[Stolen]:
    """The step is under way on its host when the thief begins, and goes on undisturbed beside all that is tried."""
    action, io = SshScript(), Collected()
    asked = call(
        input={"script": "s.sh", "env": {}}, files={"s.sh": SCRIPT}, parameters={"word": "it"}, target=place.target
    )
    lease = place.lease(action, asked, seconds=30)
    running = threading.Thread(target=action.run, args=(replace(asked, lease=lease), io))
    running.start()
    end = time.monotonic() + 10
    while b"began" not in io.out.get("stdout", b"") and time.monotonic() < end:
        time.sleep(0.02)
    yield Stolen(place, asked, lease)
    running.join(20)
    assert io.text.endswith("over\n"), "the honest step was not harmed"


def test_the_same_request_is_spent_while_the_step_still_runs(stolen: Stolen) -> None:
    sent = SshScript().payload(stolen.asked, str(stolen.lease.id))
    status, said = stolen.run(command(sent.sha256, 30), sent.data)
    assert (status, b"used already" in said, b"began" in said) == (126, True, False)


@pytest.mark.parametrize(
    "changed",
    [
        {"parameters": {"word": "other"}},
        {"files": {"s.sh": b"cat /etc/shadow\n"}},
        {"step": "another-step"},
    ],
    ids=["a parameter", "the script", "the step"],
)
def test_it_runs_no_other_request_on_its_own_host(stolen: Stolen, changed: dict[str, object]) -> None:
    sent = SshScript().payload(replace(stolen.asked, **changed), str(stolen.lease.id))  # type: ignore[arg-type]
    status, said = stolen.run(command(sent.sha256, 30), sent.data)
    assert (status, b"not the command that was approved" in said) == (126, True)


def test_no_command_shell_terminal_copy_or_tunnel_is_had_with_it(stolen: Stolen) -> None:
    status, said = stolen.run("id; cat /etc/passwd")
    assert status in {125, 126}
    assert b"uid=" not in said
    assert b"root:" not in said
    transport = stolen.enter(stolen.place.host.port)
    try:
        with pytest.raises(paramiko.SSHException):
            transport.open_session(timeout=5).get_pty()
        with pytest.raises(paramiko.SSHException):
            transport.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1), timeout=5)
        with pytest.raises(paramiko.SSHException):
            transport.request_port_forward("127.0.0.1", 0)
        files = transport.open_session(timeout=5)
        files.invoke_subsystem("sftp")
        files.settimeout(5)
        files.sendall(b"\x00\x00\x00\x05\x01\x00\x00\x00\x03")
        files.shutdown_write()
        assert not files.recv(100), "the stub answers, and no file server"
    except paramiko.SSHException:
        pass
    finally:
        transport.close()


def test_another_host_that_trusts_the_same_authority_lets_it_in_under_no_name(stolen: Stolen, host_number: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="opsportal-sshd-", dir="/var/tmp"))
    folder.chmod(0o711)
    other = Host("web-02", folder / "web-02", 102 + host_number)
    other.start()
    try:
        other.trust(ca=(stolen.place.keys / "ssh-ca-staging.pub").read_text())
        for account in (other.account, stolen.place.host.account, "root"):
            with pytest.raises(paramiko.SSHException):
                stolen.enter(other.port, account)
    finally:
        other.stop()


def test_neither_another_account_nor_another_address_may_use_it(stolen: Stolen) -> None:
    for account in ("root", "nobody"):
        with pytest.raises(paramiko.SSHException):
            stolen.enter(stolen.place.host.port, account)
    with pytest.raises(paramiko.SSHException):
        stolen.enter(stolen.place.host.port, source="127.0.0.9")
    stolen.enter(stolen.place.host.port).close()


def test_a_moment_later_it_opens_nothing(place: Place) -> None:
    """Its time is seconds; what is spent stays spent for longer than any credential lives."""
    action = SshScript()
    asked = call(input={"script": "s.sh"}, files={"s.sh": b"echo ran\n"}, target=place.target)
    late = Stolen(place, asked, place.lease(action, asked, seconds=2))
    time.sleep(3.2)
    with pytest.raises(paramiko.SSHException):
        late.enter(place.host.port)
