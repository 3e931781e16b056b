"""How a step reaches a host: two lines on standard input, whose digest the credential carries (H5).

Line 1 is the base64 of the script. Line 2 is the base64 of lines `NAME base64value`: environment, parameters, standard
input, and the run, step, host, attempt and salt that make the digest of no use anywhere else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

ARGV_SCRIPT = b"""#!/bin/sh
# Runs the argument vector that was approved: each word arrives as data and is never parsed by a shell.
set -eu
set --
while IFS= read -r word; do
  value=$(printf %s "$word" | base64 -d; printf x)
  set -- "$@" "${value%x}"
done <"$OPSPORTAL_DIR/argv"
exec "$@"
"""
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


@dataclass(frozen=True, slots=True)
class Payload:
    """What is sent, and the SHA-256 (hex) over line1 LF line2 LF."""

    line1: bytes
    line2: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.line1 + b"\n" + self.line2 + b"\n").hexdigest()

    @property
    def data(self) -> bytes:
        return self.line1 + b"\n" + self.line2 + b"\n"


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def payload(
    *,
    script: bytes,
    argv: Sequence[str],
    env: Mapping[str, bytes],
    stdin: bytes,
    parameters: Mapping[str, Any],
    run: UUID,
    step: str,
    host: str,
    attempt: int,
    salt: str,
) -> Payload:
    """Build both lines; the issuer and the action call it with the same values and get the same bytes."""
    rows = [f"E {name} {_b64(value)}" for name, value in sorted(env.items()) if _NAME.fullmatch(name)]
    rows += [f"A argv {_b64(word.encode())}" for word in argv]
    rows.append(f"F parameters {_b64(json.dumps(dict(parameters), ensure_ascii=False, sort_keys=True).encode())}")
    rows.append(f"F stdin {_b64(stdin)}")
    rows.append(f"X bind {_b64(json.dumps([str(run), step, host, attempt, salt]).encode())}")
    return Payload(_b64(script).encode(), _b64("\n".join(rows).encode() + b"\n").encode())
