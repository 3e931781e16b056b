"""Alarms of a run under way: asked before each batch and while it runs; a bad one lets no further batch begin."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from procedures.domain.alarms import ASKED_S, TRIES, Alarm, Said, judged, planned, request_of
from procedures.domain.clock import now
from procedures.domain.ports import Action, ActionCall, ActionIO
from procedures.domain.secrets import Secret
from procedures.services import tasks

if TYPE_CHECKING:
    from procedures.engine.drive import Drive

ASKS = "http:request"


class _Quiet(ActionIO):
    """An answer is judged; nothing of it is written into the run's log."""

    def __init__(self, cancelled: threading.Event) -> None:
        self.cancelled = cancelled

    def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None:
        return

    def register_secret(self, secret: Secret) -> None:
        return


@dataclass
class _Asked:
    """One alarm, since when it is bad without a break, and how often nobody could be asked in a row."""

    alarm: Alarm
    next_at: float = 0.0
    bad_since: float | None = None
    unasked: int = 0
    said: Said = field(default_factory=lambda: Said(False, "not asked yet"))

    def hear(self, said: Said, at: float) -> None:
        self.said, self.next_at = said, at + self.alarm.every_s
        self.unasked = self.unasked + 1 if said.unasked else 0
        bad = said.bad and (not said.unasked or self.unasked >= TRIES)
        if not bad and not said.unasked:
            self.bad_since = None
        elif bad and self.bad_since is None:
            self.bad_since = at

    def rings(self, at: float) -> bool:
        """Whether it counts: bad for as long as it must be, or beyond asking."""
        if self.unasked >= TRIES:
            return True
        return self.bad_since is not None and at - self.bad_since >= self.alarm.for_s

    @property
    def good(self) -> bool:
        return self.bad_since is None and not self.unasked

    def told(self) -> str:
        if self.unasked:
            return f"The alarm {self.alarm.name} could not be asked {self.unasked} times: {self.said.value}"
        return f"The alarm {self.alarm.name} is bad: {self.said.value}"


class Alarms:
    """The alarms of one frame. They are asked with what `http:request` uses, by its address rules."""

    def __init__(self, drive: Drive, rows: Sequence[dict[str, Any]]) -> None:
        self.drive = drive
        self.asked = [_Asked(planned(row)) for row in rows]
        self.rung: _Asked | None = None
        self._told = False

    def settled(self) -> str:
        """Ask until all are good, or one counts; then why no batch may begin. "" also where the run is to stop."""
        for one in self.asked:
            one.next_at = 0.0
        while self.asked and not self.rung and not self.drive.tools.watch.cancelled.is_set():
            self._ask()
            if self.rung or all(one.good for one in self.asked):
                break
            self.drive.tools.watch.cancelled.wait(self._pause())
        return self.heard()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While this is open a thread asks; `heard` says what it heard."""
        if not self.asked:
            yield
            return
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), name="alarms", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(timeout=ASKED_S + 1)

    def heard(self) -> str:
        """The words of the alarm that counts, once written down as evidence; "" where none does."""
        if self.rung is None:
            return ""
        words = self.drive.tools.output.masker.mask_text(self.rung.told())[:2000]
        if not self._told:
            self._told = True
            claimed, alarm = self.drive.claimed, self.rung.alarm
            facts = {"alarm": alarm.name, "url": alarm.url, "value": self.rung.said.value[:500], "says": words}
            tasks.alarmed(run=claimed.run.id, token=claimed.token, facts=facts, at=now())
        return words if words.endswith(".") else f"{words}."

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(self._pause()) and self.rung is None:
            self._ask()

    def _pause(self) -> float:
        return max(0.05, min(one.next_at for one in self.asked) - time.monotonic())

    def _ask(self) -> None:
        for one in self.asked:
            if one.next_at <= time.monotonic():
                one.hear(self._answer(one.alarm), time.monotonic())
                if one.rings(time.monotonic()):
                    self.rung = self.rung or one

    def _answer(self, alarm: Alarm) -> Said:
        ask = self.drive.claimed.ask
        call = ActionCall(
            run_id=ask.run,
            step="alarm",
            attempt=1,
            nonce="",
            input=request_of(alarm),
            files={},
            parameters={},
            env={},
            secret_env={},
            stdin=None,
            target=None,
            lease=None,
            seconds_left=min(ASKED_S, max(1.0, float(alarm.every_s))),
            networks=ask.networks,
        )
        action: Action = self.drive.tools.actions[ASKS]
        result = action.run(call, _Quiet(self.drive.tools.watch.cancelled))
        return judged(alarm, good=result.outcome == "succeeded", output=result.output, message=result.message)
