"""`git push` to a bare repository on this machine: in review within seconds, and nobody had to ask."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Office
from tests.factories.repositories import Remote
from tests.fixtures.counterparts import need

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]
WITHIN_S = 5.0


def made(office: Office, tmp_path: Path) -> Remote:
    """A source named `flows` over a bare repository with the portal's own hook."""
    remote = Remote.make(tmp_path / "git")
    thing = {
        "name": "flows",
        "url": str(remote.bare),
        "branch": "main",
        "path": "",
        "owner": office.company["adam"].subject,
        "group": "",
        "action": "set",
    }
    (tmp_path / "source.json").write_text(json.dumps(thing))
    words = ["control", "propose", "source", str(tmp_path / "source.json"), "--json", "--key", office.key("mira")]
    proposed = office.type("mira", *words)
    assert proposed.returncode == 0, proposed.stderr + proposed.stdout
    change = json.loads(proposed.stdout[proposed.stdout.index("{") :])
    done = office.type("jonas", "control", "confirm", change["id"], "--key", office.key("jonas"))
    assert done.returncode == 0, done.stderr + done.stdout
    hook = office.type("mira", "source", "hook", "flows", "--post-receive")
    assert hook.returncode == 0, hook.stderr
    place = remote.bare / "hooks" / "post-receive"
    place.parent.mkdir(exist_ok=True)
    place.write_text(hook.stdout)
    place.chmod(0o755)
    return remote


def in_review(office: Office, name: str, seconds: float) -> float | None:
    """After how many seconds a version of that procedure stands in review."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        found = office.company["olga"].good("GET", f"/api/v1/versions/?procedure={name}")["results"]
        if any(row["state"] == "in_review" for row in found):
            return time.monotonic() - began
        time.sleep(0.1)
    return None


def test_a_push_is_in_review_within_seconds(office: Office, tmp_path: Path, figure: Callable[[str, Any], None]) -> None:
    remote = made(office, tmp_path)
    first = time.monotonic()
    while not json.loads(office.type("mira", "source", "list", "--json").stdout)["results"][0]["looked_at"]:
        assert time.monotonic() - first < 30, "the new source was never looked at"
        time.sleep(0.2)
    need("shellcheck")
    remote.write("pushed", work__sh="#!/bin/sh\necho hi\n")  # the keeper, which may write nearly nowhere, checks it
    remote.commit("a first push")
    remote.push()
    took = in_review(office, "pushed", 20)
    assert took is not None, office.type("adam", "source", "show", "flows").stdout
    figure("push_to_review_s", round(took, 1))
    assert took < WITHIN_S, "polling is every minute; the hook must have been what was heard"
    told = office.type("adam", "source", "show", "flows")
    assert "pushed v1" in told.stdout
    refused = office.type("quinn", "source", "hook", "flows")
    assert (refused.returncode, "Secret" in refused.stdout) == (3, False)
