"""What a task's own code says is secret: judged, counted and on record before a byte of it is masked (H22)."""

from __future__ import annotations

from typing import Literal

from procedures.domain import made_secrets
from procedures.domain.clock import now
from procedures.domain.definition import Step
from procedures.domain.secrets import Secret
from procedures.engine.tools import Tools
from procedures.models import Task
from procedures.services import tasks

PATIENCE = 100  # refusals of one task; what it names after them is looked at no more


class OwnSecrets:
    """One task's secrets of its own. `take` masks a value from then on, or says why it does not."""

    def __init__(self, tools: Tools, step: Step, task: Task) -> None:
        self._tools, self._step, self._task = tools, step, task
        self._refused = 0

    def take(self, secret: Secret, how: Literal["line", "action", "output"]) -> str:
        """Why the value is not masked, or "". Raises what the database says if it takes no event."""
        masker = self._tools.output.masker
        if masker.knows(secret):
            return ""
        why = self._why_not(secret.reveal(), how)
        if why or (why := self._recorded(how)):
            self._refused += 1
            return why
        masker.register(secret, self._step.id)
        return ""

    def _why_not(self, value: bytes, how: str) -> str:
        claimed = self._tools.claimed
        if how != "output" and not self._step.makes_secrets:
            return "its step does not declare makesSecrets"
        if self._refused >= PATIENCE:
            return "too many were refused before it"
        if why := made_secrets.unfit(value):
            return why
        if made_secrets.in_the_open(value, claimed.files, claimed.ask.parameters):
            return "it stands in the bundle or among the parameters, so it is no secret"
        return ""

    def _recorded(self, how: str) -> str:
        told = tasks.made_secret(
            run=self._tools.claimed.run.id, token=self._tools.claimed.token, task=self._task, how=how, at=now()
        )
        return "" if told else f"this run has named {made_secrets.MOST} already"
