"""The systemd units: verified by systemd itself, and no more exposed than they need to be."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.counterparts import need

FOLDER = Path(__file__).resolve().parent.parent.parent / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
# What `systemd-analyze security` says at most, from 0 (closed) to 10; who makes cells needs namespaces and mounts.
EXPOSURE = {"opsportal-runner@.service": 3.2, "opsportal-disposable.service": 3.2}
STRICT = 1.5
SECRETS = "/etc/opsportal/secrets/"
LOGINS = ["web", "scheduler", "sequencer", "egress", "disposable"]
LOGINS += [f"{part}-{name}" for name in ("development", "staging", "production") for part in ("runner", "issuer")]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units as they would lie on a host that has the program; the template with a name filled in."""
    folder = tmp_path_factory.mktemp("units")
    for unit in UNITS:
        text = unit.read_text().replace("/opt/opsportal/.venv/bin/opsportal", "/bin/true")
        (folder / unit.name.replace("@.", "@production.")).write_text(text)
    return folder


def test_systemd_has_nothing_to_say(here: Path) -> None:
    names = [path.name for path in here.iterdir()]
    told = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", *names],
        env={"SYSTEMD_UNIT_PATH": f"{here}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in told.stderr.splitlines() if "opsportal" in line]
    assert (told.returncode, ours) == (0, [])


def test_systemd_would_say_it(tmp_path: Path) -> None:
    (tmp_path / "opsportal-x.service").write_text("[Service]\nExecStart=/nowhere/x\nProtectSytem=strict\n")
    told = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", "opsportal-x.service"],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ProtectSytem" in told.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_is_not_more_exposed_than_it_must_be(unit: Path, here: Path) -> None:
    path = here / unit.name.replace("@.", "@production.")
    told = subprocess.run(
        [need("systemd-analyze"), "security", "--offline=true", str(path)], capture_output=True, text=True, check=False
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told.stdout)
    assert found, told.stdout + told.stderr
    assert float(found.group(1)) <= EXPOSURE.get(unit.name, STRICT)


def test_an_issuer_holds_the_keys_and_its_runner_alone_reaches_it() -> None:
    issuer, runner = ((FOLDER / f"opsportal-{name}@.service").read_text() for name in ("issuer", "runner"))
    socket = "Environment=OPSPORTAL_ISSUER_SOCKET=/run/opsportal-issuer-%i/socket"
    for line in (
        "User=opsportal-issuer-%i",
        "Group=opsportal-issuer-%i",
        "RuntimeDirectory=opsportal-issuer-%i",
        "RuntimeDirectoryMode=0710",
        f"{socket} OPSPORTAL_ISSUER_PEERS=opsportal-runner-%i",
    ):
        assert line in issuer.splitlines(), line
    assert "broker" not in issuer, "it sends no message"
    assert "SupplementaryGroups=opsportal-issuer-%i" in runner.splitlines()
    assert socket in runner.splitlines()
    for unit in (one for one in UNITS if "@" not in one.name):
        lines = [line for line in unit.read_text().splitlines() if "issuer" in line]
        assert all("login-issuer" in line for line in lines), f"{unit.name} gives it its login, and has nothing of it"
        assert not lines or unit.name == "opsportal-install.service"


def test_the_web_reaches_this_machine_alone_and_its_way_out_by_a_socket() -> None:
    web, egress = ((FOLDER / f"opsportal-{name}.service").read_text().splitlines() for name in ("web", "egress"))
    for line in ("IPAddressDeny=any", "IPAddressAllow=localhost", "SupplementaryGroups=opsportal-egress"):
        assert line in web, line
    assert not [line for line in egress if line.startswith("IPAddress")], "where it goes, signed changes say"
    assert "Environment=OPSPORTAL_EGRESS=/run/opsportal-egress/socket OPSPORTAL_EGRESS_PEERS=opsportal-web" in egress
    assert [line for line in web if "OPSPORTAL_EGRESS=/run/opsportal-egress/socket" in line]
    assert {"User=opsportal-egress", "RuntimeDirectory=opsportal-egress", "RuntimeDirectoryMode=0710"} <= set(egress)
    assert "broker-url" not in "\n".join(egress), "it sends no message"


def test_a_witness_knows_nothing_of_the_portal() -> None:
    text = (FOLDER / "opsportal-witness.service").read_text()
    for word in ("LoadCredential", "DATABASE", "BROKER", "opsportal.env", "Requires="):
        assert word not in text, word
    assert "Group=opsportal-witness" in text.splitlines(), "not even the portal's group"
    assert "WITNESS_POLICY_FILE" in (FOLDER / "opsportal.env").read_text()


def test_each_unit_has_a_user_a_folder_and_secrets_of_its_own() -> None:
    users, folders = {}, {}
    for unit in UNITS:
        read = configparser.RawConfigParser(strict=False, interpolation=None)
        read.optionxform = str  # type: ignore[assignment]
        read.read_string(
            re.sub(
                r"(?m)^(Environment|LoadCredential|SystemCallFilter)=",
                lambda m: f"{m.group(1)}-{m.start()}=",
                unit.read_text(),
            )
        )
        service = dict(read["Service"])
        users[unit.name], folders[unit.name] = service["User"], service["StateDirectory"]
        credentials = {v for k, v in service.items() if k.startswith("LoadCredential")}
        secrets = {v for v in credentials if "secret-key" in v}
        part = unit.name.removeprefix("opsportal-").removesuffix(".service").replace("@", "-%i")
        owner, pool = part == "install", part in {"runner-%i", "disposable"}
        database = "database-url" if owner else f"database-url-{part}"
        broker = f"broker-url-{part.removeprefix('runner-')}" if pool else "broker-url"
        urls = {f"database-url:{SECRETS}{database}"}
        urls |= {f"smtp-url:{SECRETS}smtp-url"} if part == "scheduler" else set()
        urls |= set() if part in {"issuer-%i", "egress"} else {f"broker-url:{SECRETS}{broker}"}
        assert {v for v in credentials if "-url:" in v} == (set() if part == "witness" else urls), unit.name
        logins = {f"login-{one}:{SECRETS}database-url-{one}" for one in LOGINS} if owner else set()
        assert {v for v in credentials if v.startswith("login")} == logins, unit.name
        mine = "secret-key" if unit.name == "opsportal-web.service" else "other-secret-key"
        none = unit.name == "opsportal-witness.service"
        assert secrets == (set() if none else {f"secret-key:/etc/opsportal/secrets/{mine}"}), unit.name
        words = re.findall(r"--login %d/(\S+)", service["ExecStart"])
        assert words == ([f"login-{one}" for one in LOGINS] if owner else []), unit.name
        assert not [
            v for k, v in service.items() if k.startswith("Environment") and re.search("PASSWORD|_URL=|KEY=", v)
        ]
    assert len(set(users.values())) == len(set(folders.values())) == len(UNITS) == 9
    made = re.findall(r"^u (\S+)", (FOLDER / "opsportal.sysusers.conf").read_text(), re.MULTILINE)
    named = {user.replace("%i", name) for user in users.values() for name in ("development", "staging", "production")}
    assert named == set(made)
