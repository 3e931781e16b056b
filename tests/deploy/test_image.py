"""The Dockerfiles: linted, not root, installed from hashes, and with nothing secret in a layer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.composed import ROOT, mounts, services
from tests.deploy.contained import SHARED

HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.parametrize("file", ["Dockerfile", "deploy/target/Dockerfile"])
def test_the_linter_has_nothing_to_say(file: str) -> None:
    told = subprocess.run([HADOLINT, "--no-color", ROOT / file], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_linter_would_say_it(tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM debian\nRUN cd /tmp && sudo apt-get install x\n")
    told = subprocess.run([HADOLINT, "--no-color", wrong], capture_output=True, text=True, check=False)
    assert told.returncode != 0
    assert {"DL3006", "DL3004"} <= set(re.findall(r"DL\d+", told.stdout))


def test_the_image_is_pinned_hash_locked_and_nobody_is_root() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^ARG BASE=python:3\.11-slim-\w+$", text, re.MULTILINE)
    assert "--require-hashes -r requirements.lock" in text
    last = text.split("FROM ${BASE}\n")[-1]
    assert re.search(r"^USER 10001:10000$", last, re.MULTILINE)
    assert re.search(r'^HEALTHCHECK .* CMD \["python", "-S", "-m", "opsportal.alive"\]$', last, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["opsportal"\]$', last, re.MULTILINE)
    assert not re.search(r"^(ADD|VOLUME)\b|--mount=type=secret|\.env\b", text, re.MULTILINE)


def test_every_user_of_compose_is_made_with_a_place_of_its_own() -> None:
    made = dict(re.findall(r"([a-z-]+):(100\d\d)\b", (ROOT / "Dockerfile").read_text()))
    for name, row in services().items():
        if row.get("image", "").startswith("opsportal:"):
            user, _, group = row["user"].partition(":")
            place = Path(row["environment"]["OPSPORTAL_DATA_DIR"]).name
            assert group == "10000", name
            assert user in made.values(), name
            shared = name in {"backup", "restore"}  # they read the log's public key where web does
            assert shared or made[place] == user, f"{name}: {place} belongs to {made[place]}"


def test_folders_of_several_roles_belong_to_who_writes_them() -> None:
    """A new volume takes owner and mode from the image's folder at its place, whichever role comes first."""
    made: dict[str, tuple[int, int]] = {}
    rows = re.findall(
        r"install -d -m (\d+) -o (\w+) -g 10000 ((?:/var/lib/opsportal/[a-z/-]+ ?)+)", (ROOT / "Dockerfile").read_text()
    )
    for mode, owner, places in rows:
        made |= {place: (0 if owner == "root" else int(owner), int(mode, 8)) for place in places.split()}
    for volume, wanted in SHARED.items():
        places = {
            mounts(name)[volume][0]
            for name in services()
            if volume in mounts(name) and "opsportal" in services()[name]["image"]
        }
        places = {place for place in places if place.startswith("/var/lib/opsportal/")}
        assert places, volume
        assert {made[place] for place in places} == {wanted}, volume


def test_the_build_context_holds_what_the_image_is_made_of_and_nothing_else() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = set(re.findall(r"^COPY (?!--from)(.+) \./?\S*$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert {name for row in copied for name in row.split()} == kept
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert all((ROOT / name).exists() for name in kept)
