"""Every hostile probe against every tier of this host; and each of them gets through where there is no sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procedures.sandbox import cgroup, confined, probe
from procedures.sandbox.hostile import attack, program
from procedures.sandbox.victim import victim
from tests.fixtures.counterparts import need
from tests.fixtures.folders import open_to_all
from tests.sandbox.tiers import PLAIN, ROOT, as_anybody

TIERS = ("B", "C")
ATTACKS = set(attack.ATTACKS)
ONLY_ROOT = frozenset({"mount", "change-root", "read-a-device"})  # nobody else could do it anyway
ALWAYS = frozenset({"new-user-space", "new-user-space-by-clone"})  # the host may refuse it to all but root
NOT_ROOT = """
import json
from procedures.sandbox import probe
from procedures.sandbox.victim import victim
tier, more = json.loads(sys.argv[1])
with victim() as facts:
    print(json.dumps(probe.attempted(tier, {**facts, **more})))
"""
IN_A_CONTAINER = """
import ctypes, json
from dataclasses import astuple
from procedures.sandbox import probe, seccomp
names = ("unshare", "setns", "mount", "umount2", "pivot_root", "fsopen", "open_tree", "move_mount")
whole = seccomp.REFUSED
seccomp.REFUSED = {name: whole[name] for name in names}
kept, seccomp.SOCKET, seccomp.SOCKETPAIR = (seccomp.SOCKET, seccomp.SOCKETPAIR), (9999, 9999), (9998, 9998)
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
seccomp.restrict(network=True, shared=False)
print(json.dumps(astuple(probe.found())))
"""
FREE = """
import json, os, tempfile, threading, subprocess
from procedures.sandbox.victim import victim
with victim() as facts, tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
    facts |= json.loads(sys.argv[3])
    argv = [sys.executable, "-I", "-S", "-B", "-c", sys.argv[1], json.dumps(facts), sys.argv[2]]
    print(subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=30, check=True).stdout)
"""


@pytest.fixture(scope="module", autouse=True)
def bubblewrap() -> None:
    need("bwrap")


@pytest.fixture
def setuid() -> Iterator[str]:
    """A program that belongs to root and makes whoever starts it root."""
    if os.geteuid() != 0:
        pytest.skip("only root makes such a program")
    with tempfile.TemporaryDirectory(prefix="opsportal-setuid-", dir="/var/tmp") as name:
        place = Path(name, "id")
        Path(name).chmod(0o755)
        place.write_bytes(Path("/usr/bin/id").read_bytes())
        place.chmod(0o4755)
        yield str(place)


def outside(facts: dict[str, Any], folder: Path) -> list[str]:
    """The attacks that succeed in a plain process of ours, which knows our variables and one open file."""
    argv = [sys.executable, "-I", "-S", "-B", "-c", probe.CODE, json.dumps(facts), str(ROOT)]
    with Path("/dev/null").open() as kept:
        done = subprocess.run(
            argv, cwd=folder, pass_fds=(kept.fileno(),), capture_output=True, text=True, timeout=30, check=True
        )
    return list(json.loads(done.stdout))


@pytest.fixture
def folder() -> Iterator[Path]:
    """On the same disk as the victim's files."""
    with tempfile.TemporaryDirectory(prefix="opsportal-free-", dir="/var/tmp") as name:
        yield Path(name)


def test_every_attack_succeeds_where_there_is_no_sandbox(folder: Path, setuid: str) -> None:
    """A check that cannot fail proves nothing; so each of them is seen to succeed."""
    with victim() as facts:
        through = outside({**facts, "setuid": setuid}, folder)
    assert set(through) == ATTACKS
    assert {one.__module__ for one in attack.ATTACKS.values()} == {file.__name__ for file in program.FILES}


def test_every_attack_on_one_s_own_user_succeeds_without_a_sandbox_for_whoever_is_not_root(setuid: str) -> None:
    through = as_anybody(FREE, probe.CODE, str(ROOT), json.dumps({"setuid": setuid}))
    assert ATTACKS - set(through) <= ONLY_ROOT | ALWAYS | {"use-what-was-left-open"}


@pytest.mark.parametrize("tier", TIERS)
def test_nothing_gets_through(tier: str, setuid: str) -> None:
    """With a user id of its own, which a runner that is root gives to each step."""
    with victim() as facts:
        through = probe.attempted(tier, {**facts, "setuid": setuid})
    assert set(through) <= probe.HELD_OTHERWISE[tier]


@pytest.mark.parametrize("tier", TIERS)
def test_nothing_gets_through_to_a_runner_of_the_same_user_either(tier: str, setuid: str) -> None:
    """The runner is not root, as in a container, and step and victim have its user id: DAC keeps nothing apart."""
    through = as_anybody(NOT_ROOT, json.dumps([tier, {"setuid": setuid}]))
    assert set(through) <= probe.HELD_OTHERWISE[tier]


def test_nothing_gets_through_in_a_group_of_its_own(tree: Path, setuid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tier A: the same with a control group, as where the host lends a part of its tree."""
    monkeypatch.setattr(cgroup, "lent", lambda: tree)
    monkeypatch.setattr(probe, "lent", lambda: tree)
    with victim() as facts:
        through = probe.attempted("B", {**facts, "setuid": setuid})
    assert set(through) <= probe.HELD_OTHERWISE["B"]
    assert probe.tier() == "A"


def test_the_self_test_names_what_gets_through_and_offers_the_next_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that leaks is not offered, whatever it is called."""
    honest = probe.attempted

    def leaky(tier: str, facts: Any) -> list[str]:
        return [*honest(tier, facts), *(["read-a-key"] if tier == "B" else [])]

    monkeypatch.setattr(probe, "attempted", leaky)
    assert probe.found() == probe.Found("C", "Tier B: it does not hold back read-a-key.")


def test_where_bubblewrap_is_blocked_and_the_kernel_has_no_landlock_nothing_is_offered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    open_to_all(tmp_path)
    blocked = tmp_path / "bwrap"
    blocked.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    blocked.chmod(0o755)
    monkeypatch.setattr("procedures.sandbox.launch.bubblewrap", lambda: str(blocked))
    assert probe.tier() == "C"
    monkeypatch.setattr("procedures.sandbox.landlock.version", lambda: 0)
    confined.lacking.cache_clear()
    try:
        found = probe.found()
    finally:
        confined.lacking.cache_clear()
    assert found.tier == "D"
    assert "No permissions to create a new namespace" in found.why
    assert "the kernel has no Landlock" in found.why


def test_a_runner_in_a_default_container_offers_tier_c() -> None:
    """No root, no new privileges, and the engine's filter lets nobody make a name space or a mount: no bubblewrap."""
    tier, why = as_anybody(IN_A_CONTAINER)
    assert tier == "C", why
    assert why.startswith("Tier B: the probes did not run: bwrap:")


def test_an_older_landlock_is_enough_only_for_a_step_with_a_user_id_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before version 6 nothing keeps a step from ending every process of its user id, the runner among them."""
    from procedures.sandbox import landlock

    for version, alone, shared in ((2, False, False), (3, True, False), (5, True, False), (6, True, True)):
        monkeypatch.setattr(landlock, "version", lambda version=version: version)
        assert (landlock.lacking(shared=False) == "") is alone
        assert (landlock.lacking(shared=True) == "") is shared
    monkeypatch.setattr(landlock, "version", lambda: 5)
    assert "Linux 6.12" in landlock.lacking(shared=True)


def test_the_plain_interpreter_is_there() -> None:
    assert Path(PLAIN).exists(), "the tests of a runner that is not root start it"
