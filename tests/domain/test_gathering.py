"""Output in pieces: letter by letter it is looked at every 4 KiB or 50 ms, and its order stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain.gathering import LEAST, Gathered, Stream

PIECES = st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(min_size=1, max_size=3000)), max_size=20)


@given(PIECES)
def test_nothing_is_lost_or_moved(pieces: list[tuple[Stream, bytes]]) -> None:
    got: list[tuple[str, bytes]] = []
    gathered = Gathered(lambda stream, data: got.append((stream, data)))
    for stream, data in pieces:
        gathered.add(stream, data)
        gathered.tick()
    gathered.flush()

    def flat(rows: list[tuple[Stream, bytes]]) -> list[tuple[str, int]]:
        return [(stream, byte) for stream, data in rows for byte in data]

    assert flat(got) == flat(pieces)  # type: ignore[arg-type]


def test_letters_are_gathered_until_there_are_enough_or_it_is_time() -> None:
    got: list[int] = []
    at = [0.0]
    gathered = Gathered(lambda stream, data: got.append(len(data)), clock=lambda: at[0])
    for _ in range(LEAST + 10):
        gathered.add("stdout", b"x")
        gathered.tick()
    assert got == [LEAST]
    at[0] = 0.049
    gathered.tick()
    assert got == [LEAST]
    at[0] = 0.051
    gathered.tick()
    assert got == [LEAST, 10]


@pytest.mark.parametrize("size", [LEAST, 65_536])
def test_what_is_large_goes_on_at_once(size: int) -> None:
    got: list[int] = []
    Gathered(lambda stream, data: got.append(len(data)), clock=lambda: 0.0).add("stderr", b"x" * size)
    assert got == [size]
