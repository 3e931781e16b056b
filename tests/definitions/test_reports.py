"""Findings in each format: complete, by the standard, and with nothing in them that breaks out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from procedures.definitions import reports
from procedures.definitions.codes import RULES
from procedures.definitions.findings import Finding
from tests.definitions.bundles import bundle, lint, script

HANDBOOK = Path(__file__).resolve().parents[2] / "opsportal" / "handbook" / "lint.md"
HOSTILE = "100%\n::error file=x::owned, a:b\r\n::set-output name=x::y"
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
# What the SARIF 2.1.0 standard demands of the parts that we write (3.13, 3.19, 3.27, 3.29, 3.30, 3.49, 3.51).
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string", "pattern": "sarif-schema-2.1.0.json$"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "rules"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "informationUri": {"type": "string", "format": "uri"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id", "shortDescription", "helpUri"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": TEXT,
                                                "help": TEXT,
                                                "helpUri": {"type": "string", "pattern": "^https://"},
                                                "defaultConfiguration": {
                                                    "type": "object",
                                                    "properties": {
                                                        "level": {"enum": ["none", "note", "warning", "error"]}
                                                    },
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message", "ruleId", "ruleIndex", "level", "locations"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "locations": {
                                    "type": "array",
                                    "minItems": 1,
                                    "items": {
                                        "type": "object",
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation", "region"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "properties": {
                                                            "uri": {"type": "string", "pattern": "^[A-Za-z0-9._~/%-]+$"}
                                                        }
                                                    },
                                                    "region": {
                                                        "properties": {
                                                            "startLine": {"type": "integer", "minimum": 1},
                                                            "startColumn": {"type": "integer", "minimum": 1},
                                                        }
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def spoiled() -> list[Finding]:
    files = script('eval "$PARAM_WORD"', "pip install x", "true \u202e")
    files |= {"a b%\n.sh": b"x", "left.py": b"x"}
    return lint(files)


def test_sarif_is_what_the_standard_asks_for() -> None:
    value = json.loads(reports.written(spoiled(), "sarif"))
    jsonschema.Draft202012Validator(SARIF).validate(value)
    run = value["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == len(spoiled()) > 4
    assert all(rules[row["ruleIndex"]]["id"] == row["ruleId"] for row in run["results"])
    assert {row["level"] for row in run["results"]} == {"error", "warning"}


def test_sarif_of_nothing_is_a_run_without_results() -> None:
    value = json.loads(reports.written([], "sarif"))
    jsonschema.Draft202012Validator(SARIF).validate(value)
    assert value["runs"][0]["results"] == []


def unescaped(text: str) -> str:
    for code, char in (("%0A", "\n"), ("%0D", "\r"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


def test_github_s_commands_hold_hostile_text_as_data() -> None:
    told = reports.github(Finding(HOSTILE, 3, 4, "input", "error", HOSTILE, HOSTILE))
    assert len(told.splitlines()) == 1
    match = re.fullmatch(r"::error ([^:\n]*)::(.*)", told)
    assert match is not None
    properties = dict(part.split("=", 1) for part in match[1].split(","))
    assert unescaped(properties["file"]) == HOSTILE
    assert (properties["line"], properties["col"], properties["title"]) == ("3", "4", "input")
    assert unescaped(match[2]) == f"{HOSTILE}. {HOSTILE}"


def test_each_line_of_text_is_one_finding_and_colours_are_asked_for() -> None:
    found = spoiled()
    lines = reports.written(found, "text").splitlines()
    assert len(lines) == len(found) + 1
    assert lines[-1].endswith("warnings.")
    assert "\x1b" not in "\n".join(lines)
    assert "\x1b[31merror" in reports.written(found, "text", colours=True)


def test_json_has_every_field() -> None:
    rows = json.loads(reports.written(spoiled(), "json"))
    assert {frozenset(row) for row in rows} == {
        frozenset({"file", "line", "column", "code", "severity", "message", "mend"})
    }


@pytest.mark.parametrize("code", RULES)
def test_every_code_says_what_is_wrong_and_how_to_mend_it(code: str) -> None:
    rule = RULES[code]
    assert re.fullmatch(r"[a-z0-9-]+", code)
    assert rule.says
    assert rule.mend


def test_the_handbook_lists_every_code_as_the_table_has_it() -> None:
    assert HANDBOOK.read_text() == reports.handbook(), "write procedures.definitions.reports.handbook() to the page"


def test_the_codes_are_there_for_programs() -> None:
    assert {row["code"] for row in reports.codes()} == set(RULES)
    assert lint(bundle()) == []
