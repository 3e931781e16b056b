"""Control groups against the kernel's own tree: what is in a group dies with it; nothing is taken unlent."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from procedures.sandbox import cgroup
from procedures.sandbox.limits import Limits


def members(group: Path) -> list[str]:
    return (group / "cgroup.procs").read_text().split()


def state_of(pid: str) -> str:
    """The kernel's letter for a process; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_a_program_begins_inside_and_everything_it_leaves_behind_dies(tree: Path) -> None:
    script = "setsid sh -c 'sleep 300 & sleep 300' & setsid sleep 300 & echo started"
    with cgroup.group(Limits(), tree) as made:
        assert made is not None
        process = subprocess.Popen([*cgroup.enter(made), "/bin/sh", "-c", script], stdout=subprocess.DEVNULL)
        assert process.wait(10) == 0
        time.sleep(0.1)
        left = members(made)
        assert len(left) >= 3, "three daemons outlive their parent"
    assert not made.exists()
    assert [state_of(pid) for pid in left if state_of(pid) not in {"", "Z", "X"}] == []


def test_limits_are_written_where_the_tree_counts_them(tree: Path) -> None:
    with cgroup.group(Limits(processes=7, memory_bytes=64 << 20), tree) as made:
        assert made is not None
        for name, value in (("pids.max", "7"), ("memory.max", str(64 << 20))):
            assert not (made / name).exists() or (made / name).read_text().strip() == value


def test_nothing_is_taken_that_was_not_lent(tree: Path) -> None:
    before = members(tree)
    assert cgroup.delegated(tree) is False
    assert members(tree) == before
    os.setxattr(tree, "trusted.delegate", b"1")
    assert cgroup.delegated(tree) is True


def test_what_is_lent_is_handed_down_and_its_processes_move_aside(tree: Path) -> None:
    process = subprocess.Popen([*cgroup.enter(tree), "/bin/sleep", "300"])
    try:
        while str(process.pid) not in members(tree):
            time.sleep(0.01)
        assert cgroup.prepared(tree, ()) is True
        assert members(tree) == []
        assert members(tree / cgroup.LEAF) == [str(process.pid)]
    finally:
        process.kill()
        process.wait()


def test_a_host_without_such_a_tree_lends_none(tmp_path: Path) -> None:
    mounts, groups = tmp_path / "mounts", tmp_path / "groups"
    mounts.write_text("proc /proc proc rw 0 0\n")
    groups.write_text("1:cpu:/\n")
    assert cgroup.own_group(str(mounts), str(groups)) is None
    mounts.write_text("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    groups.write_text("0::/system.slice/runner.service\n")
    assert cgroup.own_group(str(mounts), str(groups)) == Path("/sys/fs/cgroup/system.slice/runner.service")
    with cgroup.group(Limits(), None) as made:
        assert (made is None) == (cgroup.lent() is None)
