"""Scripts in Python and PowerShell: what Rundeck pasted is read from the environment, never run as program."""

from __future__ import annotations

import re

from procedures.importers.rundeck.shell import Find, rewritten
from procedures.importers.rundeck.variables import NotCarried

PYTHON_TEXT = re.compile(
    r"(?P<prefix>[A-Za-z]{0,2})(?P<quote>'''|\"\"\"|'|\")(?P<body>(?:\\.|(?!(?P=quote)).)*)(?P=quote)", re.DOTALL
)
PYTHON_TOP = """\
import ast as _ast
import os as _os


def _pasted(name):
    text = _os.environ.get(name, "")
    try:
        return _ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


"""


def language(interpreter: str) -> str:
    """shell, python, powershell, or other, by the program that an interpreter line ends up with."""
    for word in reversed(interpreter.split()):
        name = word.rpartition("/")[2].lower().removesuffix(".exe")
        if re.fullmatch(r"(ba|da|z|k|a)?sh", name):
            return "shell"
        if re.fullmatch(r"python[0-9.]*", name):
            return "python"
        if name in {"pwsh", "powershell"}:
            return "powershell"
    return "other"


def rewrite(text: str, kind: str, find: Find) -> str:
    """The script with variables in place of what was pasted. Raises NotCarried where its language is not known."""
    if kind == "shell":
        return rewritten(text, find)
    if kind == "python":
        return _python(text, find)
    if kind == "powershell":
        return _powershell(text, find)
    if any(find(text, index) for index in range(len(text))):
        raise NotCarried("a value is pasted into a program in a language that is not known here")
    return text


def _python(text: str, find: Find) -> str:
    out: list[str] = []
    names: set[str] = set()
    index = 0
    while index < len(text):
        comment = re.compile(r"#[^\n]*").match(text, index)
        string = None if comment else PYTHON_TEXT.match(text, index)
        if comment:
            out.append(_commented(comment[0], find))
            index = comment.end()
        elif string and (index == 0 or not re.match(r"\w", text[index - 1])):
            out.append(_python_text(string, find, names))
            index = string.end()
        elif found := find(text, index):
            names.add(found[0].name)
            out.append(f'_pasted("{found[0].name}")')
            index = found[1]
        else:
            out.append(text[index])
            index += 1
    return _python_top("".join(out)) if names else text


def _python_text(match: re.Match[str], find: Find, names: set[str]) -> str:
    prefix, quote, body = match["prefix"], match["quote"], match["body"]
    parts: list[str] = []
    index, start = 0, 0
    while index < len(body):
        found = find(body, index)
        if not found:
            index += 2 if body[index] == "\\" else 1
            continue
        names.add(found[0].name)
        parts += [f"{prefix}{quote}{body[start:index]}{quote}"] if body[start:index] else []
        parts.append(f'_os.environ.get("{found[0].name}", "")')
        index = start = found[1]
    if not parts:
        return match[0]
    if "b" in prefix.lower():
        raise NotCarried("a value is pasted into bytes of a Python program")
    parts += [f"{prefix}{quote}{body[start:]}{quote}"] if body[start:] else []
    return parts[0] if len(parts) == 1 else f"({' + '.join(parts)})"


def _commented(comment: str, find: Find) -> str:
    out, index = [], 0
    while index < len(comment):
        found = find(comment, index)
        out.append(f"${found[0].name}" if found else comment[index])
        index = found[1] if found else index + 1
    return "".join(out)


def _python_top(text: str) -> str:
    """The helper goes below the first comments, and below imports from the future, which must come first."""
    last = 0
    for match in re.finditer(r"^from __future__ import[^\n]*(\n|$)", text, re.MULTILINE):
        last = match.end()
    if not last:
        opening = re.match(r"(?:#[^\n]*\n)*", text)
        last = opening.end() if opening else 0
    return text[:last] + PYTHON_TOP + text[last:]


def _powershell(text: str, find: Find) -> str:
    if re.search(r"@'\s*\n", text) and any(find(text, index) for index in range(len(text))):
        raise NotCarried("a value may be pasted into a literal here-string of a PowerShell program")
    out: list[str] = []
    state, index = "plain", 0
    while index < len(text):
        single = re.compile(r"'((?:''|[^'])*)'").match(text, index) if state == "plain" else None
        if single:
            out.append(_powershell_literal(single, find))
            index = single.end()
        elif found := find(text, index):
            value = f"${{env:{found[0].name}}}"
            out.append(f"$({value})" if state == "double" else value)
            index = found[1]
        else:
            state = _powershell_state(state, text, index)
            step = 2 if text[index] == "`" else 1
            out.append(text[index : index + step])
            index += step
    return "".join(out)


def _powershell_state(state: str, text: str, index: int) -> str:
    character = text[index]
    if state == "plain" and character in '"#':
        return "double" if character == '"' else "comment"
    if (state == "double" and character == '"') or (state == "comment" and character == "\n"):
        return "plain"
    return state


def _powershell_literal(match: re.Match[str], find: Find) -> str:
    """A text in single quotes that held a value, as one in double quotes that says the same."""
    body = match[1].replace("''", "'")
    out, index, hit = [], 0, False
    while index < len(body):
        found = find(body, index)
        hit = hit or found is not None
        if found:
            out.append(f"$(${{env:{found[0].name}}})")
        else:
            out.append("`" + body[index] if body[index] in '`$"' else body[index])
        index = found[1] if found else index + 1
    return f'"{"".join(out)}"' if hit else match[0]
