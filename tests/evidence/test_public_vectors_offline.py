"""Project Wycheproof's signatures against the verifier page's own script, as verify.py is held to them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from opsportal.verifier_page import MODULES
from tests.evidence.test_public_vectors import REFUSED, cases, said_of
from tests.fixtures.counterparts import need

ASK = """
import { ed25519 } from "./ed25519.js";
import { mldsa44 } from "./mldsa.js";
import { cose, p256 } from "./signatures.js";
import { fromHex, joined, Lacking } from "./bytes.js";
const big = (data) => data.reduce((total, byte) => (total << 8n) | BigInt(byte), 0n);
let given = ""; for await (const part of process.stdin) given += part;
const KINDS = {
  ed25519: (key, message, signature) => ed25519(key, message, signature),
  der: async (point, message, signature) => {
    const key = joined(fromHex("a5010203262001215820"), point.slice(1, 33), fromHex("225820"), point.slice(33));
    return (await cose(key, message, signature)) === "ES256";
  },
  two: (point, message, signature) => signature.length === 64
    && p256(point.slice(1, 33), point.slice(33), message, big(signature.subarray(0, 32)), big(signature.subarray(32))),
};
KINDS.long = (key, message, signature, context) => mldsa44(key, message, signature, context);
const answers = [];
for (const { kind, key, msg, sig, ctx } of JSON.parse(given)) {
  try {
    answers.push(await KINDS[kind](fromHex(key), fromHex(msg), fromHex(sig), fromHex(ctx ?? "")));
  } catch (problem) {
    if (!(problem instanceof Lacking)) throw problem;
    answers.push(false);
  }
}
console.log(JSON.stringify(answers));
"""


def answers(folder: Path, asked: list[dict[str, Any]]) -> list[bool]:
    for path in MODULES.glob("*.js"):
        shutil.copy(path, folder)
    (folder / "package.json").write_text('{"type":"module"}')
    (folder / "ask.js").write_text(ASK)
    words = [need("node"), str(folder / "ask.js")]
    done = subprocess.run(words, input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[bool] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("kind", "name", "field"),
    [
        ("ed25519", "ed25519_test.json", "pk"),
        ("der", "ecdsa_secp256r1_sha256_test.json", "uncompressed"),
        ("two", "ecdsa_secp256r1_sha256_p1363_test.json", "uncompressed"),
        ("long", "mldsa_44_verify_test.json", ""),
    ],
)
def test_the_page_says_of_each_of_wycheproof_s_cases_what_it_should(
    tmp_path: Path, kind: str, name: str, field: str
) -> None:
    """Of what RFC 8032 leaves open, keys of small order are refused; with the rest the cofactor decides."""
    rows = list(cases(name))
    asked = [{"kind": kind, "key": key[field] if field else key} | case for key, case in rows]
    wrong = []
    for (_, case), took in zip(rows, answers(tmp_path, asked), strict=True):
        decided = case["result"] != "acceptable"
        refused = bool(REFUSED & set(case["flags"]))
        if (decided and took != (case["result"] == "valid")) or (refused and took):
            wrong.append(said_of(case))
    assert not wrong
