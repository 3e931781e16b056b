"""What a real sshd refuses, a row each, and what a host must be set to (test_host_certificates: what we refuse)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opsportal.cli import onboarding
from procedures.actions.ssh import SshScript
from procedures.domain.clock import now
from procedures.ssh.transport import Unreachable
from tests.actions.calls import Collected, call
from tests.ssh.conftest import Place
from tests.ssh.test_refusals import HOUR, certificate, enter, said

NO_PRINCIPAL = "Certificate does not contain an authorized principal"
WANTED = (
    "expired",
    "not yet valid",
    "another role",
    "the same role on another host",
    "a bare account",
    "a wrong source address",
    "an unknown authority",
    "an unknown critical option",
    "another command than the forced one",
    "a PTY",
    "forwarding",
    "a revoked serial",
    "anybody where the list of the revoked is missing",
    "a tampered script",
)  # credentials.md, what a real sshd must be seen to refuse: a row that is missing below fails
EVERY = ("permit-X11-forwarding", "permit-agent-forwarding", "permit-port-forwarding", "permit-pty", "permit-user-rc")
ROWS: dict[str, Callable[[Place], None]] = {}


def row(name: str) -> Callable[[Callable[[Place], None]], Callable[[Place], None]]:
    def kept(tried: Callable[[Place], None]) -> Callable[[Place], None]:
        ROWS[name] = tried
        return tried

    return kept


@pytest.mark.parametrize("name", WANTED)
def test_a_real_sshd_refuses(place: Place, name: str) -> None:
    ROWS[name](place)
    assert said(enter(place, certificate(place)), "id") == b"forced\n", "a right one is let in as before"


def test_the_table_has_each_row_once_and_no_other() -> None:
    assert sorted(ROWS) == sorted(WANTED)


def refused(place: Place, why: str, **changes: Any) -> None:
    """The certificate is not let in, and the host's own log says for just this reason."""
    before = len(place.host.log)
    with pytest.raises(Unreachable):
        enter(place, certificate(place, **changes))
    end = time.monotonic() + 5
    while why not in place.host.log[before:] and time.monotonic() < end:
        time.sleep(0.02)
    assert why in place.host.log[before:]


@row("expired")
def _(place: Place) -> None:
    refused(place, "Certificate invalid: expired", at=now() - 2 * HOUR, until=now() - HOUR)


@row("not yet valid")
def _(place: Place) -> None:
    refused(place, "Certificate invalid: not yet valid", at=now() + HOUR, until=now() + 2 * HOUR)


@row("another role")
def _(place: Place) -> None:
    refused(place, NO_PRINCIPAL, principals=["root@web-01"])


@row("the same role on another host")
def _(place: Place) -> None:
    refused(place, NO_PRINCIPAL, principals=[f"{place.host.account}@web-02"])


@row("a bare account")
def _(place: Place) -> None:
    refused(place, NO_PRINCIPAL, principals=[place.host.account])


@row("a wrong source address")
def _(place: Place) -> None:
    refused(place, "not from a permitted source address", options={"source-address": "10.9.9.9/32"})


@row("an unknown authority")
def _(place: Place) -> None:
    refused(place, "CA", ca=Ed25519PrivateKey.generate())


@row("an unknown critical option")
def _(place: Place) -> None:
    refused(place, "fly@example.org", options={"fly@example.org": "yes"})


@row("another command than the forced one")
def _(place: Place) -> None:
    for words in ("cat /etc/passwd", "internal-sftp", ""):
        assert said(enter(place, certificate(place)), words) == b"forced\n"
    channel = enter(place, certificate(place)).open_session()
    with pytest.raises(paramiko.SSHException):
        channel.invoke_subsystem("sftp")
    channel.transport.close()


@row("a PTY")
def _(place: Place) -> None:
    for extensions in ((), EVERY):  # by the certificate that names nothing, and by the host where it names all
        channel = enter(place, certificate(place, extensions=extensions)).open_session()
        with pytest.raises(paramiko.SSHException):
            channel.get_pty()
        channel.transport.close()


@row("forwarding")
def _(place: Place) -> None:
    for extensions in ((), EVERY):
        transport = enter(place, certificate(place, extensions=extensions))
        with pytest.raises(paramiko.SSHException):
            transport.open_channel("direct-tcpip", ("127.0.0.1", place.host.port), ("127.0.0.1", 1))
        with pytest.raises(paramiko.SSHException):
            transport.request_port_forward("127.0.0.1", 0)
        channel = transport.open_session()
        with pytest.raises(paramiko.SSHException):
            channel.request_x11()
        transport.close()


@row("a revoked serial")
def _(place: Place) -> None:
    issued, revoked = certificate(place), place.host.folder / "etc" / "revoked"
    spec = place.host.folder / "spec"
    spec.write_text(f"serial: {issued.serial}\n")
    authority = str(place.keys / "ssh-ca-staging.pub")
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(revoked), "-s", authority, str(spec)], check=True)
    try:
        with pytest.raises(Unreachable):
            enter(place, issued)
        assert said(enter(place, certificate(place)), "x") == b"forced\n"
    finally:
        revoked.write_bytes(b"")


@row("anybody where the list of the revoked is missing")
def _(place: Place) -> None:
    revoked = place.host.folder / "etc" / "revoked"
    revoked.rename(revoked.with_name("away"))
    try:
        with pytest.raises(Unreachable):
            enter(place, certificate(place))
    finally:
        revoked.with_name("away").rename(revoked)


@row("a tampered script")
def _(place: Place) -> None:
    action = SshScript()
    asked = call(input={"script": "s.sh"}, files={"s.sh": b"echo good\n"}, target=place.target)
    lease, io = place.lease(action, asked), Collected()
    result = action.run(replace(asked, files={"s.sh": b"echo evil\n"}, lease=lease), io)
    assert (result.exit_status, io.text) == (126, "")
    assert b"not the command that was approved" in io.out["stderr"]


def test_the_host_takes_no_environment_no_password_and_no_rc_file(place: Place) -> None:
    rc = place.host.home / ".ssh" / "rc"
    rc.parent.mkdir(exist_ok=True)
    rc.write_text("echo rc-was-run\n")
    channel = enter(place, certificate(place, extensions=EVERY, options={"force-command": "env"})).open_session()
    channel.update_environment({"LANG": "canary", "LC_ALL": "canary", "BASH_ENV": "canary"})
    channel.exec_command("x")
    seen = channel.makefile("rb").read()
    assert b"PATH=" in seen
    assert b"canary" not in seen
    assert b"rc-was-run" not in seen
    rc.unlink()
    transport = paramiko.Transport(("127.0.0.1", place.host.port))
    try:
        transport.start_client(timeout=5)
        with pytest.raises(paramiko.BadAuthenticationType):
            transport.auth_password(place.host.account, "x", fallback=False)
    finally:
        transport.close()


def test_the_host_s_log_names_serial_key_id_and_authority_of_whoever_came_in(place: Place) -> None:
    """LogLevel VERBOSE: by it the host's own log can be held against what was lent."""
    issued = certificate(place)
    said(enter(place, issued), "id")
    assert f"ID test (serial {issued.serial}) CA ED25519 SHA256:" in place.host.log


def test_what_onboarding_writes_holds_over_what_a_distribution_lets_in(place: Place, tmp_path: Path) -> None:
    """The drop-in as the script writes it, before Debian's own lines, as sshd itself reads the two together."""
    text = onboarding.script(onboarding.Need("web-01", place.host.account, "ssh-ed25519 AAAA"))
    drop_in = text.partition("/10-opsportal-")[2].partition("\n")[2].partition(onboarding.END)[0]
    assert drop_in.startswith("Match User ")
    usual = "AcceptEnv LANG LC_*\nX11Forwarding yes\nPasswordAuthentication yes\nPermitTTY yes\nLogLevel INFO\n"
    (tmp_path / "c").write_text(f"HostKey {place.host.folder}/etc/hostkey\n{drop_in}\n{usual}")
    words = place.host.command("-T", "-f", str(tmp_path / "c"), "-C", f"user={place.host.account},host=x,addr=10.0.0.1")
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    for name, value in onboarding.SETTINGS:
        found = [one for one in told if one.startswith(f"{name.lower()} ")]
        if name == "AcceptEnv":  # its lines add up, whatever a Match says: `target check` tells, on the whole of them
            assert found == ["acceptenv none", "acceptenv LANG", "acceptenv LC_*"]
        else:
            assert found == [f"{name.lower()} {value}"], name
