"""The web tier asks the egress process and nobody else: what could speak to a stranger is found by its imports."""

from __future__ import annotations

import ast
import functools

import pytest

from tests.house import tree
from tests.house.calls import module_name

DOORS = ("procedures.web", "procedures.api", "procedures.hooks", "procedures.mcp", "procedures.scim", "opsportal.urls")
# What can reach another machine, or start something that can.
WAYS = [
    "aiohttp",
    "boto3",
    "botocore",
    "ftplib",
    "http.client",
    "httpcore",
    "httpx",
    "imaplib",
    "kombu",
    "ldap3",
    "paramiko",
    "redis",
    "requests",
    "smtplib",
    "socket",
    "ssl",
    "subprocess",
    "telnetlib",
    "urllib.request",
    "urllib3",
    "websockets",
    "xmlrpc",
    "django.core.mail",
    "onelogin",
]
# Module that a door can reach → what it does there. Whoever adds a row says what bounds it, and tests that.
KNOWN = {
    "procedures.signon.egress": "asks the egress process, at the one place that a setting names",
    "procedures.signon.saml": "reads what a browser brings; asks nobody",
    "procedures.domain.providers": "reads certificates of signed settings; asks nobody",
    "procedures.definitions.lint.tools": "shellcheck over a text, without a network of its own",
    "procedures.definitions.starter": "a socket pair to a child in the sandbox",
    "procedures.evidence.verify": "openssl over a file, and only by a reader's own certificates, which no door names",
    "procedures.git.call": "a door asks whether an address is one; fetching is the scheduler's",
    "procedures.policy.evaluator": "the evaluator's child, which can open and start nothing",
    "procedures.sandbox.confined": "starts what describes another package's actions, without a network",
    "procedures.sandbox.egress": "the listed hosts of a step; a runner's alone",
    "procedures.sandbox.launch": "starts what describes another package's actions, without a network",
    "procedures.sandbox.run": "starts what describes another package's actions, without a network",
}
# What goes out for the web tier, in a process of its own.
WAY_OUT = ("procedures.egress", "procedures.signon.outbound", "procedures.signon.ldap", "procedures.signon.discovery")


@functools.cache
def modules() -> dict[str, frozenset[str]]:
    """Each module of ours with all that it imports, names out of modules included."""
    return {
        module_name(path): frozenset(_named(tree.parsed(path))) for path in tree.python_files("procedures", "opsportal")
    }


def _named(parsed: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _ours(names: frozenset[str]) -> set[str]:
    """Those of these names that are modules of ours, or stand in one."""
    return {prefix for name in names for prefix in _prefixes(name) if prefix in modules()}


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


@functools.cache
def reached() -> frozenset[str]:
    """Every module that a door imports, however far away; a package's own file counts with what is in it."""
    waiting = [name for name in modules() if name.startswith(DOORS)]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _ours(modules()[name])
    return frozenset(seen)


def ways_out(name: str) -> list[str]:
    return sorted(way for way in WAYS if any(one == way or one.startswith(f"{way}.") for one in modules()[name]))


def test_what_a_door_can_reach_and_could_speak_to_a_stranger_is_known() -> None:
    found = {name: ways_out(name) for name in reached() if ways_out(name)}
    assert found.keys() == KNOWN.keys(), "say in KNOWN what bounds it, and have a test try to get past that"


def test_the_search_sees_the_doors_and_what_is_far_from_them() -> None:
    """Else an empty search would pass."""
    assert {"procedures.web.views.signon", "procedures.services.exchanges", "procedures.signon.keys"} <= reached()
    assert ways_out("procedures.evidence.witness_client") == ["httpx"]
    assert ways_out("procedures.signon.outbound") == ["httpcore", "socket", "ssl"]


@pytest.mark.parametrize(
    "room",
    [
        "runner",
        "engine",
        "issuer.issue",
        "actions",
        "credentials",
        "notifiers",
        "inventories",
        "evidence.witness_client",
    ],
)
def test_no_door_imports_what_fetches_for_runners_and_keepers(room: str) -> None:
    met = sorted(name for name in reached() if f"{name}.".startswith(f"procedures.{room}."))
    assert not met, f"a door reaches {met}"


def test_no_door_imports_what_asks_for_it_and_sign_on_alone_hands_its_questions_on() -> None:
    assert not [name for name in reached() if name.startswith(WAY_OUT)]
    users = {name for name in reached() if "procedures.signon.egress" in modules()[name]}
    rooms = {name.rpartition(".")[0] for name in users}
    assert rooms == {"procedures.signon", "procedures.web.views", "procedures.api"}, users
    assert {name for name in users if not name.startswith("procedures.signon")} == {
        "procedures.web.views.signon",
        "procedures.web.views.ways_in",
        "procedures.api.health",
    }


def test_the_egress_process_goes_where_the_log_says_and_reads_no_table_of_it() -> None:
    """Its list comes from signed events; the rows that a web process writes are not read."""
    names = {name for module in modules() if module.startswith("procedures.egress") for name in modules()[module]}
    assert "procedures.issuer.replay.replay" in names
    assert not {name for name in names if name.startswith("procedures.models")}
