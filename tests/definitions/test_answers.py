"""What a child says is read without belief: floods, second answers and frames out of place end it (H4)."""

from __future__ import annotations

import json
import threading
from typing import Any, Literal

import pytest

from procedures.definitions import answers
from procedures.definitions.answers import SECRETS, Answers
from procedures.domain.carrying import Malformed, unpacked
from procedures.domain.ports import ActionIO
from procedures.domain.secrets import Secret

NAMED = {"id": "acme:greet"}
DONE = {"answer": {"map": {}}}


class Heard(ActionIO):
    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.said: list[bytes] = []

    def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None:
        self.said.append(data)

    def register_secret(self, secret: Secret) -> None:
        self.said.append(secret.reveal())


def told(*frames: Any, io: ActionIO | None = None, at_once: int = 7) -> Answers:
    """Frames as they would come, some bytes at a time."""
    heard = Answers("acme:greet", io)
    data = b"".join(json.dumps(frame).encode() + b"\n" for frame in frames)
    for start in range(0, len(data), at_once):
        heard.write("stdout", data[start : start + at_once])
    return heard


def test_an_answer_is_read_however_it_is_cut() -> None:
    for at_once in (1, 3, 4096):
        assert told(NAMED, DONE, at_once=at_once).answer() == {"map": {}}


@pytest.mark.parametrize(
    "frames",
    [
        [DONE],
        [NAMED],
        [NAMED, DONE, DONE],
        [NAMED, DONE, {"stream": "stdout", "data": "aA=="}],
        [{"id": "acme:other"}, DONE],
        [{"id": ["acme:greet"]}, DONE],
        [NAMED, {"stream": "stdout", "data": "no base64"}, DONE],
        [NAMED, {"stream": "elsewhere", "data": "aA=="}, DONE],
        [NAMED, {"stream": "stdout"}, DONE],
        [NAMED, {"stream": ["stdout"], "data": "aA=="}, DONE],
        [NAMED, {"lease": "please"}, DONE],
        [NAMED, {}, DONE],
        [NAMED, [DONE]],
        [NAMED, *[{"secret": "aA=="}] * (SECRETS + 1), DONE],
    ],
)
def test_what_is_out_of_place_is_no_answer(frames: list[Any]) -> None:
    with pytest.raises(Malformed):
        told(*frames, io=Heard()).answer()


def test_one_that_only_has_to_answer_can_neither_write_nor_name_secrets() -> None:
    for frame in ({"stream": "stdout", "data": "aA=="}, {"secret": "aA=="}):
        heard = told(NAMED, frame, DONE)
        assert heard.stop.is_set()
        with pytest.raises(Malformed):
            heard.answer()


def test_a_flood_stops_it_and_keeps_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "LINE_BYTES", 1000)
    endless = Answers("acme:greet", Heard())
    for _ in range(20):
        endless.write("stdout", b"x" * 100)
    assert (endless.stop.is_set(), endless.broken) == (True, "It said a line without an end.")
    monkeypatch.setattr(answers, "QUIET_BYTES", 1000)
    noisy = Answers("acme:greet", None)
    for _ in range(20):
        noisy.write("stderr", b"x" * 100)
    assert noisy.stop.is_set()
    assert len(noisy.stray) <= answers.KEPT_BYTES


def test_nesting_without_end_is_no_answer() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises(Malformed, match="too deeply"):
        unpacked(told(NAMED, {"answer": deep}).answer())
    heard = Answers("acme:greet", None)
    heard.write("stdout", b"[" * 200_000 + b"\n")
    with pytest.raises(Malformed):
        heard.answer()
