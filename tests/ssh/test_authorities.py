"""One contract for every place of an authority's key: a file, a token (SoftHSM), Vault's SSH engine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from procedures.actions.ssh import SshCommand
from procedures.credentials.ssh_certificate import SshCertificate
from procedures.domain.clock import now
from procedures.ssh.authority import issue
from procedures.ssh.certifying import SshAuthority, Wanted, certify
from procedures.ssh.host_certificates import Demanded
from procedures.ssh.places import HOSTS, USERS, authorities, note_of, point
from procedures.ssh.transport import HostCertificateRefused, greet
from tests.actions.calls import Collected, call
from tests.credentials.vaults import ROLE_ID, SECRET_ID, fake_vault
from tests.ssh.conftest import Place
from tests.ssh.real_vault import real_vaults
from tests.ssh.test_refusals import enter, said
from tests.ssh.tokens import hsm

HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Kept:
    """A folder of an issuer whose authorities lie somewhere."""

    folder: Path

    @property
    def users(self) -> SshAuthority:
        return authorities(self.folder, USERS)("staging")

    @property
    def hosts(self) -> SshAuthority:
        return authorities(self.folder, HOSTS)("staging")


def in_file(folder: Path) -> Iterator[Kept]:
    yield Kept(folder)


def in_token(folder: Path) -> Iterator[Kept]:
    for what, label in ((USERS, "users"), (HOSTS, "hosts")):
        point(folder, "staging", what, hsm().place(label))
    yield Kept(folder)


def in_token_on_a_curve(folder: Path) -> Iterator[Kept]:
    point(folder, "staging", USERS, hsm().place("curve"))
    point(folder, "staging", HOSTS, hsm().place("hosts"))
    yield Kept(folder)


def at_vault(folder: Path) -> Iterator[Kept]:
    with fake_vault() as users, fake_vault() as hosts:
        (folder / "vault-ssh.json").write_text(json.dumps({"role_id": ROLE_ID, "secret_id": SECRET_ID}))
        for what, vault in ((USERS, users), (HOSTS, hosts)):
            point(folder, "staging", what, f"vault:{vault.url}/ssh/sign/ops")
        yield Kept(folder)


def at_a_real_vault(folder: Path) -> Iterator[Kept]:
    with real_vaults() as at:
        (folder / "vault-ssh.json").write_text(json.dumps({"token": at.token}))
        for what, mount in ((USERS, "ssh-users"), (HOSTS, "ssh-hosts")):
            point(folder, "staging", what, f"vault:{at.url}/{mount}/sign/ops")
        yield Kept(folder)


PLACES: Mapping[str, Callable[[Path], Iterator[Kept]]] = {
    "a file": in_file,
    "a token": in_token,
    "a token, P-256": in_token_on_a_curve,
    "Vault": at_vault,
    **({"a real Vault": at_a_real_vault} if real_vaults.found() else {}),
}


@pytest.fixture(params=PLACES)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    yield from PLACES[request.param](tmp_path)


def test_a_real_sshd_lets_in_whom_it_certifies_and_forces_the_command(place: Place, kept: Kept) -> None:
    trusted = (place.host.folder / "etc" / "ca.pub").read_text()
    place.host.trust(ca=kept.users.public)
    try:
        options = {"force-command": "echo forced", "source-address": "127.0.0.1/32"}
        principals = [f"{place.host.account}@web-01"]
        made = issue(kept.users, principals=principals, key_id="run=1", options=options, at=now(), until=now() + HOUR)
        assert said(enter(place, made), "id") == b"forced\n"
    finally:
        place.host.trust(ca=trusted)


def test_a_step_over_ssh_is_lent_a_certificate_of_it(place: Place, kept: Kept) -> None:
    trusted, files = (place.host.folder / "etc" / "ca.pub").read_text(), place.provider
    place.host.trust(ca=kept.users.public)
    place.provider = SshCertificate(kept.folder, "127.0.0.1/32")
    try:
        action, io = SshCommand(), Collected()
        asked = call(input={"argv": ["echo", "done"]}, target=place.target)
        lease = place.lease(action, asked)
        assert action.run(replace(asked, lease=lease), io).outcome == "succeeded"
        assert (io.text, lease.evidence["serial"] in place.host.log) == ("done\n", True)
    finally:
        place.host.trust(ca=trusted)
        place.provider = files


def test_a_real_sshd_shows_what_it_certified_for_its_host(place: Place, kept: Kept) -> None:
    wanted = Wanted("host", place.host.host_key, ["web-01"], "host=web-01", now(), now() + timedelta(days=60))
    place.host.certify(certify(kept.hosts, wanted).certificate)
    at = {"address": "127.0.0.1", "port": place.host.port, "host_key": place.host.host_key, "seconds": 5}
    try:
        transport = greet(**at, demanded=Demanded("web-01", kept.hosts.public, place.host.host_key))
        transport.close()
        assert transport.shown is not None
        with pytest.raises(HostCertificateRefused, match="another authority"):
            greet(**at, demanded=Demanded("web-01", kept.users.public, place.host.host_key))
    finally:
        place.host.certify("")


def test_users_and_hosts_have_keys_of_their_own_and_they_stay(kept: Kept) -> None:
    users, hosts = kept.users.public, kept.hosts.public
    assert users != hosts
    assert (kept.users.public, kept.hosts.public) == (users, hosts)


def test_many_threads_get_a_certificate_each(kept: Kept) -> None:
    serials: list[int] = []

    def one() -> None:
        options = {"force-command": "true"}
        made = issue(kept.users, principals=["deploy@h"], key_id="r", options=options, at=now(), until=now() + HOUR)
        serials.append(made.serial)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(serials)) == 8


def test_no_private_key_lies_in_the_folder_where_it_lies_elsewhere(kept: Kept) -> None:
    assert kept.users.public
    held = [path for path in kept.folder.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    assert bool(held) is not note_of(kept.folder, USERS, "staging").exists()
