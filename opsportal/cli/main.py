"""`opsportal`: the one console script; commands are loaded when they are called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from opsportal.cli.portal import FAILED
from opsportal.cli.terminal import Shown
from procedures.domain.errors import OpsError

COMMANDS = {
    "login": "session:login",
    "session": "sessions:session",
    "join": "session:join",
    "welcome": "session:welcome",
    "procedures": "procedures:procedures",
    "show": "procedures:show",
    "actions": "procedures:actions",
    "schema": "linting:schema",
    "new": "new:new",
    "lint": "linting:lint",
    "check-coverage": "coverage:check_coverage",
    "test": "trials:test",
    "import": "importing:import_files",
    "submit": "authoring:submit",
    "review": "reviewing:review",
    "withdraw": "life:withdraw",
    "revoke": "life:revoke",
    "renew": "life:renew",
    "retire": "life:retire",
    "due": "life:due",
    "run": "runs:run",
    "runs": "past_runs:runs",
    "logs": "past_runs:logs",
    "artifacts": "artifacts:artifacts",
    "result": "results:result",
    "cancel": "past_runs:cancel",
    "stop": "stops:stop",
    "lift": "stops:lift",
    "pause": "past_runs:pause",
    "resume": "past_runs:resume",
    "answer": "run_talk:answer",
    "since": "run_talk:since",
    "comment": "run_talk:comment",
    "rerun": "running_again:rerun",
    "continue": "running_again:go_on",
    "options": "options:options",
    "approve": "deciding:approve",
    "reject": "deciding:reject",
    "break-glass": "glass:break_glass",
    "access": "granting:access",
    "use": "use:use",
    "control": "access:control",
    "policy": "policies:policy",
    "person": "people:person",
    "provider": "providers:provider",
    "account": "accounts:account",
    "schedule": "schedules:schedule",
    "hook": "hooks:hook",
    "secret": "secrets:secret",
    "binding": "bindings:binding",
    "target": "targets:target",
    "database": "databases:database",
    "cluster": "clusters:cluster",
    "inventory": "inventories:inventory",
    "source": "sources:source",
    "token": "tokens:token",
    "agent": "agents:agent",
    "workload": "workloads:workload",
    "directory": "directories:directory",
    "evidence": "evidence:evidence",
    "collector": "collectors:collector",
    "inbox": "deputies:inbox",
    "pass-on": "deputies:pass_on",
    "deputy": "deputies:deputy",
    "notices": "notices:notices",
    "doctor": "server:doctor",
    "config": "server:config",
    "up": "server:up",
    "runner": "runners:runner",
    "runners": "runners:runners",
    "issuer": "server:issuer",
    "egress": "server:egress",
    "scheduler": "server:scheduler",
    "sequencer": "server:sequencer",
    "web": "keeping:web",
    "front": "keeping:front",
    "keys": "keeping:keys",
    "install": "keeping:install",
    "roles": "roles:roles",
    "alive": "keeping:alive",
    "backup": "keeping:backup",
    "emergency": "emergency:emergency",
    "restore": "keeping:restore",
    "recover": "keeping:recover",
    "witness": "witnessing:witness",
}
HELP = {
    "login": "Sign in; the session is kept for its owner alone.",
    "session": "Where you are signed in, and ending it.",
    "join": "Accept an invitation.",
    "welcome": "Become the first access manager, by the one-time link.",
    "procedures": "What there is to run.",
    "show": "One procedure: parameters and versions.",
    "actions": "What steps can do.",
    "schema": "The format's JSON Schema, for editors.",
    "new": "A new procedure's folder, ready to be changed.",
    "lint": "Check a procedure's folder, without a portal.",
    "check-coverage": "Which operations of a repository have a procedure.",
    "test": "Run a procedure's own tests, without a portal.",
    "import": "Other tools' files become procedure folders.",
    "submit": "Put a folder into review.",
    "review": "Accept, reject or ask for changes; signs.",
    "withdraw": "Take a version out of review.",
    "revoke": "Stop an accepted version at once.",
    "renew": "Put the same bytes into review again.",
    "retire": "Take a procedure out of use.",
    "due": "What is due for review again.",
    "run": "Run a procedure and follow it.",
    "runs": "The newest runs you may see.",
    "logs": "The log of a run.",
    "artifacts": "The files that a run made.",
    "result": "What a run made for you alone; opened on this machine.",
    "cancel": "Stop a run.",
    "stop": "Stop an environment, a procedure or everything; or say what is stopped.",
    "lift": "Let what was stopped go on; signs.",
    "pause": "Have a run stand still before its next step.",
    "resume": "Let a paused run go on.",
    "answer": "Give what a run asks for at a gate.",
    "since": "What changed since it last succeeded there.",
    "comment": "What was said of a run, and saying something.",
    "rerun": "The same again, or only where it went wrong.",
    "continue": "Go on from where a run failed or was lost.",
    "options": "The choices of a parameter that come from elsewhere.",
    "approve": "See a run's plan and approve it; signs.",
    "reject": "Turn a run down.",
    "break-glass": "Let a run go ahead in an emergency; see and review such runs.",
    "access": "Who may do what.",
    "use": "What procedures and access were used for, and less of it.",
    "control": "Propose and confirm what decides authority.",
    "policy": "What nobody may accept, ask for or run.",
    "person": "Invite people; their keys and duties.",
    "provider": "Identity providers by which people sign in.",
    "account": "Service accounts: software with an owner.",
    "schedule": "Runs that the portal asks for by itself.",
    "hook": "Deliveries of other systems that ask for one procedure.",
    "secret": "Seal a secret for the runners of one environment.",
    "binding": "What an environment makes of a credential.",
    "target": "Hosts that procedures act on.",
    "database": "Databases in which runs get a role of their own.",
    "cluster": "Kubernetes namespaces in which runs get a token of their own.",
    "inventory": "Sources that say which hosts there are.",
    "source": "Git repositories from which procedures come.",
    "token": "Tokens for programs.",
    "directory": "Identity providers that push people: list, token.",
    "agent": "Software that asks for a person: make, list, stop.",
    "workload": "Pipelines and pods that become service accounts.",
    "collector": "Stream the log's events to a SIEM: set, end, list.",
    "evidence": "Export, verify and check evidence.",
    "emergency": "What people need by hand while the portal is down.",
    "inbox": "What waits for your decision.",
    "pass-on": "Ask somebody else to decide what waits for you.",
    "deputy": "Who looks at what waits for you while you are away.",
    "notices": "What you were told; mark it as read.",
    "doctor": "Check every part, and say how to mend it.",
    "config": "Every setting, its source and its value.",
    "up": "The whole portal on this machine.",
    "runner": "A runner; make its card, enrol it, end it.",
    "runners": "Which runners there are, and what each can.",
    "issuer": "Lends an environment's credentials to its runner.",
    "egress": "The web process's one way out.",
    "scheduler": "Scheduler and sweeper.",
    "sequencer": "The process that signs the log.",
    "web": "The pages and the API.",
    "front": "Hands connections on to web, which has no way out.",
    "keys": "Make the keys of one runner, and their card.",
    "install": "Bring the database up to date; the first time, install.",
    "roles": "A login of its own in the database for each part.",
    "alive": "Whether the process of this container or unit works.",
    "backup": "Database and evidence in one file.",
    "restore": "Bring a backup back, and prove its evidence.",
    "recover": "Open a new log after a restore that went back.",
    "witness": "Watch over somebody else's log, so that it can only grow.",
}

LATER = {"witness"}  # there for whoever asks for it by name; a first screen has enough to say


class Lazy(click.Group):
    """A group that imports a command's module only when it is called, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        place = COMMANDS.get(name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(f"opsportal.cli.{module}"), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """What a command refuses on this machine is told as the portal tells its refusals: never as a traceback."""
        try:
            return super().invoke(ctx)
        except OpsError as problem:
            click.echo(f"{problem.message}\n{problem.next_step}", err=True)
            raise SystemExit(FAILED) from problem

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, HELP[name]) for name in COMMANDS if name not in LATER])


@click.command(cls=Lazy)
def main() -> None:
    """Operations as a service: reviewed procedures, approved plans, evidence."""
    sys.stdout, sys.stderr = Shown(sys.stdout), Shown(sys.stderr)


if __name__ == "__main__":
    main()
