"""The demo is the main job, told once more from outside: it ends 0, and each refusal stands in the pack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from procedures.evidence import verify
from tests.fixtures.counterparts import need


@pytest.mark.once
def test_the_day_is_told_and_every_refusal_is_in_the_pack() -> None:
    need("sshd")
    need("bwrap")
    import tempfile

    with tempfile.TemporaryDirectory(prefix="opsportal-day-", dir="/var/tmp") as name:
        folder = Path(name)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OPSPORTAL_", "DJANGO_", "PYTEST_"))}
        done = subprocess.run(
            [sys.executable, "-m", "opsportal.demo.main", "--exit", "--data-dir", str(folder)],
            env=env,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        last = done.stdout.splitlines()[-3:]
        assert [line.split(":")[0] for line in last] == ["pack", "portal", "login"]
        pack = Path(last[0].removeprefix("pack: ")).read_bytes()
        found = verify.verify(pack, (folder / "portal" / "log.key").read_text().strip())
        assert (found["verdict"], [row["control"] for row in found["asserted"]]) == ("SIGNED", ["grant"])
        story = json.loads((folder / "portal" / "story.json").read_text())
        headers = [json.loads(line) for line in verify.unzip(pack)["log/headers.jsonl"].splitlines()]
        refusals = [row for row in story if row.get("event")]
        assert len(refusals) >= 4
        assert all(headers[row["index"]]["id"] == row["event"] for row in refusals)
