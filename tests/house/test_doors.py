"""Every door, service and task reaches the one decision, or stands here with the reason why it needs none (rule 5).

What is read here is whether a way leads there; that it is gone for each person is tried in tests/access.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

import click
from django.urls import URLPattern, URLResolver, get_resolver

from opsportal.cli.main import main
from tests.house import calls

DECISION = {
    ("procedures.access.decision", "decide"),
    ("procedures.access.decision", "live_rights"),
    ("procedures.access.lists", "visible"),
}
METHODS = ("get", "post", "put", "patch", "delete")
OWN = "one's own: nobody else's thing can be named"
SIGNS_IN = "opens or closes a session; who comes in holds nothing by that"
NOBODY = "no person acts: the portal itself does what time or a machine says"
KEYS = "a program shows a key that an owner's consent gave it; what it does with it is decided at the door"
PUBLIC = "says what every installation says"
KNOWN = "known to everybody who is signed in"
DOORS = {
    "api.access_requests.Withdraw.post": OWN,
    "api.control.Environments.get": KNOWN,
    "api.control.Me.get": OWN,
    "api.control.People.get": KNOWN,
    "api.control.Statement.post": "words a statement; nothing is stored, and signing it gives nothing by itself",
    "api.deputies.Deputies.get": OWN,
    "api.deputies.Agree.post": OWN,
    "api.deputies.End.post": OWN,
    "api.notices.Notices.get": OWN,
    "api.notices.Read.post": OWN,
    "api.tokens.Tokens.get": OWN,
    "api.exchange.Exchange.post": "a signed workload gets a token that narrows its account; each use of it is decided",
    "api.health.healthz": PUBLIC,
    "api.health.metrics": "counts alone, from the machine itself",
    "api.health.readyz": PUBLIC,
    "api.identity.configuration": PUBLIC,
    "api.identity.jwks": PUBLIC,
    "api.session.CodeSession.post": SIGNS_IN,
    "api.session.Join.post": SIGNS_IN,
    "api.session.Session.delete": SIGNS_IN,
    "api.session.StepUp.get": OWN,
    "api.session.StepUp.post": OWN,
    "api.session.Welcome.post": SIGNS_IN,
    "api.urls.action_list": PUBLIC,
    "api.urls.format_schema": PUBLIC,
    "hooks.git.pushed": "a signed push: the portal looks at a source that managers confirmed",
    "scim.door.scim": "a directory's own token, which an access manager made; it reaches the people it brought alone",
    "web.views.home.theme": OWN,
    "web.views.sessions.sign_out": SIGNS_IN,
}
SERVICES = {
    "campaign_ends._close": NOBODY,
    "campaign_ends._lapse": NOBODY,
    "access_answers._lapse": NOBODY,
    "access_answers.withdraw_request": OWN,
    "access_requests.ask_to_extend": OWN,
    "bootstrap.accept_invite": SIGNS_IN,
    "bootstrap.use_first_link": SIGNS_IN,
    "cli_codes.make_code": OWN,
    "codes._begin": OWN,
    "connection_keys.claim_code": KEYS,
    "connection_keys.end_by_program": KEYS,
    "connection_keys.not_proved": KEYS,
    "connection_keys.open_connection": KEYS,
    "connection_keys.refresh_token_of": KEYS,
    "connection_keys.refreshed": KEYS,
    "connection_keys.register": "takes a program in, which may nothing by that",
    "connections.consent": OWN,
    "connections.refuse": OWN,
    "codes.enrol": OWN,
    "install.install": NOBODY,
    "life.expire_acceptances": NOBODY,
    "manuscripts.discard_manuscript": OWN,
    "deputies.agree": OWN,
    "deputies.end_deputy": OWN,
    "notices.choose": OWN,
    "notices.read": OWN,
    "step_up.step_up": OWN,
}
TASKS = {
    "contact_targets": "greets hosts and logs in nowhere; what it finds decides nothing by itself",
    "sync_inventory": "a runner reads a source that people signed, by its name; the scheduler decides what comes of it",
    "fetch_options": "a runner fetches what a form's service let it fetch, by the id of that asking",
}
CLIENT = "over the API, as whoever signed in there"
LOCAL = "on the author's own machine, without a portal"
MACHINE = "by whoever owns the machine and its data folder; it acts as no person"
COMMANDS = {
    MACHINE: {
        *("config", "doctor", "issuer", "runner", "scheduler", "sequencer", "roles", "up"),
        *("web", "keys", "install", "alive", "backup", "restore", "recover", "runner card", "runner software"),
        "emergency pack",
        *("witness", "witness init", "witness show", "evidence check", "evidence rotate-key"),
    },
    LOCAL: {
        "lint",
        "test",
        "new",
        "schema",
        "import",
        "database onboard",
        "evidence verify",
        "evidence verifier",
        "policy test",
        "policy shipped",
    },
}


def views() -> Iterator[tuple[str, str]]:
    """(module, qualified name) of whatever answers a path of ours."""

    def walk(patterns: list[Any]) -> Iterator[Any]:
        for one in patterns:
            if isinstance(one, URLResolver):
                yield from walk(one.url_patterns)
            elif isinstance(one, URLPattern):
                yield one.callback

    for callback in walk(get_resolver().url_patterns):
        view = getattr(callback, "cls", None) or getattr(callback, "view_class", None)
        if view is None:
            bare = inspect.unwrap(callback)
            yield bare.__module__, bare.__qualname__
        else:
            made = (inspect.unwrap(getattr(view, m)) for m in METHODS if hasattr(view, m))
            yield from ((one.__module__, one.__qualname__) for one in made)


def ours(module: str) -> bool:
    return module.startswith(("procedures.", "opsportal."))


def missing(found: list[tuple[str, str]], reasons: dict[str, str], prefix: str) -> tuple[set[str], set[str]]:
    """(what reaches no decision and gives no reason, reasons that nobody needs)."""
    without = {
        f"{module}.{name}".removeprefix(prefix) for module, name in found if not calls.reaches(module, name, DECISION)
    }
    return without - set(reasons), set(reasons) - without


def test_every_page_and_endpoint_reaches_the_decision() -> None:
    found = [(module, name) for module, name in views() if ours(module)]
    assert len(found) > 100
    strays, spare = missing(found, DOORS, "procedures.")
    assert not strays, f"ask `access` in the service or query behind these, or say why not: {sorted(strays)}"
    assert not spare, f"these reach the decision now, or are gone: {sorted(spare)}"


def test_every_service_that_changes_something_reaches_the_decision() -> None:
    found = [
        (module, name)
        for module, room in calls.rooms().items()
        if module.startswith("procedures.services.")
        for name, node in room.functions.items()
        if isinstance(node, ast.FunctionDef) and any(map(opens_a_transaction, node.decorator_list))
    ]
    assert len(found) > 30
    strays, spare = missing(found, SERVICES, "procedures.services.")
    assert not strays, f"ask `access` here, or say why not: {sorted(strays)}"
    assert not spare, f"these reach the decision now, or are gone: {sorted(spare)}"


def test_every_task_of_the_queue_decides_again() -> None:
    room = calls.rooms()["procedures.runner.tasks"]
    found = [
        (room.name, name)
        for name, node in room.functions.items()
        if isinstance(node, ast.FunctionDef) and any("shared_task" in ast.unparse(one) for one in node.decorator_list)
    ]
    assert len(found) >= 3
    strays, spare = missing(found, TASKS, "procedures.runner.tasks.")
    assert (strays, spare) == (set(), set())


def opens_a_transaction(decorator: ast.expr) -> bool:
    text = ast.unparse(decorator)
    return text == "thing" or text.startswith("transaction.atomic")


def leaves(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        if path and command.invoke_without_command:
            yield path, command
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name
            yield from leaves(inner, f"{path} {name}".strip())
    else:
        yield path, command


def test_every_command_is_a_client_or_says_whose_hand_it_is() -> None:
    """A command of the machine's owner may touch tables; every other one has the API alone."""
    said = {name for names in COMMANDS.values() for name in names}
    found = dict(leaves(main))
    assert said - set(found) == set(), "a command with a reason is gone"
    for path, command in found.items():
        if path in said:
            continue
        function = inspect.unwrap(command.callback) if command.callback else None
        assert function is not None, path
        reached = _everything(function.__module__, function.__qualname__)
        inside = {module for module, _ in reached if module.startswith(("procedures.services", "procedures.models"))}
        assert not inside, f"{path} reaches {inside}: it must ask the API"


def _everything(module: str, function: str) -> set[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    waiting = [(module, function)]
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting += calls.callees(*here)
    return seen
