"""Trying a procedure on one's own machine: the same files in the same sandbox, no credential and no evidence.

Steps that act on targets or wait for people are named and not run; nothing here can reach an issuer (H15).
"""

from __future__ import annotations

import getpass
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import click

from opsportal.cli.portal import FAILED, USAGE
from procedures.definitions import registry
from procedures.definitions.archive import read_folder
from procedures.definitions.load import Loaded, load
from procedures.domain import expressions, parameters, plan
from procedures.domain.definition import Step
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.made_secrets import SecretLines, unfit
from procedures.domain.masking import Masker
from procedures.domain.ports import ActionIO
from procedures.domain.secrets import Secret

LOCAL = ("local:command", "local:script")
DEFAULT_S = 300.0


class Terminal(ActionIO):
    """Output of a step to this terminal, masked as a runner would."""

    def __init__(self, masker: Masker) -> None:
        self.cancelled = threading.Event()
        self.masker = masker
        self._lines = {stream: SecretLines(self._named) for stream in ("stdout", "stderr", "system")}

    def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None:
        place = sys.stdout if stream == "stdout" else sys.stderr
        place.buffer.write(self.masker.feed(stream, self._lines[stream].feed(data)))
        place.buffer.flush()

    def finish(self) -> None:
        for stream, place in (("stdout", sys.stdout), ("stderr", sys.stderr), ("system", sys.stderr)):
            place.buffer.write(self.masker.feed(stream, self._lines[stream].flush()) + self.masker.flush(stream))
            place.buffer.flush()

    def register_secret(self, secret: Secret) -> None:
        self.masker.register(secret)

    def _named(self, value: bytes) -> None:
        if why := unfit(value):
            click.echo(f"A runner would not mask what this step calls a secret: {why}.", err=True)
        else:
            self.masker.register(Secret(value))


def loaded(folder: Path) -> tuple[dict[str, bytes], Loaded]:
    """The folder's files and definition. Ends 1 with every error if it does not lint."""
    files = dict(read_folder(folder))
    found = load(files, registry.actions())
    errors = [finding for finding in found.findings if finding.severity == "error"]
    if errors:
        click.echo("\n".join(map(str, errors)), err=True)
        raise SystemExit(FAILED)
    return files, found


def run_local(folder: Path, environment: str, given: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
    """Run what can run here, in order; ends 1 if a step failed or was not run."""
    try:
        files, found = loaded(folder)
        definition = found.definition
        values = parameters.resolve(definition.parameters, dict(given))
    except InvalidInput as problem:
        for pointer, message in problem.problems:
            click.echo(f"{pointer}: {message}", err=True)
        raise SystemExit(USAGE) from problem
    except OpsError as problem:
        click.echo(f"{problem.message} {problem.next_step}", err=True)
        raise SystemExit(FAILED) from problem
    click.secho("Tried on this machine: no approval, no credential, no evidence.", err=True, bold=True)
    lent = {name: Secret(value) for name, value in secrets.items()}
    ask = plan.Ask(
        run=uuid4(),
        run_no=0,
        procedure=definition.name,
        digest="",
        environment=environment,
        requester=getpass.getuser(),
        reason="tried locally",
        parameters=values,
        secret_marks=dict.fromkeys(definition.secrets.get("properties", {}), ""),
        targets=[],
        bindings={},
        approvals={},
        min_strength="session",
        risk=definition.risk,
        profile="team",
    )
    Trial(files, found, ask, lent).go()


class Trial:
    """One run on this machine: steps until one fails, then what the author always wants."""

    def __init__(self, files: dict[str, bytes], found: Loaded, ask: plan.Ask, secrets: dict[str, Secret]) -> None:
        self.files, self.definition, self.ask, self.secrets = files, found.definition, ask, secrets
        self.outputs: dict[str, Any] = {}
        self.left_out: list[str] = []

    def go(self) -> None:
        failed = next((step for step in self.definition.steps if not self.step(step)), None)
        if failed is not None and failed.on_failure == "rollback":
            for step in self.definition.rollback:
                self.step(step)
        for step in self.definition.always:
            self.step(step)
        if self.left_out:
            click.secho(f"Not run here: {', '.join(self.left_out)}.", err=True)
        if failed is not None or self.left_out:
            raise SystemExit(FAILED)
        click.secho("Every step succeeded.", err=True)

    def step(self, step: Step) -> bool:
        """Whether the run goes on after this step."""
        scope = plan.scope_for(self.definition, self.ask, steps=self.outputs, secrets=self._all_secrets())
        if step.condition is not None and not expressions.evaluate(step.condition, scope):
            click.secho(f"── {step.id}: skipped, its condition is false", err=True)
            self.outputs[step.id] = {"output": {}}
            return True
        if step.action not in LOCAL:
            click.secho(f"── {step.id}: not run, {step.action} needs a portal", err=True)
            self.left_out.append(step.id)
            return True
        click.secho(f"── {step.id}", err=True, bold=True)
        masker = Masker()
        for name, secret in self.secrets.items():
            masker.register(secret, name)
        terminal = Terminal(masker)
        for _ in range(step.retry.attempts):
            call = plan.call_for(
                self.files,
                self.ask,
                step,
                None,
                scope=scope,
                nonce=uuid4().hex,
                seconds_left=step.timeout_s or DEFAULT_S,
            )
            result = registry.actions()[step.action].run(call, terminal)
            terminal.finish()
            if result.outcome == "succeeded":
                break
        self.outputs[step.id] = {"output": dict(result.output) if result.outcome == "succeeded" else {}}
        if result.outcome == "succeeded":
            return True
        click.secho(f"{step.id}: {result.outcome.replace('_', ' ')}. {result.message}", err=True, fg="red")
        return step.on_failure == "continue"

    def _all_secrets(self) -> dict[str, Secret]:
        return {name: self.secrets.get(name, Secret(b"")) for name in self.ask.secret_marks}
