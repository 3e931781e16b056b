"""The files that teams have their hosts in: each form is told by itself, and what cannot be a target says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from opsportal.cli.targets import target
from procedures.domain import control_shapes
from procedures.domain.importing import ImportRefused
from procedures.inventories.reading import form_of, read

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBXcUMWNWM83n+LRoFLbjESKNzcZgVuWq7AHJMInLz+E"
SSH = """\
Host bastion
  HostName 203.0.113.1
Host web-01 web-02
  HostName %h.example.org
  Port 2222
Host inner
  ProxyJump bastion
Host *.old !keep
  User nobody
Host *
  User deploy
"""
KNOWN = f"[10.0.0.5]:2222 {KEY}\nweb-09,10.0.0.9 {KEY}\n|1|abc=|def= {KEY}\n@cert-authority *.x {KEY}\n*.wild {KEY}\n"
TABLE = f"name,address,port,host_key,owner,zone\nweb-01,10.0.0.1,22,{KEY},group:default/web,a\nweb-02,10.0.0.2,,,,\n"
LIST = "web-01\nweb-02 ansible_host=10.0.0.2\nweb-[03:05]\n"


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("config", SSH, "ssh-config"),
        ("known_hosts", KNOWN, "known-hosts"),
        ("hosts.csv", TABLE, "table"),
        ("hosts.txt", TABLE, "table"),
        ("hosts.txt", LIST, "ansible"),
        ("hosts.ini", "[Host web]\nHost x\n", "ansible"),
        ("empty", "", "ansible"),
    ],
)
def test_a_form_is_told_by_what_stands_in_the_file(name: str, text: str, form: str) -> None:
    assert form_of(name, text) == form


def test_an_ssh_configuration_gives_its_named_hosts() -> None:
    found = read("config", SSH.encode())
    assert sorted(found.hosts) == ["bastion", "inner", "web-01", "web-02"], "patterns are no hosts"
    assert found.hosts["web-01"]["ansible_host"] == "web-01.example.org"
    assert (found.hosts["web-01"]["ansible_port"], found.hosts["web-01"]["ansible_user"]) == (2222, "deploy")


def test_an_ssh_configuration_that_runs_a_program_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    text = f'Host a\n  Port 22\nMatch host a exec "touch {tmp_path}/ran"\n  Port 23\n'
    with pytest.raises(ImportRefused, match="never does") as refused:
        read("config", text.encode())
    assert (refused.value.line, (tmp_path / "ran").exists()) == (3, False)


def test_known_hosts_gives_what_stands_there_in_plain_words() -> None:
    found = read("known_hosts", KNOWN.encode())
    assert {name: row.get("ansible_port") for name, row in found.hosts.items()} == {"10.0.0.5": 2222, "web-09": 22}


def test_a_table_gives_addresses_keys_owners_and_tags() -> None:
    found = read("hosts.csv", b"\xef\xbb\xbf" + TABLE.encode())
    assert found.hosts["web-01"] == {
        "ansible_host": "10.0.0.1",
        "ansible_port": "22",
        "opsportal_host_key": KEY,
        "opsportal_owner": "group:default/web",
        "zone": "a",
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("address,port\n10.0.0.1,22\n", 1),
        ("name,port\na,22,more\n", 2),
        ("name,port\na,22\nb\n", 3),
        ("name,port\na,22\n,23\n", 3),
        ("name,port\na,22\na,23\n", 3),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ImportRefused) as refused:
        read("hosts.csv", text.encode())
    assert refused.value.line == line


def test_every_form_is_proposed_alike_and_one_bad_file_stops_no_other(tmp_path: Path) -> None:
    files = {"config": SSH, "known": KNOWN, "hosts.csv": TABLE, "bad.csv": "port\n1\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    words = ["import", *(str(tmp_path / name) for name in files), "--environment", "staging", "--dry-run", "--json"]
    done = CliRunner().invoke(target, [*words, "--known-hosts", "/etc/hostname", "--tag", "role=web"])
    rows = json.loads(done.output)
    assert done.exit_code == 1
    assert [row["line"] for row in rows if row["outcome"] == "refused"] == [1]
    made = {row["host"]: row["object"] for row in rows if row["outcome"] == "would be proposed"}
    assert sorted(made) == ["10.0.0.5", "web-01", "web-09"], "those whose key is known"
    assert made["web-01"]["owner"] == "group:default/web"
    assert made["web-01"]["tags"] == {"zone": "a", "role": "web"}
    for one in made.values():
        control_shapes.check("target", one)
    left = {row["host"]: row["message"] for row in rows if row["outcome"] == "left out"}
    assert "a jump host (bastion), not by SSH" in left["inner"]
    assert "--scan asks the host" in left["web-02"]
