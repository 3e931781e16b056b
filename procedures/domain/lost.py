"""What is sent to a host where a lost step may still run: find what carries that step's mark, end it, and say so."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from procedures.domain import script_output
from procedures.domain.remote import Payload, payload

SECONDS = 20
STEP = "opsportal:reconcile"

SCRIPT = b"""#!/bin/sh
# Ends what a lost step left behind. Its mark is the digest of the command that was approved: all of it carries that.
set -u
mark=$OPS_LOST_MARK
case $mark in *[!0-9a-f]* | '') exit 125 ;; esac
alive() { grep -lsa "OPSPORTAL_NONCE=$mark" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }
began=1
mkdir "$HOME/.opsportal-used/$mark" 2>/dev/null && began=0
seen=$(alive | wc -l)
for p in $(alive); do kill -TERM "$p" 2>/dev/null; done
i=0; while [ $i -lt 10 ] && [ -n "$(alive)" ]; do sleep 0.1; i=$((i + 1)); done
i=0; while [ $i -lt 40 ] && [ -n "$(alive)" ]; do
  for p in $(alive); do kill -KILL "$p" 2>/dev/null; done; sleep 0.05; i=$((i + 1))
done
printf 'began=%s\\nseen=%s\\nleft=%s\\n' "$began" "$((seen))" "$(($(alive | wc -l)))" >"$OPSPORTAL_OUTPUT"
"""


def looking(*, mark: str, run: UUID, host: str, salt: str) -> Payload:
    """The two lines that look for a mark on one host; issuer and runner make the same bytes."""
    return payload(
        script=SCRIPT,
        argv=[],
        env={"OPS_LOST_MARK": mark.encode()},
        stdin=b"",
        parameters={},
        run=run,
        step=STEP,
        host=host,
        attempt=1,
        salt=salt,
    )


def found(output: bytes, status: int | None) -> tuple[Literal["dead", "unknown"], str]:
    """What the host's answer proves, and in words how. A command that never came through can begin no more."""
    said, _ = script_output.parse(output)
    if status != 0 or not {"began", "seen", "left"} <= said.keys():
        return "unknown", "The host did not say what it found."
    if said["left"] != "0":
        return "unknown", f"{said['left']} processes of the step do not end, also when killed."
    if said["began"] == "0":
        return "dead", "The step never began on the host, and cannot begin any more."
    ended = "nothing of the step was left" if said["seen"] == "0" else f"{said['seen']} processes of it were ended"
    return "dead", f"Looked at on the host: {ended}."
