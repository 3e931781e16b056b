"""Every setting can be set in compose, chart and units, where an operator looks for it, or is said to have no use."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import helm_python as helm
import pytest
import yaml

from opsportal.settings.variables import VARIABLES
from tests.deploy.composed import ROOT, services
from tests.deploy.test_chart import CHART, containers

ENV = ROOT / "deploy" / "systemd" / "opsportal.env"
LIES = "lies where the volume or state folder of its process has it"
FIXED = "is what this form itself is built on"
# Setting → why it is nothing to set in this form.
NOT_FOR = {
    "compose": {
        "OPSPORTAL_EVIDENCE_KEY_FILE": LIES,
        "OPSPORTAL_RUNNER_KEY_FILE": LIES,
        "OPSPORTAL_INVENTORIES_DIR": LIES,
        "OPSPORTAL_RUNBOOKS_DIR": FIXED,
        "OPSPORTAL_SANDBOX_UIDS": "no runner is root",
        "OPSPORTAL_EGRESS_KEY": "web and egress meet at a socket",
    },
    "chart": {
        "OPSPORTAL_PORT": FIXED,
        "OPSPORTAL_RUNNER_KEY_FILE": LIES,
        "OPSPORTAL_INVENTORIES_DIR": LIES,
        "OPSPORTAL_RUNBOOKS_DIR": FIXED,
        "OPSPORTAL_SANDBOX_UIDS": "no runner is root",
        "OPSPORTAL_EGRESS_PEERS": "web and egress meet over the network, by a key",
    },
    "units": {
        "OPSPORTAL_EVIDENCE_KEY_FILE": LIES,
        "OPSPORTAL_RUNNER_KEY_FILE": LIES,
        "OPSPORTAL_IDENTITY_KEYS_DIR": LIES,
        "OPSPORTAL_IDENTITY_SECRETS_DIR": LIES,
        "OPSPORTAL_INVENTORIES_DIR": LIES,
        "OPSPORTAL_RUNBOOKS_DIR": FIXED,
        "OPSPORTAL_SANDBOX_UIDS": "no runner is root",
        "OPSPORTAL_EGRESS_KEY": "web and egress meet at a socket",
        "OPSPORTAL_ALIVE_FILE": "systemd itself starts again what ends",
        "OPSPORTAL_ROOT_OK": "no unit is root",
    },
}
BESIDE = {"SSL_CERT_FILE"}  # OpenSSL's own


@cache
def offered() -> dict[str, str]:
    """What the file for systemd and compose offers: each name with its default or example."""
    return dict(re.findall(r"(?m)^#?([A-Z][A-Z0-9_]+)=(.*)$", ENV.read_text()))


def of_the_image() -> set[str]:
    return set(re.findall(r"\b(OPSPORTAL_[A-Z_]+|DATABASE_URL)=", (ROOT / "Dockerfile").read_text()))


def plain(names: set[str]) -> set[str]:
    """Settings by their own names, however a secret's file is handed over."""
    return {name if name in VARIABLES else name.removesuffix("_FILE") for name in names} & VARIABLES.keys()


def in_compose() -> set[str]:
    named = {name for row in services().values() for name in row.get("environment", {})}
    ours = [row for row in services().values() if row.get("image", "").startswith("opsportal:")]
    assert all(row["env_file"] == [{"path": "deploy/opsportal.env", "required": False}] for row in ours)
    return plain(named | of_the_image() | offered().keys())


def in_the_chart() -> set[str]:
    """Set by the chart, or taken under `settings` and named there for whoever reads the values."""
    named = {row["name"] for _, container in containers(everything=True).values() for row in container["env"]}
    shown = set(re.findall(r"\b[A-Z]+_[A-Z0-9_]+\b", (CHART / "values.yaml").read_text()))
    taken = taken_by_the_chart()
    assert taken <= shown, f"name them in values.yaml: {taken - shown}"
    return plain(named | of_the_image() | taken)


def taken_by_the_chart() -> set[str]:
    schema = json.loads((CHART / "values.schema.json").read_text())
    return set(schema["properties"]["settings"]["propertyNames"]["enum"])


def in_units() -> set[str]:
    text = "\n".join(path.read_text() for path in ENV.parent.glob("*.service"))
    return plain(set(re.findall(r"\b([A-Z][A-Z0-9_]+)=", text)) | offered().keys())


FOUND = {"compose": in_compose, "chart": in_the_chart, "units": in_units}


@pytest.mark.parametrize("form", FOUND)
def test_each_setting_can_be_set_or_is_said_to_have_no_use(form: str) -> None:
    found = FOUND[form]()
    lacking = VARIABLES.keys() - found - NOT_FOR[form].keys()
    assert not lacking, f"carry them where an operator looks, or say why not: {sorted(lacking)}"
    assert not found & NOT_FOR[form].keys(), "these can be set after all"
    assert NOT_FOR[form].keys() <= VARIABLES.keys()


def test_the_file_offers_no_secret_and_nothing_that_is_no_setting() -> None:
    assert offered().keys() - VARIABLES.keys() <= BESIDE
    assert not [name for name in offered() if name in VARIABLES and VARIABLES[name].secret]
    assert taken_by_the_chart() - VARIABLES.keys() <= BESIDE
    assert not [name for name in taken_by_the_chart() & VARIABLES.keys() if VARIABLES[name].secret]


def test_every_line_of_the_file_is_one_that_a_process_takes(tmp_path: Path) -> None:
    """With all of its lines in force a process starts, and says that each came from its environment."""
    needed = {
        "OPSPORTAL_PROFILE": "production",
        "OPSPORTAL_SECRET_KEY": "k" * 60,
        "DATABASE_URL": "postgres://portal:secret@db/portal",
        "OPSPORTAL_BROKER_URL": "rediss://broker/0",
        "OPSPORTAL_DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "opsportal.settings",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPSPORTAL_")}
    (tmp_path / "broker.pem").touch()
    given = {**offered(), "OPSPORTAL_BROKER_CA": str(tmp_path / "broker.pem")}
    given.pop("SSL_CERT_FILE")
    program = "import json; from django.conf import settings; settings.OPSPORTAL_MIRROR_DAYS; "
    program += "from opsportal.settings import env; print(json.dumps(list(env.describe())))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**inherited, **needed, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sources = {row["name"]: row["source"] for row in json.loads(done.stdout)}
    assert {sources[name] for name in given} == {"environment"}


def test_what_is_written_under_settings_comes_to_each_process_of_the_chart() -> None:
    values = dict.fromkeys(sorted(taken_by_the_chart()), "7")
    helm.Chart.load(str(CHART)).validate_schema({"settings": values})
    files = helm.Chart.load(str(CHART)).render({"settings": values}, name="ops", namespace="ops")
    rows = [row for text in files.values() for row in yaml.safe_load_all(text) if row]
    pods = [row["spec"]["template"]["spec"] for row in rows if row["kind"] in {"Deployment", "Job"}]
    every = [container["env"] for pod in pods for container in pod["containers"]]
    assert len(every) >= 9
    for env in every:
        names = [row["name"] for row in env]
        assert len(names) == len(set(names)), "no name stands twice: which one counts is nobody's guess"
        assert values.keys() <= set(names)
