"""The codes of plans that were decided on: a pack's verifier prints what page, command line and mail showed (H21)."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from procedures.domain.notices import Notice, sentences_of
from procedures.domain.plan_words import short_code
from procedures.evidence import verify
from tests.evidence.test_attacks import company
from tests.factories import packs
from tests.golden.keep import kept


def printed(capsys: pytest.CaptureFixture[str], pack: bytes, log_key: str, folder: Path, *more: str) -> list[str]:
    (folder / "pack.zip").write_bytes(pack)
    assert verify.main([str(folder / "pack.zip"), "--log-key", log_key, *more]) == 0
    return capsys.readouterr().out.splitlines()


def statements(pack: bytes) -> list[dict[str, Any]]:
    """Every statement over a plan in a pack."""
    members = verify.unzip(pack)
    lines = [line for name in sorted(members) if name.startswith("bodies/") for line in members[name].splitlines()]
    found = [json.loads(b64decode(json.loads(line).get("statement", "")) or b"{}") for line in lines]
    return [said for said in found if "plan_digest" in said or "plan" in said]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("passkeys", "approve, run "),
        ("break-glass-reviewed", "break-glass, run "),
        ("approved-ahead", " runs of the schedule nightly ahead"),
    ],
)
def test_each_decision_stands_there_with_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, word: str
) -> None:
    data, log_key = {row: (pack, said["log_key"]) for row, pack, said in kept("form-1")}[f"{name}.zip"]
    lines = [line for line in printed(capsys, data, log_key, tmp_path, "--codes") if line.startswith("Decided: ")]
    given = statements(data)
    assert len(lines) == len(given) > 0
    assert any(word in line for line in lines), lines
    for line, said in zip(lines, given, strict=True):
        assert line.endswith(f": plan {short_code(said.get('plan_digest') or said['plan'])}")


def test_nothing_of_it_is_printed_unasked_and_what_remains_always_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = verify.zip_bytes(packs.packed(company()))
    lines = printed(capsys, data, company().log.verifier, tmp_path)
    assert not [line for line in lines if line.startswith("Decided: ")]
    assert "showed the plan that was signed: its script comes from the portal" in lines[-2]


def test_a_notice_of_before_has_no_code_and_is_told_all_the_same() -> None:
    facts = {"actor": "Quinn", "no": "7", "procedure": "x", "environment": "y", "risk": "low", "until": "noon"}
    for more, said in (({}, "on its page"), ({"code": "12ab 34cd"}, "12ab 34cd")):
        text = sentences_of(notice({**facts, **more}), str)
        assert f"Code of its plan: {said}. Where you decide, the same must be shown." in text


def notice(facts: dict[str, str]) -> Notice:
    values: dict[str, Any] = dict.fromkeys(Notice.__dataclass_fields__)
    return Notice(**{**values, "kind": "approval.waits", "facts": facts})
