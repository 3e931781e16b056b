"""docker-compose.yml: valid, each role alone with what is its own, and the web out of reach of everybody else."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import compose_spec
import pytest
from click.testing import CliRunner

from opsportal.cli.main import main
from opsportal.roles.names import Names
from tests.deploy.composed import ENVIRONMENTS, ISSUERS, ROOT, WORKERS, composed, mounts, services
from tests.fixtures.counterparts import need

# Volume → who mounts it to write, who mounts it to read. Every key of the portal lies in one of the first ten; an
# issuer writes the keys of identity tokens alone, since it turns them. The door of an issuer holds its socket, and
# nobody passes it but that issuer and its own runner.
VOLUMES = {
    **{f"runner-{name}": ({f"keys-{name}"}, {f"runner-{name}"}) for name in ENVIRONMENTS},
    **{name: ({f"keys-{name}"}, {name}) for name in ISSUERS},
    **{f"identity-{name}": ({f"issuer-{name}"}, set()) for name in ENVIRONMENTS},
    **{f"door-{name}": ({f"issuer-{name}"}, {f"runner-{name}"}) for name in ENVIRONMENTS},
    "door-web": ({"egress"}, {"web"}),
    "disposable": ({"keys-disposable"}, {"disposable"}),
    "log-key": ({"sequencer", "recover"}, set()),
    "database": ({"postgres"}, set()),
    "cards": (
        {f"keys-{name}" for name in (*ENVIRONMENTS, *ISSUERS, "disposable")},
        {"install", "target-staging", "target-production"},
    ),
    "log-public": ({"sequencer", "recover"}, {"web", "backup", "restore", "witness"}),
    "witness": ({"witness-key", "witness"}, set()),
    "witness-policy": ({"witness-key"}, {"sequencer", "recover"}),
    "backups": ({"backup"}, {"restore"}),
    "scheduler": ({"scheduler"}, set()),
    "target-staging": ({"target-staging"}, set()),
    "target-production": ({"target-production"}, set()),
}
OTHERS = {"scheduler", "sequencer", "disposable", "install", "backup", "restore", "recover"}
OTHERS |= {f"runner-{name}" for name in ENVIRONMENTS}
POOLS = {**{f"runner-{name}": name for name in ENVIRONMENTS}, "disposable": "disposable"}
OWNERS = {"install", "backup", "restore", "recover"}  # they migrate, dump and load whole tables
SECRETS = {
    "secret-key": {"web"},
    "other-secret-key": OTHERS.union(ISSUERS, {"egress"}),
    "database-password": {"postgres"},
    "broker-password": {"redis"},
    "database-url": OWNERS,
    **{f"database-url-{part}": {part, "install"} for part in WORKERS},
    "broker-url": (OTHERS | {"web"}) - POOLS.keys(),
    "broker-users": {"redis"},
    "smtp-url": {"scheduler"},
    "log-token": {"web"},
    "aws-credentials": {"sequencer"},
    **{f"broker-url-{pool}": {worker} for worker, pool in POOLS.items()},
}


@pytest.mark.parametrize("file", ["docker-compose.yml", "deploy/compose.cells.yml"])
def test_the_file_is_a_compose_file(file: str) -> None:
    spec = compose_spec.PyCompose.from_json(json.dumps(composed(file)))
    spec.validate()
    assert set(spec.service_names()) == set(composed(file)["services"])


def test_a_compose_file_with_a_mistake_is_told() -> None:
    wrong = {"services": {"web": {"image": "x", "networks": ["netwrk"]}}}
    spec = compose_spec.PyCompose.from_json(json.dumps(wrong))
    with pytest.raises(ValueError, match="netwrk"):
        spec.validate()


def test_each_volume_is_mounted_by_whom_it_is_for_and_nobody_else() -> None:
    found = {}
    for volume in composed()["volumes"]:
        holders = {name: mounts(name)[volume][1] for name in services() if volume in mounts(name)}
        found[volume] = (
            {n for n, writes in holders.items() if writes},
            {n for n, writes in holders.items() if not writes},
        )
    assert found == VOLUMES


def test_an_issuer_makes_identity_keys_where_it_may_write_as_the_image_s_owner() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for name in ENVIRONMENTS:
        issuer = services()[f"issuer-{name}"]
        place = issuer["environment"]["OPSPORTAL_IDENTITY_KEYS_DIR"]
        assert mounts(f"issuer-{name}")[f"identity-{name}"] == (place, True)
        assert f"-m 0700 -o {issuer['user'].partition(':')[0]} -g 10000 {place} " in dockerfile.replace("\\\n", " ")


def test_each_secret_is_given_to_whom_it_is_for_and_nobody_else() -> None:
    found = {secret: {n for n, row in services().items() if secret in row.get("secrets", [])} for secret in SECRETS}
    assert found == SECRETS
    assert set(composed()["secrets"]) == set(SECRETS)


def test_no_secret_stands_in_a_variable() -> None:
    for name, row in services().items():
        for variable, value in row.get("environment", {}).items():
            told = variable.endswith("_FILE") or variable not in {"DATABASE_URL", "OPSPORTAL_SECRET_KEY"}
            assert told, f"{name}: {variable}"
            assert "PASSWORD" not in variable or str(value).startswith("/run/secrets/"), f"{name}: {variable}"
    assert services()["web"]["environment"]["OPSPORTAL_SECRET_KEY_FILE"] == "/run/secrets/secret-key"
    for name in OTHERS.union(ISSUERS):
        assert services()[name]["environment"]["OPSPORTAL_SECRET_KEY_FILE"] == "/run/secrets/other-secret-key", name


def test_each_part_comes_to_the_database_as_itself() -> None:
    for name, row in services().items():
        given = row.get("environment", {}).get("DATABASE_URL_FILE")
        wanted = f"/run/secrets/database-url{'' if name in OWNERS else f'-{name}'}"
        assert given == (wanted if name in OWNERS.union(WORKERS) else None), name
    logins = [word for word in services()["install"]["command"] if word.startswith("--login=")]
    assert sorted(logins) == sorted(f"--login=/run/secrets/database-url-{name}" for name in WORKERS)


def test_no_two_roles_are_the_same_user() -> None:
    users = {name: services()[name]["user"] for name in WORKERS}
    assert len(set(users.values())) == len(users)
    assert not [name for name, user in users.items() if user.startswith("0")]
    for name in (*ENVIRONMENTS, *ISSUERS, "disposable"):
        worker = f"runner-{name}" if name in ENVIRONMENTS else name
        assert services()[f"keys-{name}"]["user"] == users[worker], "who makes keys is who reads them"
    assert services()["recover"]["user"] == users["sequencer"]
    assert services()["witness"]["user"] == services()["witness-key"]["user"]
    assert services()["witness"]["user"] not in users.values()


def test_no_runner_holds_an_authority_or_a_pool_key_and_no_issuer_the_key_of_a_runner(tmp_path: Path) -> None:
    """The commands that the file gives, run for each: what lies in which folder, and which card says what."""
    for name in ENVIRONMENTS:
        made = {}
        for service, part in ((f"keys-{name}", "runner"), (f"keys-issuer-{name}", "issuer")):
            words = list(services()[service]["command"])
            place = words.index("--card") + 1
            words[place] = str(tmp_path / Path(words[place]).name)
            told = CliRunner().invoke(main, [*words, "--folder", str(tmp_path / service)])
            assert told.exit_code == 0, told.output
            card = json.loads(Path(words[place]).read_text())
            made[part] = {path.name for path in (tmp_path / service).iterdir() if path.suffix != ".pub"}
            assert (card["kind"], "pool" in card, "public" in card) == (part, part == "issuer", part == "runner")
        assert made == {"runner": {"runner.json"}, "issuer": {f"pool-{name}.key", f"ssh-ca-{name}"}}
        runner, issuer = services()[f"runner-{name}"], services()[f"issuer-{name}"]
        assert runner["environment"]["OPSPORTAL_ISSUER_SOCKET"] == issuer["environment"]["OPSPORTAL_ISSUER_SOCKET"]
        assert issuer["environment"]["OPSPORTAL_ISSUER_PEERS"] == runner["user"].partition(":")[0]
        assert not [one for one in issuer["secrets"] if "broker" in one]


def test_every_container_of_ours_is_closed() -> None:
    for name, row in services().items():
        if name == "postgres":
            continue
        assert row["read_only"] is True, name
        assert row["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in row["security_opt"], name
        assert not row.get("privileged"), name
        assert "docker.sock" not in json.dumps(row), name


def test_the_web_reaches_no_target_and_no_runner_those_of_another_environment() -> None:
    where = {name: set(row.get("networks", [])) for name, row in services().items()}
    assert where["runner-production"] == {"data", "targets-production"}
    assert where["runner-staging"] == {"data", "targets-staging"}
    assert where["runner-development"] == where["disposable"] == {"data"}
    assert where["sequencer"] == where["recover"] == {"data", "witness"}
    assert where["witness"] == {"witness"}, "it reaches neither database nor broker"
    assert {tuple(where[name]) for name in ISSUERS} == {("data",)}, "who holds an authority reaches no host by itself"
    for network in ("data", "entry", "witness", "targets-staging", "targets-production"):
        assert composed()["networks"][network] == {"internal": True}
    for name in (*ENVIRONMENTS, *ISSUERS, "disposable"):
        assert services()[f"keys-{name}"]["network_mode"] == "none", "keys are made where nobody listens"
    assert services()["witness-key"]["network_mode"] == "none"
    published = {name: row["ports"] for name, row in services().items() if "ports" in row}
    assert published == {"front": ["127.0.0.1:8000:8000"]}


def test_the_web_stands_in_no_network_with_a_way_out_and_meets_nobody_there_but_what_it_needs() -> None:
    networks = {name: set(row.get("networks", [])) for name, row in services().items()}
    assert networks["web"] == {"entry", "data"}
    assert all(composed()["networks"][network] == {"internal": True} for network in networks["web"])
    assert {name for name, row in networks.items() if "entry" in row} == {"web", "front"}
    ways_out = {name for name, row in networks.items() if row & {"outside", "front"}}
    assert ways_out == {"scheduler", "egress", "front"}
    front, egress, web = (services()[name] for name in ("front", "egress", "web"))
    assert front["command"] == ["front", "--listen", "0.0.0.0:8000", "--to", "web:8000"]
    assert not {"secrets", "volumes"} & set(front), "it carries bytes and holds nothing"
    place = egress["environment"]["OPSPORTAL_EGRESS"]
    assert web["environment"]["OPSPORTAL_EGRESS"] == place
    assert mounts("egress")["door-web"] == (str(Path(place).parent), True)
    assert mounts("web")["door-web"] == (str(Path(place).parent), False)
    assert egress["environment"]["OPSPORTAL_EGRESS_PEERS"] == web["user"].partition(":")[0]
    assert not [one for one in egress["secrets"] if "broker" in one], "it sends no message"


def test_the_witness_holds_nothing_of_the_portal_and_the_sequencer_goes_by_its_policy() -> None:
    witness, keys, sequencer = (services()[name] for name in ("witness", "witness-key", "sequencer"))
    assert not witness.get("secrets")
    assert not keys.get("secrets")
    assert not {"DATABASE_URL_FILE", "OPSPORTAL_BROKER_URL_FILE", "OPSPORTAL_SECRET_KEY_FILE"} & set(
        witness["environment"] | keys["environment"]
    )
    policy = dict(word.removeprefix("--").split("=") for word in keys["command"] if "=" in word)["policy"]
    assert sequencer["environment"]["OPSPORTAL_WITNESS_POLICY_FILE"] == policy
    assert services()["recover"]["environment"]["OPSPORTAL_WITNESS_POLICY_FILE"] == policy
    assert sequencer["depends_on"]["witness-key"] == {"condition": "service_completed_successfully"}
    assert "witness" not in sequencer["depends_on"], "an unreachable witness makes nothing wait"


def test_who_needs_another_waits_until_it_is_ready() -> None:
    for name in WORKERS:
        assert services()[name]["depends_on"]["install"] == {"condition": "service_completed_successfully"}, name
    first = services()["install"]["depends_on"]
    assert first.pop("postgres") == {"condition": "service_healthy"}
    assert first == {
        f"keys-{n}": {"condition": "service_completed_successfully"} for n in (*ENVIRONMENTS, *ISSUERS, "disposable")
    }
    for name in ("postgres", "redis"):
        assert services()[name]["healthcheck"]["test"]


def test_the_secrets_that_the_script_makes_are_those_that_the_file_names(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    script = ROOT / "deploy" / "secrets.sh"
    for _ in range(2):
        subprocess.run(["sh", script, folder], check=True, capture_output=True)
        made = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
    named = {Path(row["file"]).name for row in composed()["secrets"].values()}
    assert set(made) == named
    assert len(made["secret-key"].strip()) == 96
    assert made["secret-key"] != made["other-secret-key"]
    assert made["database-password"].strip() in made["database-url"]
    for part in WORKERS:
        role = Names("opsportal").of(*part.split("-"))
        assert made[f"database-url-{part}"].startswith(f"postgres://{role}:"), part
    passwords = {made[f"database-url-{part}"].split(":")[2].partition("@")[0] for part in WORKERS}
    assert (len(passwords), min(map(len, passwords))) == (len(WORKERS), 48)
    assert made["broker-password"].strip() not in made["broker-users"], "the broker learns digests of passwords"
    assert len({made[f"broker-url-{pool}"] for pool in POOLS.values()}) == len(POOLS)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = dict(made)
    subprocess.run(["sh", script, folder], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in folder.iterdir() if path.is_file()} == before, "it makes none anew"


@pytest.mark.parametrize("script", ["deploy/secrets.sh", "deploy/target/target.sh"])
def test_scripts_are_sound(script: str) -> None:
    told = subprocess.run([need("shellcheck"), ROOT / script], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout
    assert os.access(ROOT / script, os.X_OK)
