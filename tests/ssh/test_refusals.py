"""What a certificate lets a step do on a real sshd, and no more; the table of refusals is in test_refusal_table."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from procedures.actions.ssh import SshCommand, SshScript
from procedures.domain.clock import now
from procedures.domain.secrets import Secret
from procedures.ssh.authority import Issued, issue, load_ca
from procedures.ssh.transport import HostKeyRefused, PinnedTransport, connect
from tests.actions.calls import HOSTILE, Collected, call, processes
from tests.ssh.conftest import Place

HOUR = timedelta(hours=1)


def certificate(
    place: Place,
    *,
    ca: Ed25519PrivateKey | None = None,
    principals: list[str] | None = None,
    options: Mapping[str, str] | None = None,
    at: datetime | None = None,
    until: datetime | None = None,
    extensions: Sequence[str] = (),
) -> Issued:
    return issue(
        ca or load_ca(place.keys / "ssh-ca-staging"),
        principals=principals or [f"{place.host.account}@web-01"],
        key_id="test",
        options={"force-command": "echo forced", "source-address": "127.0.0.1/32", **(options or {})},
        at=at or now(),
        until=until or now() + HOUR,
        extensions=extensions,
    )


def enter(place: Place, issued: Issued, **changes: Any) -> PinnedTransport:
    words: dict[str, Any] = {
        "address": "127.0.0.1",
        "port": place.host.port,
        "host_key": place.host.host_key,
        "account": place.host.account,
        "private_key": issued.private_key,
        "certificate": issued.certificate,
        **changes,
    }
    return connect(**words)


def said(transport: paramiko.Transport, words: str) -> bytes:
    channel = transport.open_session()
    channel.exec_command(words)
    try:
        return channel.makefile("rb").read()
    finally:
        transport.close()


def test_a_right_certificate_is_let_in(place: Place) -> None:
    assert said(enter(place, certificate(place)), "id") == b"forced\n"


def test_a_wrong_host_key_is_refused_before_any_authentication(place: Place) -> None:
    before = place.host.log.count("Accepted")
    other = (place.keys / "ssh-ca-staging.pub").read_text()
    with pytest.raises(HostKeyRefused):
        enter(place, certificate(place), host_key=other)
    time.sleep(0.2)
    assert place.host.log.count("Accepted") == before


def test_h5_one_parameter_changed_is_not_the_approved_command(place: Place) -> None:
    action = SshScript()
    asked = call(input={"script": "s.sh"}, files={"s.sh": b"echo ran\n"}, parameters={"a": "1"}, target=place.target)
    lease = place.lease(action, asked)
    io = Collected()
    result = action.run(replace(asked, parameters={"a": "2"}, lease=lease), io)
    # The certificate forces the approved digest, whatever the client sends.
    assert (result.exit_status, io.text) == (126, "")
    assert b"not the command that was approved" in io.out["stderr"]


def test_h5_a_certificate_is_used_once(place: Place) -> None:
    action = SshScript()
    asked = call(input={"script": "s.sh"}, files={"s.sh": b"echo ran\n"}, target=place.target)
    lease = place.lease(action, asked)
    first, second = Collected(), Collected()
    assert action.run(replace(asked, lease=lease), first).outcome == "succeeded"
    assert action.run(replace(asked, lease=lease), second).exit_status == 126
    assert (first.text, second.text) == ("ran\n", "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_arrives_as_itself_over_ssh(place: Place, name: str) -> None:
    value = HOSTILE[name]
    action = SshCommand()
    asked = call(
        input={"argv": ["sh", "-c", 'printf %s "$1"; printf "|%s|" "$V"; cat', "x", value]},
        env={"V": value},
        stdin=Secret(value),
        target=place.target,
    )
    io = Collected()
    result = action.run(replace(asked, lease=place.lease(action, asked)), io)
    assert (result.outcome, io.out.get("stdout", b"")) == ("succeeded", f"{value}|{value}|{value}".encode())


def test_cancel_kills_daemons_on_the_host_and_says_so(place: Place) -> None:
    mark = f"8{time.time_ns() % 10**9}"
    script = "".join(f"setsid sh -c 'setsid sleep {mark}' & " for _ in range(3)) + f"sleep {mark}"
    action = SshCommand()
    asked = call(input={"argv": ["sh", "-c", script]}, target=place.target)
    io = Collected()

    def cancel() -> None:
        """As soon as all of them run, however slow the machine is."""
        end = time.monotonic() + 12
        while len(processes(f"sleep\0{mark}")) < 4 and time.monotonic() < end:
            time.sleep(0.05)
        io.cancelled.set()

    threading.Thread(target=cancel, daemon=True).start()
    result = action.run(replace(asked, lease=place.lease(action, asked)), io)
    assert (result.outcome, result.remote) == ("canceled", "dead")
    assert processes(mark) == []


def test_a_cut_connection_leaves_nothing_alive(place: Place) -> None:
    from procedures.ssh.stub import command

    mark = f"7{time.time_ns() % 10**9}"
    action = SshCommand()
    asked = call(input={"argv": ["sleep", mark]}, target=place.target)
    lease = place.lease(action, asked)
    sent = action.payload(asked, str(lease.id))
    transport = enter(
        place, Issued(lease.material["private_key"].reveal(), lease.material["certificate"].reveal().decode(), 0)
    )
    channel = transport.open_session()
    channel.exec_command(command(sent.sha256, 30))
    channel.sendall(sent.data)
    end = time.monotonic() + 5
    while not processes(mark) and time.monotonic() < end:
        time.sleep(0.05)
    assert processes(mark)
    transport.close()
    end = time.monotonic() + 5
    while processes(mark) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes(mark) == []


def test_a_secret_shows_in_no_command_line_on_the_host(place: Place) -> None:
    canary = f"canary{time.time_ns()}"
    action = SshCommand()
    asked = call(input={"argv": ["sleep", "1"]}, secret_env={"T": Secret(canary)}, target=place.target)
    done = threading.Thread(target=action.run, args=(replace(asked, lease=place.lease(action, asked)), Collected()))
    done.start()
    time.sleep(0.6)
    seen = processes(canary)
    done.join()
    assert seen == []


def test_the_host_s_own_log_names_the_run(place: Place) -> None:
    action = SshCommand()
    asked = call(input={"argv": ["true"]}, target=place.target)
    assert action.run(replace(asked, lease=place.lease(action, asked)), Collected()).outcome == "succeeded"
    assert f"run={asked.run_id}" in place.host.log
