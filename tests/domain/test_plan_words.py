"""A plan's words and code: server, command line and browser are held to the same kept answers."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from opsportal.verifier_page import MODULES
from procedures.domain.plan import plan_digest
from procedures.domain.plan_words import lines, short_code
from tests.domain.keep_words import KEPT, kept
from tests.fixtures.counterparts import need

ROWS: list[dict[str, Any]] = json.loads(KEPT.read_text())
ASK = """
import { lines, shortCode, ascii } from "./plan_words.js";
import { sha256hex, fromBase64, textOf } from "./bytes.js";
let given = ""; for await (const part of process.stdin) given += part;
const answers = JSON.parse(given).map(({ bytes }) => {
  const data = fromBase64(bytes);
  const said = [...lines(JSON.parse(textOf(data)))].map(([a, b]) => [a, ascii(b)]);
  return { code: shortCode(`sha256:${sha256hex(data)}`), lines: said };
});
console.log(JSON.stringify([answers, JSON.parse(given).map((one) => one.lines.map(([a, b]) => [a, ascii(b)]))]));
"""


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_the_server_says_what_is_kept(row: dict[str, Any]) -> None:
    data = base64.b64decode(row["bytes"])
    assert short_code(plan_digest(data)) == row["code"]
    assert [list(one) for one in lines(json.loads(data)).items()] == row["lines"]


def test_nothing_hides_in_what_is_said() -> None:
    (row,) = [row for row in ROWS if row["name"] == "what hides"]
    said = "".join(text for _, text in row["lines"])
    assert not set("\u202e\u200b\x1b\r\ufeff\u2800\x00\x7f\u2028\U000e0041\u3164") & set(said)
    assert "\\u202e" in said


def test_the_browsers_script_says_the_same_of_the_same_bytes(tmp_path: Path) -> None:
    for name in ("plan_words.js", "bytes.js", "sha256.js"):
        shutil.copy(MODULES / name, tmp_path)
    (tmp_path / "package.json").write_text('{"type":"module"}')
    (tmp_path / "ask.js").write_text(ASK)
    words = [need("node"), str(tmp_path / "ask.js")]
    done = subprocess.run(words, input=json.dumps(ROWS), capture_output=True, text=True, check=True)
    answers, wanted = json.loads(done.stdout)
    for row, answer, said in zip(ROWS, answers, wanted, strict=True):
        assert answer == {"code": row["code"], "lines": said}, row["name"]


def test_what_is_kept_is_what_its_makers_wrote() -> None:
    assert json.loads(json.dumps(kept())) == ROWS
