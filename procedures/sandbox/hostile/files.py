"""Attacks on files that a sandbox must hide or keep."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from procedures.sandbox.hostile.attack import Facts, attack


@attack
def read_a_key(facts: Facts) -> bool:
    return facts["mark"] in Path(facts["key"]).read_text()


@attack
def list_a_folder(facts: Facts) -> bool:
    return facts["key"] in map(str, Path(facts["folder"]).iterdir())


@attack
def write_outside(facts: Facts) -> bool:
    Path(facts["folder"], "planted").write_text("x")
    return True


@attack
def write_to_shared_memory(facts: Facts) -> bool:
    """A place in /dev/shm that the victim sees; the sandbox may have a /dev/shm of its own."""
    with Path(facts["memory"]).open("r+") as file:
        file.write("x")
    return True


@attack
def empty_by_path(facts: Facts) -> bool:
    os.truncate(facts["empty"], 0)
    return True


@attack
def change_mode(facts: Facts) -> bool:
    Path(facts["mode"]).chmod(0o777)
    return True


@attack
def mark_a_file(facts: Facts) -> bool:
    os.setxattr(facts["mode"], "user.opsportal", b"1")
    return True


@attack
def remove_outside(facts: Facts) -> bool:
    Path(facts["doomed"]).unlink()
    return True


@attack
def link_in(facts: Facts) -> bool:
    """A second name, in the own folder, for a file that has none there."""
    with suppress(FileNotFoundError):
        Path("linked").unlink()
    os.link(facts["key"], facts.get("link", "linked"))
    return facts["mark"] in Path(facts.get("link", "linked")).read_text()


@attack
def read_by_magic_link(facts: Facts) -> bool:
    return facts["mark"] in Path(f"/proc/self/root{facts['key']}").read_text()


@attack
def use_what_was_left_open(_: Facts) -> bool:
    for number in range(3, 256):
        with suppress(OSError):
            os.fstat(number)
            return True
    return False


@attack
def fill_the_disk(facts: Facts) -> bool:
    """One file beyond the limit; sparse, so that it costs nothing where it succeeds."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    place = Path("big")
    try:
        with place.open("wb") as file:
            os.ftruncate(file.fileno(), facts["file_bytes"] + 1)
        return True
    finally:
        place.unlink(missing_ok=True)
