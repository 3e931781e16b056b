"""Findings in the files beside the definition: hidden characters, templates, parameters that become program text."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping

from procedures.definitions.findings import Finding
from procedures.domain.definition import RISKS, Definition

INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad]")
EXPRESSION = re.compile(r"\$\{\{")
EVAL = re.compile(r"\b(eval|source|sh\s+-c|bash\s+-c)\b[^\n]*\$\{?(PARAM_|[A-Z_]*SECRET)")
FETCH = re.compile(r"\b(curl|wget)\b[^\n|]*\|\s*(sudo\s+)?(ba|da|z)?sh\b")
SCRIPT = re.compile(r"\.(sh|bash)$")
TEXTUAL = re.compile(r"\.(sh|bash|py|sql|yaml|yml|md|tf|json|txt|conf|j2)$")
_RULES = (
    (
        INVISIBLE,
        "hidden-character",
        "A character that cannot be seen, or that turns the reading direction.",
        "Remove it; reviewers cannot see it.",
    ),
    (
        EXPRESSION,
        "expression-in-program",
        "An expression inside a file is never evaluated.",
        "Read PARAM_<NAME> from the environment instead.",
    ),
    (EVAL, "eval-parameter", "A parameter or secret becomes program text.", "Use the value as data, quoted."),
    (FETCH, "curl-sh", "Code from the network is run that reviewers have not seen.", "Put the file into the bundle."),
)
MODERATE_UP = frozenset({"eval-parameter", "curl-sh"})


def lint(definition: Definition, files: Mapping[str, bytes], copied: tuple[str, ...] = ()) -> list[Finding]:
    """`copied` begin the paths of files that steps hand on and never run: templates, not programs."""
    strict = RISKS.index(definition.risk) >= 1
    findings: list[Finding] = []
    for path, content in files.items():
        if not TEXTUAL.search(path):
            continue
        try:
            text = content.decode()
        except UnicodeDecodeError:
            findings.append(Finding(path, 1, 1, "not-utf8", "warning", "The file is not UTF-8."))
            continue
        material = path.startswith(copied) if copied else False
        findings += _rules(path, text, strict=strict, material=material)
        if SCRIPT.search(path) and not material:
            findings += _shellcheck(path, content)
    return findings


def errors(path: str, text: str) -> list[Finding]:
    """What would keep a file out of a procedure of moderate risk; importers ask before they write one."""
    return [finding for finding in _rules(path, text, strict=True, material=False) if TEXTUAL.search(path)]


def _rules(path: str, text: str, *, strict: bool, material: bool) -> list[Finding]:
    findings = []
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, code, message, mend in _RULES:
            if code == "expression-in-program" and (material or not SCRIPT.search(path)):
                continue
            if code in MODERATE_UP and (material or path.endswith(".md")):
                continue
            match = pattern.search(line)
            if match:
                soft = code in MODERATE_UP and not strict
                findings.append(
                    Finding(path, number, match.start() + 1, code, "warning" if soft else "error", message, mend)
                )
    return findings


def _shellcheck(path: str, content: bytes) -> list[Finding]:
    """shellcheck's findings as warnings, where it is installed."""
    program = shutil.which("shellcheck")
    if program is None:
        return []
    done = subprocess.run(
        [program, "-f", "gcc", "-s", "sh" if b"bash" not in content[:40] else "bash", "-"],
        input=content,
        capture_output=True,
        timeout=20,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    findings = []
    for row in done.stdout.decode(errors="replace").splitlines():
        match = re.match(r"-:(\d+):(\d+): \w+: (.*) \[(SC\d+)\]$", row)
        if match:
            findings.append(Finding(path, int(match[1]), int(match[2]), f"shellcheck-{match[4]}", "warning", match[3]))
    return findings
