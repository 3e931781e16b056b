"""Practice targets: each a real sshd on loopback with its own host key, account, home and log.

As root each host gets a mount namespace with a passwd of its own, so the account is really called `deploy` and no user
is added to the machine. Otherwise the sshd runs as the present user, under that user's name.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

FIRST_UID = 64_200
SSHD_PLACES = ("/usr/sbin/sshd", "/usr/local/sbin/sshd")


class NoSshd(SystemExit):
    """There is no OpenSSH server here and none could be had; the exit status is 5."""

    def __init__(self, why: str) -> None:
        print(f"OpenSSH's server is needed and not here: {why}. Install openssh-server.", flush=True)
        super().__init__(5)


def find_sshd() -> str:
    """The path of sshd; as root on Debian it is installed once. Raises NoSshd."""
    found = shutil.which("sshd") or next((p for p in SSHD_PLACES if os.access(p, os.X_OK)), None)
    if found:
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], env=env, capture_output=True, check=False)
        subprocess.run(["apt-get", "install", "-y", "-q", "openssh-server"], env=env, capture_output=True, check=False)
        return next((p for p in SSHD_PLACES if os.access(p, os.X_OK)), None) or _fail("installing it failed")
    return _unpacked() or _fail("it could be neither installed nor unpacked")


def _fail(why: str) -> str:
    raise NoSshd(why)


def _unpacked() -> str | None:
    """On Debian without root: the package downloaded and unpacked into a folder of the user's."""
    place = Path.home() / ".cache" / "opsportal" / "openssh"
    sshd = place / "usr" / "sbin" / "sshd"
    if not sshd.exists() and shutil.which("apt-get") and shutil.which("dpkg"):
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "openssh-server"], cwd=place, capture_output=True, check=False)
        for package in place.glob("openssh-server_*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(place)], capture_output=True, check=False)
    return str(sshd) if sshd.exists() else None


@dataclass(slots=True)
class Host:
    """One practice target. `account` is the name to log in as; `home` its home folder.

    `address` is where it listens; `within` are the words before its program, such as those of a network namespace.
    """

    name: str
    folder: Path
    number: int
    port: int = 0
    shell: str = field(default="/bin/sh", kw_only=True)
    address: str = "127.0.0.1"
    within: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def account(self) -> str:
        return "deploy" if os.geteuid() == 0 else getpass.getuser()

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def uid(self) -> int:
        return FIRST_UID + self.number if os.geteuid() == 0 else os.geteuid()

    @property
    def host_key(self) -> str:
        return " ".join((self.folder / "etc" / "hostkey.pub").read_text().split()[:2])

    @property
    def log(self) -> str:
        return (self.folder / "etc" / "sshd.log").read_text(errors="replace")

    def trust(self, *, ca: str = "", keys: str = "") -> None:
        """Let certificates of this CA in (principal account@name), or plain keys."""
        etc = self.folder / "etc"
        (etc / "ca.pub").write_text(ca)
        (etc / "principals" / self.account).write_text(f"{self.account}@{self.name}\n")
        (etc / "authorized_keys").write_text(keys)

    def start(self) -> None:
        etc = self.folder / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(exist_ok=True)
        if not (etc / "hostkey").exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(etc / "hostkey")], check=True)
        (etc / "principals").mkdir(exist_ok=True)
        for name in ("ca.pub", "authorized_keys", "revoked"):
            (etc / name).touch()
        self.port = self.port or _free_port()
        (etc / "sshd_config").write_text(self._config())
        if os.geteuid() == 0:
            self._make_accounts()
        command = self.command("-D", "-e", "-f", str(etc / "sshd_config"))
        log = (etc / "sshd.log").open("ab")
        self.process = subprocess.Popen(
            [*self.within, *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
        log.close()
        _wait_for(self.port, self)

    def certify(self, certificate: str) -> None:
        """Show this certificate beside the host key, from now on; an empty one: none."""
        (self.folder / "etc" / "hostkey-cert.pub").write_text(certificate)
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=10)
            self.start()

    def command(self, *words: str) -> list[str]:
        """sshd with these words, where the host's account is known."""
        command = [find_sshd(), *words]
        if os.geteuid() != 0:
            return command
        etc = self.folder / "etc"
        mounts = " && ".join(f"mount --bind {etc}/{name} /etc/{name}" for name in ("passwd", "group", "shadow"))
        return ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sshd", *command]

    def _make_accounts(self) -> None:
        """Accounts of its own, for the mount namespace of an sshd that root starts."""
        etc = self.folder / "etc"
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        row = f"deploy:x:{self.uid}:{self.uid}:practice:{self.home}:{self.shell}\n"
        (etc / "passwd").write_text(Path("/etc/passwd").read_text() + row)
        (etc / "group").write_text(Path("/etc/group").read_text() + f"deploy:x:{self.uid}:\n")
        (etc / "shadow").write_text("deploy:*:19000:0:99999:7:::\nroot:*:19000:0:99999:7:::\n")
        os.chown(self.home, self.uid, self.uid)
        for part in [self.folder, *self.folder.parents]:
            if part.stat().st_mode & 0o001 == 0 and str(part).startswith(str(self.folder.parent)):
                part.chmod(0o711)

    def _config(self) -> str:
        etc = self.folder / "etc"
        shown = etc / "hostkey-cert.pub"
        return "\n".join(
            [
                f"Port {self.port}",
                f"ListenAddress {self.address}",
                f"HostKey {etc}/hostkey",
                *([f"HostCertificate {shown}"] if shown.exists() and shown.stat().st_size else []),
                "PidFile none",
                "UsePAM no",
                "LogLevel VERBOSE",
                "StrictModes no",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
                "PubkeyAuthentication yes",
                f"TrustedUserCAKeys {etc}/ca.pub",
                f"RevokedKeys {etc}/revoked",
                f"AuthorizedPrincipalsFile {etc}/principals/%u",
                f"AuthorizedKeysFile {etc}/authorized_keys",
                "AcceptEnv none",
                "PermitTTY no",
                "AllowTcpForwarding no",
                "AllowAgentForwarding no",
                "X11Forwarding no",
                "PermitTunnel no",
                "PermitUserRC no",
                "MaxSessions 4",
                "MaxStartups 100",
                "ClientAliveInterval 5",
                "ClientAliveCountMax 2",
                "UseDNS no",
                "PrintMotd no",
                "",
            ]
        )

    def stop(self) -> None:
        """End sshd and everything that runs under this host's own user id."""
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait(timeout=10)
        self.process = None
        if os.geteuid() == 0:
            for pid in _pids_of(self.uid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue


def _pids_of(uid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if entry.stat().st_uid == uid:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, host: Host) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            with socket.create_connection((host.address, port), timeout=1):
                return
        except OSError:
            if host.process is not None and host.process.poll() is not None:
                break
            time.sleep(0.05)
    raise RuntimeError(f"the sshd of {host.name} does not listen: {host.log[-500:]}")
