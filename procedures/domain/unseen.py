"""Code that is chosen after acceptance (H3): fetched at run time, or whatever an interpreter with a network is handed.

What texts say is a hint and raises no risk (H16); it is shown on a line of its own, so that a reviewer asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from procedures.domain.bundle import PHASES
from procedures.domain.definition import Definition, Step
from procedures.domain.difference import words

INTERPRETERS = re.compile(r"^(ba|da|z|k)?sh$|^(python|perl|ruby|node|php|lua|deno|pwsh)[0-9.]*$")
FETCHERS = ("fetch:", "ansible:galaxy")
SKIPPED = re.compile(r"(^|/)(README|CHANGELOG|LICENSE)(\.[a-z]+)?$|(^|/)tests?/|\.md$", re.IGNORECASE)
HINTS = (
    ("downloads and runs", re.compile(r"\b(curl|wget)\b[^\n]*\|\s*(sudo\s+)?\S*(sh|python[0-9.]*|perl|ruby|node)\b")),
    ("downloads and runs", re.compile(r"(\b(ba|da|z)?sh|\bsource|\beval|^\s*\.)\s[^\n]*[<$]\(\s*(curl|wget)\b")),
    ("installs packages", re.compile(r"\b(pip3?|pipx|uv|npm|pnpm|yarn|gem|cargo|go)\s+(install|add|get)\b")),
    ("installs packages", re.compile(r"\b(apt|apt-get|dnf|yum|apk|zypper)\s[^\n]*\binstall\b")),
    ("clones a repository", re.compile(r"\bgit\s+(clone|pull|submodule)\b")),
    (
        "takes a module from elsewhere",
        re.compile(r"^\s*source\s*=\s*\"(git::|https?:|github\.com|[\w-]+/[\w-]+/[\w-]+)"),
    ),
    ("takes a role from elsewhere", re.compile(r"\bansible-galaxy\b[^\n]*\binstall\b")),
    ("runs an image by a tag that moves", re.compile(r"\bimage:\s*[\"']?[^\s\"'@]+(:latest)?[\"']?\s*$")),
    ("runs an image by a tag that moves", re.compile(r"\b(docker|podman)\s+run\b(?![^\n]*@sha256:)")),
)
LONGEST_LINE = 2_000


def places(definition: Definition | None, texts: Mapping[str, str]) -> list[str]:
    """Where code may run that no reviewer saw, in words; each place once."""
    if definition is None:
        return []
    found = [line for phase in PHASES for step in definition.branch(phase) for line in _step(step)]
    for path, text in texts.items():
        if path != "procedure.yaml" and not SKIPPED.search(path):
            found += (f"{path}:{number} {what}" for number, what in _hints(text))
    return list(dict.fromkeys(found))


def _step(step: Step) -> Iterator[str]:
    if step.action.startswith(FETCHERS):
        yield f"{step.id} fetches files at run time ({step.action})"
    if step.input.get("network") and (step.action == "local:script" or _interprets(step)):
        yield f"{step.id} has a network and an interpreter, so it can fetch and run anything"
    for key in ("argv", "command"):
        for _, what in _hints(words(step.input.get(key, ""))):
            yield f"{step.id} {what}"


def _interprets(step: Step) -> bool:
    argv = step.input.get("argv")
    return isinstance(argv, list | tuple) and any(INTERPRETERS.match(str(word).rpartition("/")[2]) for word in argv[:4])


def _hints(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("#"):
            continue
        for what, pattern in HINTS:
            if pattern.search(line[:LONGEST_LINE]):
                yield number, what
                break
