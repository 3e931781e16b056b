"""What a step on a host was seen to use: said once a real sshd took the credential; the rest is unknown."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest

from procedures.actions.ssh import SshCommand
from procedures.domain.ports import Target
from tests.actions.calls import Collected, call
from tests.inventories.conftest import host_key
from tests.ssh.conftest import Place


def seen(place: Place, argv: list[str], *, target: Target | None = None) -> dict[str, Any]:
    where = target or place.target
    asked = call(input={"argv": argv}, target=where, seconds_left=20.0)
    result = SshCommand().run(replace(asked, lease=place.lease(SshCommand(), asked, target=where)), Collected())
    return dict(result.facts["seen"])


@pytest.mark.parametrize("argv", [["true"], ["false"], ["sh", "-c", "exec sudo true"], ["/no/such/program"]])
def test_a_host_that_took_the_credential_was_connected_to_and_its_sudo_is_unknown(
    place: Place, argv: list[str]
) -> None:
    assert seen(place, argv) == {"target": "connected", "credential": "used", "sudo": "unknown"}


def test_sudo_is_told_where_it_is_the_very_command_that_ran(place: Place) -> None:
    there = shutil.which("sudo") is not None
    assert seen(place, ["sudo", "--version"])["sudo"] == ("called" if there else "unknown")
    assert seen(place, ["/usr/bin/sudo-not-there"])["sudo"] == "unknown"


def test_a_host_that_shows_another_key_gets_no_credential_and_none_was_used(place: Place) -> None:
    other = replace(place.target, host_key=host_key())
    assert seen(place, ["true"], target=other) == {"target": "not connected", "credential": "not used"}
