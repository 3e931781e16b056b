"""A real Vault or OpenBao, where its program is at hand: on the path, or named by OPSPORTAL_VAULT."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROLE = {
    "key_type": "ca",
    "allow_user_certificates": True,
    "allow_host_certificates": True,
    "allowed_users": "*",
    "allowed_domains": "*",
    "allow_bare_domains": True,
    "allow_subdomains": True,
    "allow_user_key_ids": True,
    "allowed_critical_options": "force-command,source-address",
    "allowed_extensions": "",
    "max_ttl": "1500h",
    "algorithm_signer": "default",
}


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    token: str

    def tell(self, path: str, body: dict[str, Any]) -> None:
        httpx.post(
            f"{self.url}/v1/{path}", json=body, headers={"X-Vault-Token": self.token}, timeout=60
        ).raise_for_status()


class _RealVaults:
    @staticmethod
    def found() -> str | None:
        return os.environ.get("OPSPORTAL_VAULT") or shutil.which("bao") or shutil.which("vault")

    @contextmanager
    def __call__(self) -> Iterator[Server]:
        """One that listens here, in memory alone, with an engine for people and one for hosts."""
        program = self.found()
        assert program is not None
        with socket.socket() as probe, tempfile.TemporaryDirectory() as home:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            probe.close()
            words = [program, "server", "-dev", "-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{port}"]
            env = {**os.environ, "HOME": home}
            log = (Path(home) / "log").open("wb")
            process = subprocess.Popen(words, stdout=log, stderr=log, env=env)
            try:
                server = Server(f"http://127.0.0.1:{port}", "root")
                _wait(server)
                for mount in ("ssh-users", "ssh-hosts"):
                    server.tell(f"sys/mounts/{mount}", {"type": "ssh"})
                    server.tell(f"{mount}/config/ca", {"generate_signing_key": True, "key_type": "ed25519"})
                    server.tell(f"{mount}/roles/ops", ROLE)
                yield server
            finally:
                process.terminate()
                process.wait(timeout=10)
                log.close()


def _wait(server: Server) -> None:
    for _ in range(200):
        try:
            if httpx.get(f"{server.url}/v1/sys/health").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError("the real Vault does not answer")


real_vaults = _RealVaults()
