"""Findings as people and programs read them: text, JSON, SARIF 2.1.0, GitHub's workflow commands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from procedures.definitions.codes import HELP, RULES, Rule, help_url, rule
from procedures.definitions.findings import Finding

FORMATS = ("text", "json", "sarif", "github")
_COLOURS = {"error": "31", "warning": "33"}
_LEVELS = {"error": "error", "moderate": "error", "warning": "warning"}


def written(findings: Sequence[Finding], form: str, *, colours: bool = False) -> str:
    """Findings in one of FORMATS. What a bundle's author wrote can break out of none of them."""
    if form == "json":
        return json.dumps([f.as_dict() for f in findings], indent=2)
    if form == "github":
        return "\n".join(map(github, findings))
    if form == "sarif":
        return json.dumps(sarif(findings), indent=2)
    return text(findings, colours=colours)


def text(findings: Sequence[Finding], *, colours: bool) -> str:
    """A line for each, and how many there are."""
    if not findings:
        return "No findings."
    lines = [_coloured(one) if colours else str(one) for one in findings]
    errors = sum(one.severity == "error" for one in findings)
    warnings = len(findings) - errors
    return "\n".join([*lines, f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}."])


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _coloured(one: Finding) -> str:
    colour = _COLOURS[one.severity]
    place = f"\x1b[1m{one.file}:{one.line}:{one.column}:\x1b[0m"
    mend = f" \x1b[2m{one.mend}\x1b[0m" if one.mend else ""
    return f"{place} \x1b[{colour}m{one.severity} {one.code}:\x1b[0m {one.said}{mend}"


def github(one: Finding) -> str:
    """One workflow command, escaped as the runner's own toolkit escapes data and properties."""
    properties = {"file": one.file, "line": one.line, "col": one.column, "title": one.code}
    told = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{one.severity} {told}::{_data(f'{one.said} {one.mend}'.strip())}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """A log file of SARIF 2.1.0 (OASIS standard), one run, with every rule that speaks."""
    codes = sorted({f.code for f in findings})
    driver = {
        "name": "opsportal lint",
        "informationUri": HELP,
        "rules": [_sarif_rule(code, rule(code)) for code in codes],
    }
    return {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(one, codes.index(one.code)) for one in findings],
            }
        ],
    }


def _sarif_rule(code: str, known: Rule) -> dict[str, Any]:
    return {
        "id": code,
        "shortDescription": {"text": known.says},
        "help": {"text": known.mend},
        "helpUri": help_url(code),
        "defaultConfiguration": {"level": _LEVELS[known.weight]},
    }


def _result(one: Finding, index: int) -> dict[str, Any]:
    region = {"startLine": max(one.line, 1), "startColumn": max(one.column, 1)}
    place = {"artifactLocation": {"uri": quote(one.file, safe="/-._~")}, "region": region}
    return {
        "ruleId": one.code,
        "ruleIndex": index,
        "level": one.severity,
        "message": {"text": f"{one.said} {one.mend}".strip()},
        "locations": [{"physicalLocation": place}],
    }


def codes() -> list[dict[str, str]]:
    """Every code that lint can say, for programs."""
    return [
        {"code": r.code, "weight": r.weight, "says": r.says, "mend": r.mend, "help": help_url(r.code)}
        for r in RULES.values()
    ]


def handbook() -> str:
    """The handbook's page of codes, which a test holds to this table."""
    told = {"error": "Errors", "moderate": "Errors from moderate risk up, warnings below", "warning": "Warnings"}
    parts = ["# What lint says\n", _HANDBOOK]
    for weight, title in told.items():
        rows = [f"| `{r.code}` | {r.says} | {_cell(r.mend)} |" for r in RULES.values() if r.weight == weight]
        parts.append(
            "\n".join([f"## {title}\n", "| code | what is wrong | how to mend it |", "| --- | --- | --- |", *rows, ""])
        )
    return "\n".join(parts)


def _cell(value: str) -> str:
    return value.replace("|", "\\|")


_HANDBOOK = """\
`opsportal lint FOLDER…` reads folders without a portal and runs nothing of them. Each finding has a file, a line, a
column, a code that does not change, what is wrong and how to mend it. `--format json|sarif|github` is for CI, and
`--codes` prints this table as JSON. It ends 0 without errors, 1 with errors, 2 if it was called wrongly; with
`--strict` it ends 1 for warnings too. Colours appear in a terminal unless NO_COLOR is set. Where shellcheck and
yamllint are installed, their findings appear as warnings.

The portal runs the same rules when a version is submitted, and refuses it if there is an error. A newer rule takes no
acceptance back. Rules about scripts read text: they find what is written plainly and are no wall against a malicious
author; that is what reviewers, the sandbox and bindings are for.
"""
