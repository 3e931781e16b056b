"""Hosts as a team has them: a real sshd with its distribution's own files, an account `deploy`, and root's login.

Each lives in a mount namespace with an /etc/ssh, a /run and a list of accounts of its own, so that what root does there
by a script happens to that host alone. Only root can start one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from opsportal.demo.hosts import _pids_of, find_sshd

FIRST_UID = 64_600
CONFIG = """\
Include /etc/ssh/sshd_config.d/*.conf
Port {port}
ListenAddress {address}
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
UsePAM no
LogLevel VERBOSE
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
UseDNS no
"""
START = """\
mount --bind {etc}/ssh /etc/ssh && mount -t tmpfs tmpfs /run && mkdir -p /run/sshd &&
for f in passwd group shadow; do mount --bind {etc}/$f /etc/$f || exit 1; done && exec {sshd} -D -e
"""


@dataclass(slots=True)
class PlainHost:
    """`number` makes the account's id; `deploy` and `root` are the public keys that may log in as them."""

    name: str
    folder: Path
    number: int
    address: str
    port: int = 22
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def etc(self) -> Path:
        return self.folder / "etc"

    @property
    def uid(self) -> int:
        return FIRST_UID + self.number

    @property
    def host_key(self) -> str:
        return " ".join((self.etc / "ssh" / "ssh_host_ed25519_key.pub").read_text().split()[:2])

    @property
    def log(self) -> str:
        return (self.folder / "sshd.log").read_text(errors="replace")

    def lay(self, *, deploy: str, root: str, config: str = CONFIG) -> None:
        """Everything that a host has before anybody heard of a portal."""
        (self.etc / "ssh" / "sshd_config.d").mkdir(parents=True)
        key = self.etc / "ssh" / "ssh_host_ed25519_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        (self.etc / "ssh" / "sshd_config").write_text(config.format(port=self.port, address=self.address))
        homes = {"root": (0, root), "deploy": (self.uid, deploy)}
        for account, (uid, public) in homes.items():
            place = self.folder / account / ".ssh"
            place.mkdir(parents=True)
            (place / "authorized_keys").write_text(public)
            for path in (place.parent, place, place / "authorized_keys"):
                os.chown(path, uid, uid)
        rest = [row for row in Path("/etc/passwd").read_text().splitlines() if not row.startswith("root:")]
        rows = [f"root:x:0:0:root:{self.folder}/root:/bin/sh", *rest]
        rows.append(f"deploy:x:{self.uid}:{self.uid}::{self.folder}/deploy:/bin/sh")
        (self.etc / "passwd").write_text("\n".join(rows) + "\n")
        (self.etc / "group").write_text(Path("/etc/group").read_text() + f"deploy:x:{self.uid}:\n")
        (self.etc / "shadow").write_text("root:*:19000:0:99999:7:::\ndeploy:*:19000:0:99999:7:::\n")
        self.folder.chmod(0o711)

    def start(self) -> None:
        words = START.format(etc=self.etc, sshd=find_sshd())
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", words],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it listens."""
        end = time.monotonic() + 20
        while "Server listening" not in self.log:
            assert self.process is not None
            assert self.process.poll() is None, self.log[-500:]
            assert time.monotonic() < end, self.log[-500:]
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait(timeout=10)
        self.process = None
        for pid in _pids_of(self.uid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
