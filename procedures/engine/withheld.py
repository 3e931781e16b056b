"""A step that makes secrets prints nothing before they are known: then it is masked, or else it is not shown at all.

A mask finds what it knows. What a program prints comes before the value that it hands over at its end, so that the
output of such a step waits here, in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from procedures.domain import made_secrets, results
from procedures.domain.masking import MASK
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult
from procedures.domain.results import ResultNeed
from procedures.domain.secrets import Secret
from procedures.engine.output import TaskIO

HELD_BYTES = 1_048_576
Stream = Literal["stdout", "stderr", "system"]


class WithheldIO(ActionIO):
    """Stands between an action and its task's output. `made` are the values by the names of the step's output.

    `sensitive` are names of outputs that are masked and go nowhere.
    """

    def __init__(self, io: TaskIO, needs: Sequence[ResultNeed], sensitive: Sequence[str] = ()) -> None:
        self.cancelled = io.cancelled
        self.made: dict[str, Secret] = {}
        self._io = io
        self._names = tuple(dict.fromkeys(need.output for need in needs))
        self._sensitive = tuple(sensitive)
        self._lock = threading.Lock()
        self._held: list[tuple[Stream, bytes]] = []
        self._bytes = self._lost = 0
        self._unknown = False

    def write(self, stream: Stream, data: bytes) -> None:
        with self._lock:
            kept = data[: HELD_BYTES - self._bytes]
            self._lost += len(data) - len(kept)
            self._bytes += len(kept)
            if kept:
                self._held.append((stream, kept))

    def register_secret(self, secret: Secret) -> None:
        self._io.register_secret(secret)

    def made_secret(self, secret: Secret) -> None:
        self._io.made_secret(secret)

    def run(self, action: Action, call: ActionCall) -> ActionResult:
        """Act, and give the result without what is secret in it; from then on every output is free of it."""
        self._unknown = True
        result = action.run(call, self)
        problems = self._taken(result.output)
        known = not problems
        output = {name: value for name, value in result.output.items() if name not in self._names}
        for name in self._sensitive:
            if name in output:
                output[name] = self._masked(name, output[name])
        if not known:
            return replace(self._wordless(result, problems), output={})
        self._unknown = False
        return replace(result, output=output)

    def end(self) -> None:
        """Show what was printed, if all that is secret in it is known; say how much is not shown."""
        with self._lock:
            held, self._held = self._held, []
            size, lost = self._bytes, self._lost
        if self._unknown:
            self._io.withhold(size + lost)
            self._say(
                f"What this step printed, {size + lost:,} bytes, is not shown: it did not hand over every secret."
            )
            return
        for stream, data in held:
            self._io.write(stream, data)
        if lost:
            self._io.withhold(lost)
            self._say(f"The last {lost:,} bytes that it printed are not shown: there was no room to wait in.")

    def _taken(self, output: Mapping[str, object]) -> list[str]:
        """Register each value that the step hands over; what is wrong with the others, in words."""
        problems = []
        for name in self._names:
            value = output.get(name)
            if name not in output:
                problems.append(f"it handed over no {name}")
            elif why := results.unfit(value):
                problems.append(f"{name} {why}")
            else:
                secret = self.made[name] = Secret(str(value))
                self._io.register_secret(secret)
        return problems

    def _masked(self, name: str, value: object) -> str:
        """Mask every text of a sensitive output; what stands in its place."""
        plain = sum(not self._io.made_output(Secret(text)) for text in made_secrets.texts_of(value))
        if plain:
            self._say(f"The output {name} is kept nowhere; {plain} values in it are too plain to be masked as well.")
        return MASK.decode()

    def _wordless(self, result: ActionResult, problems: Sequence[str]) -> ActionResult:
        """A result whose words and files may hold a secret that nobody can find in them."""
        how = "failed" if result.outcome == "succeeded" else result.outcome
        status = "" if result.exit_status is None else f" It ended with exit status {result.exit_status}."
        told = f"No secret result of this step was delivered: {'; '.join(problems)}.{status}"
        facts = {key: value for key, value in result.facts.items() if key in {"sandbox", "sandbox_reported_by"}}
        return replace(result, outcome=how, message=told, files={}, facts=facts, described=())

    def _say(self, text: str) -> None:
        self._io.write("system", (text + "\n").encode())
