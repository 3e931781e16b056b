"""Steps of Rundeck's plugins that have a counterpart here; every other one is marked by its name."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from procedures.domain import rendering
from procedures.importers.rundeck.scripts import Program
from procedures.importers.rundeck.source import mapping, text, truth
from procedures.importers.rundeck.variables import IN_COMMAND, Known, NotCarried, Variables, literal

LENGTH = re.compile(r"([0-9]{1,6})([smh]?)")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class Around(Protocol):
    """What a plugin's reading may know of the job."""

    known: Known
    on_targets: bool


@dataclass(slots=True)
class Text:
    """A program. `local`: on Rundeck's server, `each`: once for each node; `gives`: (group, name) it hands on."""

    program: Program
    local: bool = False
    each: bool = False
    gives: tuple[str, str] | None = None


@dataclass(slots=True)
class Whole:
    """An action of ours with its input."""

    action: str
    input: dict[str, Any]
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Nothing:
    why: str


Carried = Text | Whole | Nothing


def carried(command: Mapping[str, Any], around: Around) -> Carried:
    """What a plugin's step becomes. Raises NotCarried."""
    kind, config = text(command.get("type")), mapping(command.get("configuration"))
    reader = READERS.get(kind)
    if reader is None:
        raise NotCarried(f"the plugin {kind[:120]} has no counterpart")
    return reader(config, around)


def goes_on(handler: Mapping[str, Any]) -> bool:
    """Whether a handler does nothing but let the job go on."""
    config = mapping(handler.get("configuration"))
    return text(handler.get("type")) == "flow-control" and not truth(config.get("halt"))


def _needs(config: Mapping[str, Any], key: str) -> str:
    value = text(config.get(key))
    if not value.strip():
        raise NotCarried(f"it has no {key}")
    return value


def _command(key: str, *, local: bool = False) -> Callable[[Mapping[str, Any], Around], Carried]:
    def read(config: Mapping[str, Any], around: Around) -> Carried:
        return Text(Program(_needs(config, key), is_command=True), local=local, each=local)

    return read


def _inline(config: Mapping[str, Any], around: Around) -> Carried:
    program = Program(
        _needs(config, "adhocLocalString"),
        interpreter=text(config.get("scriptInterpreter")),
        args=text(config.get("argString")),
        args_quoted=truth(config.get("interpreterArgsQuoted")),
    )
    return Text(program)


def _local_script(*, each: bool) -> Callable[[Mapping[str, Any], Around], Carried]:
    def read(config: Mapping[str, Any], around: Around) -> Carried:
        # A configuration's values are expanded like a command, and then run as a script.
        script = _needs(config, "script")
        program = Program(
            script, interpreter="" if script.startswith("#!") else "bash", args=text(config.get("arguments"))
        )
        program.is_command = True
        return Text(program, local=True, each=each)

    return read


def _sleep(config: Mapping[str, Any], around: Around) -> Carried:
    match = LENGTH.fullmatch(text(config.get("interval")).strip())
    cycles = text(config.get("cycles")).strip() or "1"
    if match is None or not cycles.isdigit() or len(cycles) > 4:
        raise NotCarried("how long it waits is not a plain length of time")
    seconds = int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] * max(int(cycles) - 1, 1)
    return Whole("gate:wait", {"for": f"{max(seconds, 1)}s"})


def _wait_for(test: str) -> Callable[[Mapping[str, Any], Around], Carried]:
    def read(config: Mapping[str, Any], around: Around) -> Carried:
        place = _needs(config, "file") if test == "-f" else _needs(config, "dir")
        interval, most = (
            _number(config, "interval", "5"),
            _number(config, "maxtry", text(config.get("maximum")) or "60"),
        )
        quoted = _words(place)
        lines = [
            f"attempt=0; until [ {test} {quoted} ]; do",
            "  attempt=$((attempt + 1))",
            f'  if [ "$attempt" -ge {most} ]; then echo "It is not there after {most} attempts." >&2; exit 1; fi',
            f"  sleep {interval}",
            "done",
            "echo OK",
        ]
        return Text(Program("\n".join(lines), is_command=True))

    return read


def _contains(config: Mapping[str, Any], around: Around) -> Carried:
    return Text(
        Program(f"grep -e {_words(_needs(config, 'pattern'))} -- {_words(_needs(config, 'file'))}", is_command=True)
    )


def _number(config: Mapping[str, Any], key: str, other: str) -> str:
    value = text(config.get(key)).strip() or other
    if not re.fullmatch(r"[0-9]{1,6}", value):
        raise NotCarried(f"its {key} is no plain number")
    return value


def _words(value: str) -> str:
    """A value that may hold references, as one word of a shell text."""
    parts, index = [], 0
    for match in IN_COMMAND.finditer(value):
        parts.append(shlex.quote(value[index : match.start()]) if value[index : match.start()] else "")
        parts.append(match[0])
        index = match.end()
    return "".join([*parts, shlex.quote(value[index:]) if value[index:] else ""])


def _export(config: Mapping[str, Any], around: Around) -> Carried:
    group, name, value = _needs(config, "group"), _needs(config, "export"), text(config.get("value"))
    if group not in {"export", "data"} or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", name):
        raise NotCarried("the variable it sets has a name that is not known here")
    line = f"printf '{name}=%s\\n' {_words(value) or chr(39) * 2} >>\"$OPSPORTAL_OUTPUT\""
    return Text(Program(line, is_command=True), local=True, gives=(group, name))


def _flow(config: Mapping[str, Any], around: Around) -> Carried:
    if not truth(config.get("halt")):
        return Nothing("it only let the job go on")
    if not truth(config.get("fail")) or text(config.get("status")).strip():
        raise NotCarried("it ends the job early with a state of its own")
    return Text(Program("exit 1", is_command=True), local=True)


def _log_data(config: Mapping[str, Any], around: Around) -> Carried:
    return Nothing("it printed what Rundeck knew; a run's page shows every step's output")


def _http(config: Mapping[str, Any], around: Around) -> Carried:
    variables = Variables(around.known, on_targets=False, raw=False)
    method = (text(config.get("method")) or "GET").upper()
    if text(config.get("authentication")) not in {"", "None"}:
        raise NotCarried(
            f"the request logs in by {text(config.get('authentication'))[:40]}; give the secret to auth.env"
        )
    if method not in METHODS:
        raise NotCarried(f"the method {method[:20]} is not known")
    url = _expressions(_needs(config, "remoteUrl").strip(), variables)
    if problem := rendering.url_problem(url):
        raise NotCarried(f"its URL {text(config['remoteUrl'])[:80]}: {problem}")
    given: dict[str, Any] = {"url": url, "method": method}
    if text(config.get("headers")).strip():
        given["headers"] = {k: _expressions(v, variables) for k, v in _headers(text(config["headers"])).items()}
    if text(config.get("body")):
        given["body"] = _expressions(text(config["body"]), variables)
    if truth(config.get("checkResponseCode")) and text(config.get("responseCode")).isdigit():
        given["expect"] = {"status": int(text(config["responseCode"]))}
    else:
        given["expect"] = {"status": [*range(200, 207), *range(300, 309)]}
    notes = []
    if text(config.get("sslVerify")) == "false":
        notes.append("certificates were not checked there; here they are")
    if truth(config.get("proxySettings")):
        notes.append("its proxy is not carried over")
    return Whole("http:request", given, [*notes, *variables.notes])


def _headers(written: str) -> dict[str, str]:
    try:
        value = json.loads(written)
    except ValueError:
        value = dict(line.split(":", 1) for line in written.splitlines() if ":" in line)
    if not isinstance(value, Mapping):
        raise NotCarried("its headers cannot be read")
    rows = {str(k).strip(): text(v).strip() for k, v in value.items()}
    if any(not re.fullmatch(r"[A-Za-z0-9-]{1,64}", name) for name in rows):
        raise NotCarried("its headers cannot be read")
    return rows


def _expressions(written: str, variables: Variables) -> str:
    """A text of a request, with expressions in place of what Rundeck pasted; a secret may not stand there."""

    def one(match: re.Match[str]) -> str:
        found = variables.of(match)
        if found.name.startswith("SECRET_"):
            raise NotCarried("a secret stands in its URL, headers or body; hand it over by auth or stdin")
        if found.expression is not None:
            return found.expression
        option = variables.known.options[match["name"]]
        return "${{ parameters[" + repr(option.name) + "] }}"

    return IN_COMMAND.sub(one, literal(written))


def _copy(config: Mapping[str, Any], around: Around) -> Carried:
    """A file of Rundeck's server becomes a file that the requester hands in."""
    source, to = _needs(config, "sourcePath").strip(), _needs(config, "destinationPath").strip()
    if not around.on_targets or truth(config.get("recursive")) or text(config.get("pattern")).strip():
        raise NotCarried(f"it copies {source[:80]} of Rundeck's server; put the files into the bundle and use ssh:copy")
    if IN_COMMAND.search(source) or not re.fullmatch(r"/[^$*?\[\]{}\x00-\x1f]*", to):
        raise NotCarried("which file it copies, or where to, is chosen at launch; use ssh:copy with a fixed place")
    base = source.rstrip("/").rpartition("/")[2]
    asked = "file_" + (re.sub(r"[^A-Za-z0-9]", "_", base)[:50] or "1")
    around.known.files.setdefault(asked, f"What Rundeck's server held as {source[:200]}.")
    note = (
        f"{source[:120]} lay on Rundeck's server; here it is handed in as the file {asked}, or put it into the bundle"
    )
    return Whole("ssh:copy", {"file": f"parameters/{asked}", "to": to + base if to.endswith("/") else to}, [note])


READERS: dict[str, Callable[[Mapping[str, Any], Around], Carried]] = {
    "exec-command": _command("adhocRemoteString"),
    "script-inline": _inline,
    "script-command": _inline,
    "inline-script": _inline,
    "localexec": _command("command", local=True),
    "nixy-local-workflow-step": _local_script(each=False),
    "nixy-local-node-step": _local_script(each=True),
    "nixy-waitfor-sleep": _sleep,
    "nixy-waitfor-sleep-workflow-step": _sleep,
    "nixy-waitfor-sleep-workflow-node-step": _sleep,
    "nixy-waitfor-file-exists": _wait_for("-f"),
    "waitfor:file-exists": _wait_for("-f"),
    "nixy-waitfor-dir-exists": _wait_for("-d"),
    "nixy-file-contains": _contains,
    "file-util:contains": _contains,
    "copyfile": _copy,
    "export-var": _export,
    "flow-control": _flow,
    "log-data-step": _log_data,
    "edu.ohio.ais.rundeck.HttpWorkflowStepPlugin": _http,
}
