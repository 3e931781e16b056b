"""A declared file is a plain one below the step's folder: links, pipes, devices, escapes and too much are named."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from procedures.sandbox.collect import NotKept, collect


def outside(folder: Path) -> Path:
    secret = folder / "secret"
    secret.write_text("root:x")
    return secret


def sock(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


HOSTILE: dict[str, tuple[str, Callable[[Path, Path], object]]] = {
    "a link": ("a", lambda s, o: (s / "a").symlink_to(o)),
    "a link above": ("d/a", lambda s, o: (s / "d").symlink_to(o.parent)),
    "a hard link": ("a", lambda s, o: os.link(o, s / "a")),
    "a pipe": ("a", lambda s, o: os.mkfifo(s / "a")),
    "a socket": ("a", lambda s, o: sock(s / "a")),
    "a folder": ("a", lambda s, o: (s / "a").mkdir()),
    "a file as folder": ("f/a", lambda s, o: (s / "f").write_text("x")),
    "nothing": ("a", lambda s, o: None),
    "out by dots": ("../secret", lambda s, o: None),
    "out in the middle": ("d/../../secret", lambda s, o: (s / "d").mkdir()),
    "from the root": ("/etc/passwd", lambda s, o: None),
    "an empty name": ("d/", lambda s, o: (s / "d").mkdir()),
    "eleven bytes": ("a", lambda s, o: (s / "a").write_bytes(b"x" * 11)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_plain_file_of_the_step_is_refused_by_its_path(name: str, tmp_path: Path) -> None:
    path, make = HOSTILE[name]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    make(scratch, outside(tmp_path))
    with pytest.raises(NotKept, match=r"path|file|bytes"):
        collect(scratch, path, 10)


def test_a_sparse_terabyte_is_refused_without_being_read(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    os.truncate(tmp_path / "a", 1 << 40)
    with pytest.raises(NotKept, match="1,099,511,627,776 bytes"):
        collect(tmp_path, "a", 10)


def test_a_plain_file_in_a_folder_is_taken_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").write_bytes(b"0123456789")
    assert collect(tmp_path, "out/a", 10) == b"0123456789"
