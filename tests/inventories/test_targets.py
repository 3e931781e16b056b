"""Hosts of an inventory as targets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path

from click.testing import CliRunner

from opsportal.cli.targets import target
from procedures.domain import control_shapes
from procedures.inventories.known_hosts import keys_of

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIBXcUMWNWM83n+LRoFLbjESKNzcZgVuWq7AHJMInLz+E"
INI = """\
[web]
www1 ansible_host=10.0.0.1 zone=a ansible_ssh_pass=hunter22 db_password=hunter23 deep="{'a':1}"
www2 ansible_port=2222
here ansible_connection=local
unknown
"""


def hashed(name: str) -> str:
    salt = b"0123456789abcdefghij"
    mark = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(mark).decode()}"


def test_known_hosts_are_found_plain_hashed_and_by_port() -> None:
    text = f"# told\n@revoked bad ssh-ed25519 {KEY}\na,10.0.0.1 ssh-rsa RSA\n{hashed('10.0.0.1')} ssh-ed25519 {KEY}\n"
    assert keys_of(text, "10.0.0.1", 22) == [f"ssh-ed25519 {KEY}", "ssh-rsa RSA"]
    assert keys_of(f"[www2]:2222 ssh-ed25519 {KEY}\n", "www2", 2222) == [f"ssh-ed25519 {KEY}"]
    for field in ("*", "10.0.0.*", "x,10.0.0.1", hashed("10.0.0.1")):
        assert keys_of(f"{text}@revoked {field} ssh-ed25519 {KEY}\n", "10.0.0.1", 22) == ["ssh-rsa RSA"], field
    assert keys_of(text, "bad", 22) == keys_of("|1|x|y ssh-rsa A\n", "a", 22) == []


def test_hosts_become_targets_and_secrets_stay_behind(tmp_path: Path) -> None:
    (tmp_path / "hosts.ini").write_text(INI)
    (tmp_path / "known").write_text(f"10.0.0.1 ssh-ed25519 {KEY}\n[www2]:2222 ssh-ed25519 {KEY}\n")
    words = ["import", str(tmp_path / "hosts.ini"), "--environment", "staging", "--dry-run", "--json"]
    done = CliRunner().invoke(target, [*words, "--known-hosts", str(tmp_path / "known")])
    rows = {row["host"]: row for row in json.loads(done.output)}
    assert done.exit_code == 1, "two hosts cannot be proposed"
    assert rows["www1"]["object"]["tags"] == {"group.web": "yes", "zone": "a"}
    assert rows["www2"]["object"]["port"] == 2222
    assert "hunter" not in done.output
    assert [note.split()[0] for note in rows["www1"]["notes"]] == ["ansible_ssh_pass", "db_password", "deep"]
    assert "not by SSH" in rows["here"]["message"]
    assert "ssh-keyscan -p 22 unknown" in rows["unknown"]["message"]
    for name in ("www1", "www2"):
        control_shapes.check("target", rows[name]["object"])
