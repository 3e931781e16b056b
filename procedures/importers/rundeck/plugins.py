"""Steps of Rundeck's plugins that have a counterpart here; every other one is marked by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from procedures.importers.rundeck import requests
from procedures.importers.rundeck.readings import Around, Carried, Nothing, Text, Whole, needs, words_of
from procedures.importers.rundeck.scripts import Program
from procedures.importers.rundeck.source import mapping, text, truth
from procedures.importers.rundeck.variables import IN_COMMAND, NotCarried

LENGTH = re.compile(r"([0-9]{1,6})([smh]?)")


def carried(command: Mapping[str, Any], around: Around) -> Carried:
    """What a plugin's step becomes. Raises NotCarried."""
    kind, config = text(command.get("type")), mapping(command.get("configuration"))
    reader = READERS.get(kind)
    if reader is None:
        raise NotCarried(f"the plugin {kind[:120]} has no counterpart")
    return reader(config, around)


def only_ends(handler: Mapping[str, Any]) -> bool:
    """Whether a handler did no more than end the job as failed, which a failed step does by itself here."""
    config = mapping(handler.get("configuration"))
    plain = truth(config.get("fail")) and not text(config.get("status")).strip()
    return text(handler.get("type")) == "flow-control" and truth(config.get("halt")) and plain


def goes_on(handler: Mapping[str, Any]) -> bool:
    """Whether a handler does nothing but let the job go on."""
    config = mapping(handler.get("configuration"))
    return text(handler.get("type")) == "flow-control" and not truth(config.get("halt"))


def _command(key: str, *, local: bool = False) -> Callable[[Mapping[str, Any], Around], Carried]:
    def read(config: Mapping[str, Any], around: Around) -> Carried:
        return Text(Program(needs(config, key), is_command=True), local=local, each=local)

    return read


def _inline(config: Mapping[str, Any], around: Around) -> Carried:
    program = Program(
        needs(config, "adhocLocalString"),
        interpreter=text(config.get("scriptInterpreter")),
        args=text(config.get("argString")),
        args_quoted=truth(config.get("interpreterArgsQuoted")),
    )
    return Text(program)


def _local_script(*, each: bool) -> Callable[[Mapping[str, Any], Around], Carried]:
    def read(config: Mapping[str, Any], around: Around) -> Carried:
        # A configuration's values are expanded like a command, and then run as a script.
        script = needs(config, "script")
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
        place = needs(config, "file") if test == "-f" else needs(config, "dir")
        interval, most = (
            _number(config, "interval", "5"),
            _number(config, "maxtry", text(config.get("maximum")) or "60"),
        )
        quoted = words_of(place)
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
        Program(f"grep -e {words_of(needs(config, 'pattern'))} -- {words_of(needs(config, 'file'))}", is_command=True)
    )


def _number(config: Mapping[str, Any], key: str, other: str) -> str:
    value = text(config.get(key)).strip() or other
    if not re.fullmatch(r"[0-9]{1,6}", value):
        raise NotCarried(f"its {key} is no plain number")
    return value


def _export(config: Mapping[str, Any], around: Around) -> Carried:
    group, name, value = needs(config, "group"), needs(config, "export"), text(config.get("value"))
    if group not in {"export", "data"} or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", name):
        raise NotCarried("the variable it sets has a name that is not known here")
    line = f"printf '{name}=%s\\n' {words_of(value) or chr(39) * 2} >>\"$OPSPORTAL_OUTPUT\""
    return Text(Program(line, is_command=True), local=True, gives=(group, name))


def _flow(config: Mapping[str, Any], around: Around) -> Carried:
    """An end of the whole job. A state of its own counted as no success there; here it is a failure that says it."""
    state = text(config.get("status")).strip()
    if not truth(config.get("halt")):
        return Nothing("it only let the job go on")
    if not truth(config.get("fail")) and not state:
        return Text(Program("echo 'The job ends here.'", is_command=True), local=True, ends=True)
    if not state:
        return Text(Program("exit 1", is_command=True), local=True)
    line = f"printf 'The job ends in the state %s.\\n' {words_of(state)}; exit 1"
    note = (
        f"the job ended in a state of its own, {state[:80]}; here the run fails, and the step's output says the state"
    )
    return Text(Program(line, is_command=True), local=True, notes=[note])


def _log_data(config: Mapping[str, Any], around: Around) -> Carried:
    return Nothing("it printed what Rundeck knew; a run's page shows every step's output")


def _copy(config: Mapping[str, Any], around: Around) -> Carried:
    """A file of Rundeck's server becomes a file that the requester hands in."""
    source, to = needs(config, "sourcePath").strip(), needs(config, "destinationPath").strip()
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
    "edu.ohio.ais.rundeck.HttpWorkflowStepPlugin": requests.read,
}
