"""Programs of the bundle: no expression in them, and no parameter or secret that becomes a program (H27)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from procedures.definitions.lint.notes import FILE, Notes
from procedures.definitions.lint.placed import placed
from procedures.definitions.lint.steps import PROGRAMS
from procedures.definitions.lint.texts import decoded
from procedures.domain import expressions

SHELL = re.compile(r"\.(sh|bash)$")
PYTHON = re.compile(r"\.py$")
KEPT = re.compile(r"\.(original|rundeck)$")
EXPRESSION = "$" + "{{"
_WORD = r"(\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s;|&]+)"
# Where a command begins.
_COMMAND = (
    r"(?:^\s*|[;|&({`!]\s*|\b(?:then|do|else|if|elif|while|until|time|exec|command|builtin|nohup|sudo)\s+"
    r"|(?:^|\s)[A-Za-z_]\w*=\S*\s+)"
)
_SHELLS = r"(?:(?:ba|da|z|k|c|tc|fi)?sh|su|runuser|python[\d.]*|perl|ruby|node|psql|mysql)"
# Where a word is read as program: eval and source wholly, -c by its next word, a pipe or here-string into a shell.
_READS = (
    re.compile(r"(?:^|[\s;|&({`!])(?:eval)\s+([^;|&\n]*)"),
    re.compile(rf"{_COMMAND}(?:source|\.)\s+([^;|&\n]*)"),
    re.compile(rf"(?:^|[\s;|&({{`/!]){_SHELLS}\s+(?:[^;|&\n]*?\s)?-\w*[ce]\s+{_WORD}"),
    re.compile(rf"(?:^|[\s;|&({{`/!]){_SHELLS}\s+[^;|&\n]*<<<\s*{_WORD}"),
    re.compile(rf"\b(?:echo|printf)\s+([^|\n]*)\|\s*(?:sudo\s+)?(?:/\S*/)?{_SHELLS}\b"),
)
_VALUE = r"((?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|\$\([^)]*\)|[^\s;&|\"'])*)"
_SETS = (
    re.compile(rf"(?:^|[\s;&|({{])([A-Za-z_]\w*)\+?={_VALUE}"),
    re.compile(r"\bfor\s+([A-Za-z_]\w*)\s+in\s+(.*)$"),
    re.compile(r"\bread\s+(?:-\w+\s+)*([A-Za-z_]\w*)[^<\n]*<<<?\s*(.*)$"),
)
_PY_SET = re.compile(r"^\s*([A-Za-z_]\w*)\s*(?::[^=]+)?=\s*(?!=)(.+)$")
_PY_RUNS = re.compile(r"\b(?:eval|exec|os\.system|os\.popen|compile|getoutput)\s*\((.*)|\bshell\s*=\s*True")
ROUNDS = 5
LONG = 1_000


def lint(notes: Notes) -> None:
    given = _given(notes)
    named = {str(step.input[key]) for _, step in placed(notes.definition) for key in PROGRAMS & set(step.input)}
    for path, content in notes.programs():
        text = decoded(path, content)
        if text is None or is_kept(notes, path):
            continue
        kind = kind_of(path, text)
        if kind and (long := next((n for n, line in enumerate(text.split("\n"), 1) if len(line) > LONG), 0)):
            notes.at(path, long, 1, "long-line", f"Line {long} is longer than {LONG:,} characters.")
        if kind or path in named:
            _expressions(notes, path, text)
        if kind:
            _becoming(notes, path, text, given, kind)


def kind_of(path: str, text: str) -> str:
    """What a program is by name or first line: "shell", "python", or "" for anything else."""
    first = text.partition("\n")[0] if text.startswith("#!") else ""
    if PYTHON.search(path) or "python" in first:
        return "python"
    return "shell" if SHELL.search(path) or re.search(r"\b(ba|da|k|z)?sh\b", first) else ""


def is_kept(notes: Notes, path: str) -> bool:
    """Whether a file is another tool's original that an importer kept to be read, and that nothing here runs."""
    if not KEPT.search(path):
        return False
    name = path.rpartition("/")[2].encode()
    runs = any(name in content for other, content in notes.files.items() if other != FILE and not KEPT.search(other))
    return not runs and all(path not in map(str, step.input.values()) for _, step in placed(notes.definition))


def _given(notes: Notes) -> frozenset[str]:
    """Variables that carry what a requester typed: those of `env` with an expression; PARAM_… always."""
    return frozenset(
        str(name)
        for _, step in placed(notes.definition)
        for name, value in (step.input.get("env") or {}).items()
        if isinstance(step.input.get("env"), dict) and expressions.has_expression(value)
    )


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, line) with continued lines joined and whole-line comments emptied; cut at LONG."""
    held, start = "", 0
    for number, whole_line in enumerate(text.split("\n"), 1):
        start, line = start or number, whole_line[:LONG]
        if line.endswith("\\") and len(held) < LONG and not line.lstrip().startswith("#"):
            held += line[:-1] + " "
            continue
        whole = held + line
        yield start, "" if whole.lstrip().startswith("#") else whole
        held, start = "", 0
    if held:
        yield start, held


def _expressions(notes: Notes, path: str, text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if EXPRESSION in line:
            told = "An expression inside a file is never evaluated."
            notes.at(path, number, line.index(EXPRESSION) + 1, "expression-in-program", told)


def _becoming(notes: Notes, path: str, text: str, given: frozenset[str], kind: str) -> None:
    lines = list(logical_lines(text))
    tainted = _tainted(lines, given, kind)
    for number, line in lines:
        for word in _read_as_program(line, kind):
            if (names := tainted.search(word)) is not None:
                told = f"{names[0].strip('${}')} becomes program text."
                notes.at(path, number, max(line.find(word), 0) + 1, "eval-parameter", told)
                break


def _read_as_program(line: str, kind: str) -> list[str]:
    if kind == "python":
        return [line] if _PY_RUNS.search(line) else []
    words = [match[1] for form in _READS for match in form.finditer(line)]
    return [word for word in words if not re.fullmatch(r"'[^']*'", word)]


def _tainted(lines: list[tuple[int, str]], given: frozenset[str], kind: str) -> re.Pattern[str]:
    """What a use of a given value looks like, followed through assignments."""
    names = set(given)
    for _ in range(ROUNDS):
        pattern = _uses(names, kind)
        more = {
            match[1]
            for _, line in lines
            for form in ((_PY_SET,) if kind == "python" else _SETS)
            for match in form.finditer(line)
            if pattern.search(match[2])
        }
        if more <= names:
            break
        names |= more
    return _uses(names, kind)


def _uses(names: set[str], kind: str) -> re.Pattern[str]:
    every = "|".join([r"PARAM_[A-Za-z0-9_]+", *map(re.escape, sorted(names))])
    return re.compile(rf"\b(?:{every})\b" if kind == "python" else rf"\$\{{?[!#]?(?:{every})\b")
