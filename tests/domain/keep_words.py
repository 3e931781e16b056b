"""Writes plan_words.json anew: `python3 -m tests.domain.keep_words`."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from procedures.domain.canonical import canon
from procedures.domain.plan import plan_digest
from procedures.domain.plan_words import lines, short_code

KEPT = Path(__file__).with_name("plan_words.json")
LENT = {"provider": "ssh-certificate", "role": "deploy", "ttl_s": 900}
SPAN = (0, 1, 59, 60, 61, 3599, 3600, 3660, 7325, 172_799, 172_800, 900_000)


def plan(**other: Any) -> dict[str, Any]:
    bare = {"run": "01a2", "procedure": "restart", "environment": "production", "risk": "moderate", "reason": "CHG-1"}
    bare |= {"parameters": {}, "batches": [], "targets": [], "credentials": {}, "steps": [], "digest": "sha256:00"}
    return {**bare, **other}


def effect(*does: Any) -> list[dict[str, Any]]:
    return [{"id": "s", "action": "ssh:command", "effects": [{"does": one} for one in does], "if": ""}]


PLANS = {
    "bare": plan(),
    "parameters of every kind": plan(
        parameters={
            "b": True,
            "a": False,
            "n": None,
            "i": -7,
            "s": "x y",
            "e": "",
            "l": [1, "two", [True]],
            "lo": [],
            "o": {"k": {"10": 1, "9": [None]}, "": "v"},
            "oo": {},
            "f": {"decimal": "1.5"},
            "10": "ten",
            "9": "nine",
        }
    ),
    "sixty-one targets": plan(targets=[{"name": f"web{n}"} for n in range(61)], batches=[["web0"], ["web1"] * 60]),
    "sixty targets": plan(targets=[{"name": f"web{n}"} for n in range(60)], batches=[[f"web{n}" for n in range(60)]]),
    "rights of every length": plan(credentials={f"c{s}": {**LENT, "ttl_s": s} for s in SPAN}),
    "quoting": plan(
        steps=effect(
            {"argv": ["systemctl", "restart", "a b", "", "it's", "-x=/y,z:1@2%3+4", "ü", "$(id)", "\n", 7, True, None]},
            {"argv": ["x", {"secret": "***"}, {"decided at run time by": "probe"}], "stdin": "", "env": {}, "cwd": "/"},
            {"argv": "no list", "z": [1, [2, {"a": 0}]], "y": False, "x": None, "w": 0},
            {"secret": "***", "more": 1},
            [1, [], {}],
            "text",
            None,
            {},
            "",
        )
    ),
    "what hides": plan(
        reason="a\u202eb\u200bc\x1b[2Jd\re\tf\ng\u00a0h\u2003i\ufeff\u2800",
        steps=effect({"argv": ["rm", "\u202e/etc", "z\u0000\x7f\u0085\u2028"], "note": "\U000e0041\u3164\U0001f600"}),
    ),
    "conditions": plan(steps=[{**effect({"a": 1})[0], "if": "environment == 'x'"}, effect({"b": 2})[0]]),
}


def kept() -> list[dict[str, Any]]:
    found = []
    for name, value in PLANS.items():
        data = canon(value)
        code = short_code(plan_digest(data))
        said = list(lines(json.loads(data)).items())
        found.append({"name": name, "bytes": base64.b64encode(data).decode(), "code": code, "lines": said})
    return found


if __name__ == "__main__":
    KEPT.write_text(json.dumps(kept(), indent=1, ensure_ascii=True) + "\n")
