"""Five hundred hosts on loopback: an address and a host key of its own for each, an sshd per connection.

One listener waits on all addresses of 127.0.0.0/8 and gives each connection to an `sshd -i` with the host key of the
address that was called, so that no host costs anything while nobody speaks to it.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from opsportal.demo.hosts import Host


@dataclass(slots=True)
class Fleet:
    """`host` has the account that all share, and its sshd is not used; `names` are the hosts'."""

    host: Host
    count: int
    port: int = 0
    keys: dict[str, str] = field(default_factory=dict)
    _listener: socket.socket | None = None

    @property
    def names(self) -> list[str]:
        return [f"host-{number:03}" for number in range(self.count)]

    @staticmethod
    def address(name: str) -> str:
        number = int(name.removeprefix("host-"))
        return f"127.0.{1 + number // 200}.{1 + number % 200}"

    def start(self, ca: str) -> None:
        """Make the keys and listen. `ca` is the public key of the authority whose certificates open every host."""
        self.host.start()
        self.host.trust(ca=ca)
        for name in self.names:
            self._make(name)
        self._listener = socket.create_server(("0.0.0.0", 0), backlog=200)  # noqa: S104 - loopback alone is called
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, name="fleet", daemon=True).start()

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self.host.stop()

    def touched(self) -> set[str]:
        """The hosts on which a command ran, by their own log."""
        by_address = {self.address(name): name for name in self.names}
        log = self.host.home / "touched"
        return {by_address[line] for line in log.read_text().split()} if log.exists() else set()

    def _make(self, name: str) -> None:
        place = self.host.folder / "etc" / name
        place.mkdir()
        key = Ed25519PrivateKey.generate()
        (place / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        (place / "key").chmod(0o600)
        (place / "principals").mkdir(exist_ok=True)
        (place / "principals" / self.host.account).write_text(f"{self.host.account}@{name}\n")
        self.keys[name] = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        text = (self.host.folder / "etc" / "sshd_config").read_text()
        text = text.replace("/etc/hostkey", f"/etc/{name}/key").replace("/etc/principals", f"/etc/{name}/principals")
        (place / "sshd_config").write_text(text)

    def _listen(self) -> None:
        by_address = {self.address(name): name for name in self.names}
        while self._listener is not None:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            with caller:
                name = by_address.get(caller.getsockname()[0])
                if name is not None:
                    self._answer(name, caller)

    def _answer(self, name: str, caller: socket.socket) -> None:
        command = self.host.command("-i", "-e", "-f", str(self.host.folder / "etc" / name / "sshd_config"))
        with (self.host.folder / "etc" / "sshd.log").open("ab") as log:
            subprocess.Popen(command, stdin=caller.fileno(), stdout=caller.fileno(), stderr=log, start_new_session=True)
