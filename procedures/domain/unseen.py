"""Code that is chosen after acceptance (H3): fetched at run time, or whatever an interpreter with a network is handed.

What texts say is a hint and raises no risk (H16); it is shown on a line of its own, so that a reviewer asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from procedures.domain.definition import PHASES, Definition, Step
from procedures.domain.difference import words

INTERPRETERS = re.compile(r"^(ba|da|z|k)?sh$|^(python|perl|ruby|node|php|lua|deno|pwsh)[0-9.]*$")
FETCHERS = ("fetch:", "ansible:galaxy")
SKIPPED = re.compile(r"(^|/)(README|CHANGELOG|LICENSE)(\.[a-z]+)?$|(^|/)tests?/|\.md$", re.IGNORECASE)
# (what it does, how it begins, what must follow, what must not): each part is one search, so that no line is slow.
HINTS = (
    (
        "downloads and runs",
        re.compile(r"\b(curl|wget)\b"),
        re.compile(r"\|\s{0,20}(sudo\s{1,20})?[\w./-]{0,60}\b((ba|da|z|k)?sh|python[0-9.]*|perl|ruby|node)\b"),
        None,
    ),
    (
        "downloads and runs",
        re.compile(r"\b((ba|da|z)?sh|source|eval)\b|^\s{0,80}\.\s"),
        re.compile(r"[<$]\(\s{0,20}(curl|wget)\b"),
        None,
    ),
    (
        "installs packages",
        re.compile(r"\b(pip3?|pipx|uv|npm|pnpm|yarn|gem|cargo|go)\s{1,20}(install|add|get)\b"),
        None,
        None,
    ),
    ("installs packages", re.compile(r"\b(apt|apt-get|dnf|yum|apk|zypper)\s"), re.compile(r"\b(install|add)\b"), None),
    ("clones a repository", re.compile(r"\bgit\s{1,20}(clone|pull|submodule)\b"), None, None),
    (
        "takes a module from elsewhere",
        re.compile(r"^\s{0,80}source\s{0,20}=\s{0,20}\"(git::|https?:|github\.com|[\w-]{1,80}/[\w-]{1,80}/[\w-])"),
        None,
        None,
    ),
    ("takes a role from elsewhere", re.compile(r"\bansible-galaxy\b"), re.compile(r"\binstall\b"), None),
    (
        "runs an image by a tag that moves",
        re.compile(r"^[\s-]{0,80}image:\s{0,20}[\"']?[^\s\"'@]{1,300}[\"']?\s*$"),
        None,
        None,
    ),
    ("runs an image by a tag that moves", re.compile(r"\b(docker|podman)\s{1,20}run\b"), None, re.compile("@sha256:")),
)
LONGEST_LINE = 2_000
PROGRAM = re.compile(r"\.(sh|bash|py|pl|rb|js|sql|tf|ya?ml)$")


def places(definition: Definition | None, texts: Mapping[str, str]) -> list[str]:
    """Where code may run that no reviewer saw, in words; each place once."""
    if definition is None:
        return []
    found = [line for phase in PHASES for step in definition.branch(phase) for line in _step(step)]
    for path, text in texts.items():
        if path != "procedure.yaml" and not SKIPPED.search(path):
            found += (f"{path}:{number} {what}" for number, what in _hints(text))
            if PROGRAM.search(path) or text.startswith("#!"):
                found += (f"{path}:{number} is longer than can be read here" for number in _endless(text))
    return list(dict.fromkeys(found))


def _step(step: Step) -> Iterator[str]:
    if step.action.startswith(FETCHERS):
        yield f"{step.id} fetches files at run time ({step.action})"
    way_out = step.input.get("network") or step.input.get("egress")
    if way_out and (step.action == "local:script" or _interprets(step)):
        what = "anything" if step.input.get("network") else "what the hosts of its list give"
        yield f"{step.id} has a network and an interpreter, so it can fetch and run {what}"
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
        for what, begins, follows, unless in HINTS:
            head = line[:LONGEST_LINE]
            first = begins.search(head)
            if first and _holds(head, first.end(), follows, unless):
                yield number, what
                break


def _endless(text: str) -> Iterator[int]:
    return (number for number, line in enumerate(text.split("\n"), 1) if len(line) > LONGEST_LINE)


def _holds(line: str, after: int, follows: re.Pattern[str] | None, unless: re.Pattern[str] | None) -> bool:
    return (follows is None or follows.search(line, after) is not None) and not (unless and unless.search(line, after))
