"""What a host needs: printed as a script, and looked at on a real sshd, each line with its state and the next step."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from opsportal.cli import host_checks, onboarding
from opsportal.cli.hosts import Login, NotReached, run_on
from tests.inventories.conftest import host_key
from tests.ssh.conftest import Place
from tests.ssh.test_host_certificates import certificate


def need(place: Place, account: str = "") -> onboarding.Need:
    authority = (place.keys / "ssh-ca-staging.pub").read_text().strip()
    return onboarding.Need("web-01", account or place.host.account, authority)


@pytest.fixture
def own(place: Place, tmp_path: Path) -> Path:
    """The key of somebody who may be root on the host."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "own")], check=True)
    etc = place.host.folder / "etc"
    (etc / "authorized_keys").write_text((tmp_path / "own.pub").read_text())
    return tmp_path / "own"


def checked(place: Place, own: Path, wanted: onboarding.Need, who: str = "root") -> dict[str, host_checks.Line]:
    target = {"address": "127.0.0.1", "port": place.host.port, "public_host_key": place.host.host_key}
    text = host_checks.probe(wanted, config=str(place.host.folder / "etc" / "sshd_config"))
    said = run_on(target, Login(who, own), text).stdout
    return {line.what: line for line in host_checks.read(said, wanted)}


def test_every_line_of_the_check_has_a_state_and_what_is_missing_a_next_step(place: Place, own: Path) -> None:
    found = checked(place, own, need(place))
    assert {line.state for line in found.values()} <= {"ok", "missing"}
    for what in (
        "AuthorizedPrincipalsFile holds deploy@web-01",
        "RevokedKeys names a file that is there",
        "PermitTTY no",
    ):
        assert found[what].state == "ok", found[what]
    assert found["TrustedUserCAKeys holds the environment's authority"].state == "ok"
    keys = found["AuthorizedKeysFile none"]
    assert (keys.state, "opsportal target onboard web-01" in keys.next_step) == ("missing", True), (
        "this host takes keys"
    )
    assert all(bool(line.next_step) == (line.state != "ok") for line in found.values())


def test_the_certificate_of_the_host_s_key_is_put_there_and_looked_for(place: Place, own: Path) -> None:
    made = certificate(place.host.host_key)
    wanted = replace(need(place), host_certificate=made)
    text, what = onboarding.script(wanted), "HostCertificate holds the newest certificate of the host's key"
    drop_in = text[text.index("Match User") - 60 :]
    assert drop_in.index("HostCertificate /etc/ssh/opsportal/host-cert.pub") < drop_in.index("Match User")
    assert made in text
    assert checked(place, own, wanted)[what].state == "missing"
    later = checked(place, own, replace(wanted, demanded=False))[what]
    assert (later.state, later.next_step) == ("later", "opsportal target upgrade web-01 brings it")
    place.host.certify(certificate(place.host.host_key))
    assert checked(place, own, wanted)[what].state == "missing", "an older one"
    place.host.certify(made)
    assert checked(place, own, wanted)[what].state == "ok"
    place.host.certify("")
    assert what not in checked(place, own, need(place))


def test_an_environment_that_is_let_in_by_another_file_is_seen(place: Place, own: Path) -> None:
    """A line further down adds to the list, although the first one says none."""
    config, what = place.host.folder / "etc" / "sshd_config", "AcceptEnv lets in nothing but a locale"
    was = config.read_text()
    assert checked(place, own, need(place))[what].state == "ok"
    for names, state in (("LANG LC_*", "ok"), ("*", "missing"), ("LANG BASH_ENV", "missing"), ("LC_", "missing")):
        config.write_text(f"{was}\nAcceptEnv {names}\n")
        found = checked(place, own, need(place))[what]
        assert (found.state, "lines add up" in found.next_step) == (state, state == "missing"), names
    config.write_text(was)


def test_another_authority_or_principal_is_seen(place: Place, own: Path) -> None:
    other = onboarding.Need("web-02", place.host.account, f"{host_key()} x")
    found = checked(place, own, other)
    assert found["TrustedUserCAKeys holds the environment's authority"].state == "missing"
    assert found["AuthorizedPrincipalsFile holds deploy@web-02"].state == "missing"
    assert checked(place, own, need(place, "nobody-here"))["the account nobody-here"].state == "missing"


def test_whoever_may_not_look_is_told_so_and_a_wrong_host_is_not_asked(place: Place, own: Path) -> None:
    found = checked(place, own, need(place), who=place.host.account)
    assert found["PermitTTY no"].state == "unknown"
    assert "--as root@HOST" in found["PermitTTY no"].next_step
    wrong = {"address": "127.0.0.1", "port": place.host.port, "public_host_key": host_key()}
    with pytest.raises(NotReached, match="was not reached"):
        run_on(wrong, Login("root", own), "echo ok")


def test_the_script_can_be_run_by_any_shell_and_says_everything_once(place: Place) -> None:
    text = onboarding.script(
        onboarding.Need("web-01", "deploy", need(place).authority, ("/usr/bin/systemctl restart x",))
    )
    for shell in ("sh", "bash"):
        assert subprocess.run([shell, "-n"], input=text, text=True, check=False).returncode == 0
    for part in ("Match User deploy", "deploy@web-01", "NOPASSWD: /usr/bin/systemctl restart x", "visudo -cqf"):
        assert text.count(part) == 1, part
    assert text.index("sshd -t") < text.index("systemctl reload")
