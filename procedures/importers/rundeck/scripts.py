"""The file that a step runs: a script or command of Rundeck's, with its interpreter, arguments and filters."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from procedures.importers.rundeck import far
from procedures.importers.rundeck.captures import Capture, collecting
from procedures.importers.rundeck.languages import language, rewrite
from procedures.importers.rundeck.shell import Find, needs_bash, rewritten
from procedures.importers.rundeck.variables import IN_COMMAND, IN_SCRIPT, NotCarried, Variables

ENDS = {"shell": ".sh", "python": ".py", "powershell": ".ps1", "other": ".script"}
READ_ON = re.compile(r"\b(ssh|mysql|psql|sqlplus)\b[^\n]*\$\{?(\w+)")
WRAPPED = re.compile(
    r"(?:/usr)?(?:/bin/)?(?P<shell>(?:ba|da)?sh)(?P<flags>(?:\s+-[euxv]+)*\s+-[euxv]*c)\s+"
    r"(?:\"(?P<double>(?:[^\"\\]|\\.)*)\"|'(?P<single>[^']*)')",
    re.DOTALL,
)
POWERSHELL = "it runs with pwsh: a host needs PowerShell 7 and a POSIX shell, so plain Windows hosts are not reached"
SUDO = "sudo must let it keep the variables that hold the values (SETENV)"


@dataclass(slots=True)
class Program:
    """A text of Rundeck's. `is_command`: a command line, else an inline script; `verbatim`: nothing is filled in."""

    text: str
    interpreter: str = ""
    args: str = ""
    is_command: bool = False
    args_quoted: bool = False
    verbatim: bool = False


@dataclass(slots=True)
class Built:
    """What a file holds, its ending, and what a person should know."""

    content: str
    end: str
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Part:
    """A program with variables in place: its own text, language and interpreter line."""

    text: str
    kind: str
    interpreter: str
    words: str
    bash: bool
    launcher: str = ""
    notes: list[str] = field(default_factory=list)


def finder(variables: Variables, *, is_command: bool, both: bool = False) -> Find:
    """What looks for a pasted value at one place of a text."""
    patterns = [IN_COMMAND] if is_command else [IN_SCRIPT, *([IN_COMMAND] if both else [])]
    marks = {"$" if pattern is IN_COMMAND else "@" for pattern in patterns}

    def find(text: str, index: int) -> object:
        if text[index] not in marks:
            return None
        for pattern in patterns:
            match = pattern.match(text, index)
            if match:
                return variables.of(match), match.end()
        return None

    return find  # type: ignore[return-value]


def build(
    program: Program, variables: Variables, *, captures: list[Capture], handler: tuple[Program, bool] | None
) -> Built:
    """The file for a step. `handler`: Rundeck's error handler, and whether the job goes on after it.

    Raises NotCarried.
    """
    part = _part(program, variables)
    notes = [*part.notes, POWERSHELL] if part.kind == "powershell" else list(part.notes)
    if part.launcher and variables.used:
        notes.append(SUDO)
    if not captures and handler is None and _simple(part):
        return Built(_alone(part), ENDS[part.kind], notes)
    second = _part(handler[0], variables) if handler else None
    lines = [_fragment(part, variables, 1)]
    lines = [collecting(lines[0], captures)] if captures else [lines[0], "status=$?"]
    if handler and second:
        lines += _handled(second, variables, goes_on=handler[1])
    lines.append('exit "$status"')
    bash = part.bash or (second is not None and second.bash)
    shell = "/usr/bin/env bash" if bash else "/bin/sh"
    return Built(f"#!{shell}\n" + "\n".join(lines) + "\n", ".sh", notes)


def _handled(part: _Part, variables: Variables, *, goes_on: bool) -> list[str]:
    after = ["status=$?"] if goes_on else []
    return ['if [ "$status" -ne 0 ]; then', _fragment(part, variables, 2), *after, "fi"]


def _part(given: Program, variables: Variables) -> _Part:
    program = unwrapped(given)
    text = program.text.replace("\r\n", "\n").replace("\r", "\n")
    first, _, rest = text.partition("\n")
    interpreter = program.interpreter.strip()
    own = first[2:].strip() if first.startswith("#!") else ""
    if own:
        text = rest
    if program.args_quoted and interpreter.endswith(" -c"):
        interpreter = interpreter[:-3].rstrip()
    launcher = ""
    if interpreter and interpreter.split()[0].rpartition("/")[2] == "sudo" and language(interpreter) == "other":
        launcher, interpreter = interpreter, own
    interpreter = interpreter or own
    kind = language(interpreter) if interpreter else "shell"
    if kind == "powershell":
        interpreter = "pwsh"
    variables.environment(text + program.args)
    find = finder(variables, is_command=program.is_command, both=kind == "shell")
    new = text if program.verbatim else rewrite(text, kind, find)
    notes = _read_by_another(new, variables) if kind == "shell" else []
    notes += _left_alone(program, variables)
    words = (
        rewritten(program.args.strip(), finder(_quoting(variables), is_command=True)) if program.args.strip() else ""
    )
    bash = needs_bash(new) if not interpreter else "bash" in interpreter
    return _Part(new, kind, interpreter, words, bash, launcher, notes)


def unwrapped(program: Program) -> Program:
    """`bash -xc "TEXT"` and no more, as the script TEXT of bash: there a value can stay a variable.

    Not where the outer shell would have expanded something, which the inner one would then have read as program.
    """
    found = WRAPPED.fullmatch(program.text.strip()) if program.is_command and not program.interpreter else None
    if found is None:
        return program
    inner = found["single"] or ""
    if found["double"] is not None:
        rest = re.sub(r"\\.", "", IN_COMMAND.sub("", found["double"]), flags=re.DOTALL)
        if "$" in rest or "`" in rest:
            return program
        inner = re.sub(r"\\([\"$`\\])", r"\1", found["double"])
    flags = "".join(sorted(set(found["flags"]) - {"c", "-", " "}))
    return Program(f"set -{flags}\n{inner}" if flags else inner, interpreter=found["shell"], is_command=True)


def _read_by_another(text: str, variables: Variables) -> list[str]:
    """Notes on values that another program reads in its own way. Raises NotCarried where it would run them."""
    if program := far.runs(text, variables.used):
        raise NotCarried(f"a value becomes program text of {program}")
    return [
        f"a value stands in a text that {match[1]} reads in its own way; see that no value can be a program there"
        for match in READ_ON.finditer(text)
        if match[2] in variables.used
    ]


def _left_alone(program: Program, variables: Variables) -> list[str]:
    """A note on `@option.x@` in a command: Rundeck filled that in in scripts alone, and so does the import."""
    found = IN_SCRIPT.finditer(program.text) if program.is_command else ()
    marks = {match[0]: match["name"] for match in found if match["group"] == "option"}
    return [
        f"{mark} stands in a command, where Rundeck put nothing in its place; write ${{option.{name}}} if it was meant"
        for mark, name in marks.items()
        if name in variables.known.options
    ]


def _quoting(variables: Variables) -> Variables:
    """The same variables where Rundeck quoted each value, as it did in commands and arguments."""
    copy = Variables(variables.known, on_targets=variables.on_targets, raw=False)
    copy.env, copy.notes, copy.used = variables.env, variables.notes, variables.used
    return copy


def _simple(part: _Part) -> bool:
    """Whether the text can stand in the file as it is, below one interpreter line."""
    words = part.interpreter.split()
    line = len(words) <= 1 or words[0].endswith("/env") or (len(words) == 2 and words[1].startswith("-"))
    return line and not part.launcher and (part.kind == "shell" or not part.words)


def _alone(part: _Part) -> str:
    if not part.interpreter:
        line = "/usr/bin/env bash" if part.bash else "/bin/sh"
    elif part.interpreter.startswith("/"):
        line = part.interpreter
    else:
        line = f"/usr/bin/env {'-S ' if ' ' in part.interpreter else ''}{part.interpreter}"
    arguments = f"set -- {part.words}\n" if part.words else ""
    return f"#!{line}\n{arguments}{part.text.rstrip()}\n"


def _fragment(part: _Part, variables: Variables, number: int) -> str:
    """A piece of shell that runs the program and ends with its status."""
    if part.kind == "shell" and not part.launcher and _simple(part):
        arguments = f"set -- {part.words}\n" if part.words else ""
        return f"(\n{arguments}{part.text.rstrip()}\n)"
    word = f"RUNDECK_{number}"
    if re.search(rf"^{word}$", part.text, re.MULTILINE):
        raise NotCarried("its text holds the word that should end it")
    start = part.interpreter or ("bash" if part.bash else "sh")
    if part.launcher:
        kept = f"--preserve-env={','.join(variables.used)} " if variables.used else ""
        start = f"{part.launcher} {kept}{start}"
    if not _safe(start):
        raise NotCarried(f"its interpreter line {start[:60]!r} is not plain words")
    reads = "-s --" if part.kind == "shell" else "-"
    return f"{start} {reads} {part.words}".rstrip() + f" <<'{word}'\n{part.text.rstrip()}\n{word}"


def _safe(line: str) -> bool:
    try:
        words = shlex.split(line)
    except ValueError:
        return False
    return bool(words) and bool(re.fullmatch(r"[A-Za-z0-9 _./,=:@+-]+", line))
