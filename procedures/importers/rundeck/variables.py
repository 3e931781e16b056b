"""What Rundeck pasted into texts, as environment variables: options, and what is known of job, node and earlier steps.

`${group.name}` stands in commands, `@group.name@` in inline scripts, `$RD_GROUP_NAME` in both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from procedures.domain.rendering import variable

GROUPS = "option|unquotedoption|job|node|globals|data|export|file|execution|exec|result|log|config|secureOption"
IN_COMMAND = re.compile(rf"\$\{{(?:(?P<step>\d+):)?(?P<group>{GROUPS})\.(?P<name>[^{{}}\s@$]+?)\*?\}}")
IN_SCRIPT = re.compile(rf"@(?:(?P<step>\d+):)?(?P<group>{GROUPS})\.(?P<name>[A-Za-z0-9_.:-]+?)\*?@")
RD = re.compile(r"\bRD_(?P<group>OPTION|JOB|NODE|GLOBALS|DATA|EXPORT|FILE)_(?P<name>[A-Za-z0-9_]+)")
Expression = str


@dataclass(frozen=True, slots=True)
class Option:
    """How an option is reached: `name` is the parameter's or the secret's."""

    name: str
    secret: bool = False
    exposed: bool = True
    delimiter: str = ""
    always: bool = True
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A shell variable. `expression` fills it in the step's env, None where the engine sets it for every script.

    `raw`: its words count one by one, as Rundeck pasted them; `always`: it is never unset.
    """

    name: str
    expression: str | None = None
    raw: bool = False
    always: bool = True


class NotCarried(Exception):
    """Something a text names has no counterpart, so that its step becomes a marked one."""


@dataclass(slots=True)
class Known:
    """What is known of a job while its steps are read, and what they turned out to need."""

    options: dict[str, Option] = field(default_factory=dict)
    job: dict[str, str] = field(default_factory=dict)
    captures: dict[str, list[tuple[str, re.Pattern[str] | None]]] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def parameter(name: str) -> str:
    """The expression that reads a parameter."""
    return f"parameters.{name}" if re.fullmatch(r"[A-Za-z]\w*", name) else f"parameters[{name!r}]"


def secret(name: str) -> str:
    return f"secrets.{name}" if re.fullmatch(r"[A-Za-z]\w*", name) else f"secrets[{name!r}]"


def literal(value: str) -> Expression:
    """A text of the file where ours may hold an expression. Raises NotCarried if it would be read as one."""
    if "${{" in value:
        raise NotCarried("it holds ${{, which would be an expression here")
    return value


def joined(name: str, delimiter: str) -> Expression:
    """The expression for the values of an array parameter, as Rundeck joined them. Raises NotCarried."""
    if not re.fullmatch(r"[^'\"\\{}\x00-\x1f]{1,5}", delimiter):
        raise NotCarried(f"the values of {name} were joined by {delimiter[:20]!r}")
    return wrapped(f"({parameter(name)} or []) | join('{delimiter}')")


def wrapped(expression: str) -> Expression:
    return "${{ " + expression + " }}"


class Variables:
    """The variables of one step. `env` fills up as they are asked for; `notes` are for the report."""

    def __init__(self, known: Known, *, on_targets: bool, raw: bool) -> None:
        self.known, self.on_targets, self.raw = known, on_targets, raw
        self.env: dict[str, Any] = {}
        self.notes: list[str] = []
        self.used: list[str] = []

    def of(self, match: re.Match[str]) -> Variable:
        """The variable that stands for what was pasted. Raises NotCarried."""
        group, name = match["group"], match["name"]
        finders: dict[str, Callable[[str], Variable]] = {
            "option": self.option,
            "unquotedoption": lambda n: self.option(n, raw=True),
            "file": self.file,
            "job": self.job,
            "node": self.node,
            "globals": self.globals,
            "data": lambda n: self.data("data", n),
            "export": lambda n: self.data("export", n),
        }
        if group not in finders or (match["step"] and group not in {"data", "export"}):
            raise NotCarried(f"it reads {match[0]}, which is not known here")
        found = finders[group](name)
        if found.expression is not None:
            self.env[found.name] = found.expression
        if found.name not in self.used:
            self.used.append(found.name)
        return found

    def option(self, name: str, *, raw: bool = False) -> Variable:
        option = self.known.options.get(name)
        if option is None:
            self.notes.append(f"the option {name} is not declared; Rundeck put nothing in its place")
            return Variable(_rd("OPTION", name), "", raw=True)
        if option.secret:
            if not option.exposed:
                self.notes.append(f"the secure option {name} is not exposed; Rundeck put nothing in its place")
                return Variable(_rd("OPTION", name), "", raw=True)
            return Variable("SECRET_" + variable(option.name)[6:], wrapped(secret(option.name)), raw=False)
        if option.delimiter:
            return Variable(_rd("OPTION", name), joined(option.name, option.delimiter), raw=(raw or self.raw))
        spread = raw or (self.raw and not option.quoted)
        return Variable(variable(option.name), None, raw=spread, always=option.always)

    def file(self, name: str) -> Variable:
        option = self.known.options.get(name.split(".", maxsplit=1)[0])
        if option is None or self.on_targets or "." in name:
            raise NotCarried(f"it reads the uploaded file {name} where it does not lie")
        return Variable(variable(option.name))

    def job(self, name: str) -> Variable:
        known = self.known.job
        if name in {"execid", "id"} and name not in known:
            return Variable(_rd("JOB", name), wrapped("run.id"))
        if name in {"username", "user.name", "user.email"}:
            return Variable(_rd("JOB", name), wrapped("run.requester"))
        if name == "project" and name not in known:
            self.known.asked.setdefault("job_project", "The project, which Rundeck named by itself.")
            return Variable(_rd("JOB", name), wrapped(parameter("job_project")))
        if name not in known:
            raise NotCarried(f"it reads job.{name}, which is not known here")
        return Variable(_rd("JOB", name), literal(known[name]))

    def node(self, name: str) -> Variable:
        if not self.on_targets:
            if name not in {"name", "hostname"}:
                raise NotCarried(f"it reads node.{name} of the server that ran it")
            self.notes.append(f"node.{name} was the name of Rundeck's own server; here it is localhost")
            return Variable(_rd("NODE", name), "localhost")
        plain = {"name": "each.name", "hostname": "each.host"}
        if name == "tags":
            raise NotCarried("it reads node.tags, a list; targets have tags with values")
        return Variable(_rd("NODE", name), wrapped(plain.get(name, f"each.tags[{name!r}]")))

    def globals(self, name: str) -> Variable:
        asked = "globals_" + re.sub(r"[^A-Za-z0-9]", "_", name)
        self.known.asked.setdefault(asked, f"What Rundeck's project held as globals.{name}.")
        return Variable(_rd("GLOBALS", name), wrapped(parameter(asked)))

    def data(self, group: str, name: str) -> Variable:
        """What an earlier step's log filter took out of its output."""
        key = name.rpartition(":")[2].rstrip("*")
        rows = self.known.captures.get(group, [])
        steps = [step for step, names in rows if names is None or names.fullmatch(key)]
        if not steps or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", key):
            raise NotCarried(f"it reads {group}.{name}, which no earlier step is seen to give")
        if self.on_targets:
            self.notes.append(f"{group}.{name} is the last target's value where several ran at once")
        item = f".{key}" if re.fullmatch(r"[A-Za-z]\w*", key) else f"[{key!r}]"
        found = " or ".join(f"steps.{step}.output{item}" for step in reversed(steps))
        return Variable(_rd(group.upper(), key), wrapped(found), raw=self.raw)

    def environment(self, text: str) -> None:
        """Give a step the `RD_…` variables that its text reads by name."""
        for match in RD.finditer(text):
            group, name, full = match["group"], match["name"], match[0]
            if full in self.env:
                continue
            try:
                expression = self._read(group, name)
            except NotCarried as problem:
                if full != _rd("JOB", "threadcount"):
                    self.notes.append(f"{full} is not set: {problem}")
                continue
            self.env[full] = expression

    def _read(self, group: str, name: str) -> Expression:
        if group == "OPTION":
            names = [n for n in self.known.options if _rd("OPTION", n) == f"RD_OPTION_{name}"]
            if not names:
                raise NotCarried("no such option is declared")
            option = self.known.options[names[0]]
            if option.secret:
                return wrapped(secret(option.name)) if option.exposed else ""
            if option.delimiter:
                return joined(option.name, option.delimiter)
            return wrapped(parameter(option.name))
        lower = self._job_name(name) if group == "JOB" else name.lower() if group == "NODE" else name
        finder = {"JOB": self.job, "NODE": self.node, "GLOBALS": self.globals}.get(group)
        found = finder(lower) if finder else self.data(group.lower(), lower)
        return found.expression or ""

    def _job_name(self, name: str) -> str:
        known = [*self.known.job, "execid", "username", "user.name", "project"]
        return next((key for key in known if _rd("JOB", key) == f"RD_JOB_{name}"), name.lower())


def _rd(group: str, name: str) -> str:
    return f"RD_{group}_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper()
