"""Ansible's inventories, read as Ansible reads them."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain.importing import ImportRefused
from procedures.inventories import ansible

DATA = os.environ.get("OPSPORTAL_CORPORA", "")
CORPUS = sorted(Path(DATA, "corpora", "ansible-inventory").iterdir()) if DATA else []
NEGATIVE = sorted(Path(DATA, "corpora", "ansible-inventory-negative").iterdir()) if DATA else []

INI = b"""\
; a comment
lonely ansible_port=2222
[web]
www[01:03].example.com:2200 role=front weight=3 flag=True
"quoted" text="two words" list="[1, 'b']"  # told
[web:vars]
tier=outer
nested={'a': [1, 2]}
[site:children]
web
db
[db]
db-[a:c:2]
[site:vars]
tier=site
ansible_group_priority=5
"""
YAML = b"""\
all:
  vars: {tier: everywhere}
  children:
    web:
      hosts:
        "www[1:2]": {ansible_host: 10.0.0.1}
        solo:
      vars: {tier: web, locked: !vault "$ANSIBLE_VAULT;1.1"}
  hosts: lonely
"""


def listing(name: str, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(ansible.read(name, data).listing()))
    return found


def test_ini_with_ranges_ports_variables_and_children_adds_up() -> None:
    found = listing("hosts", INI)
    assert found["web"]["hosts"] == ["www01.example.com", "www02.example.com", "www03.example.com", "quoted"]
    assert found["db"]["hosts"] == ["db-a", "db-c"]
    assert found["all"]["children"] == ["ungrouped", "site"]
    assert found["ungrouped"]["hosts"] == ["lonely"]
    variables = found["_meta"]["hostvars"]
    assert variables["www01.example.com"] == {
        "ansible_port": 2200,
        "flag": True,
        "nested": {"a": [1, 2]},
        "role": "front",
        "tier": "outer",
        "weight": 3,
    }
    assert variables["quoted"]["text"] == "two words"
    assert variables["quoted"]["list"] == [1, "b"]
    assert variables["db-a"] == {"tier": "site"}


def test_yaml_with_ranges_and_vault_adds_up() -> None:
    found = listing("hosts.yml", YAML)
    assert found["web"]["hosts"] == ["www1", "www2", "solo"]
    assert found["_meta"]["hostvars"]["lonely"] == {"tier": "everywhere"}
    assert found["_meta"]["hostvars"]["solo"]["locked"] == {"__ansible_vault": "$ANSIBLE_VAULT;1.1"}


def test_toml_and_what_a_program_prints_are_read() -> None:
    toml = b'[web]\nchildren = ["front"]\n[web.vars]\na = 1\n[front.hosts]\none = {ansible_port = 44}\n'
    assert listing("h.toml", toml)["_meta"]["hostvars"] == {"one": {"a": 1, "ansible_port": 44}}
    printed = b'{"web": {"hosts": ["a"], "vars": {"x": 1}}, "db": ["b"], "_meta": {"hostvars": {"a": {"y": 2}}}}'
    assert listing("h.json", printed)["_meta"]["hostvars"] == {"a": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("[web:wrong]\n", 1, "no known kind"),
        ("a\n[web x]\n", 2, "no section"),
        ("[web]\na b\n", 2, "not name=value"),
        ("[site:children]\nnowhere\n", 2, "declared nowhere"),
        ("[ghost:vars]\na=1\n", 1, "declared nowhere"),
        ("[a:children]\na\n[a]\n", 2, "contains itself"),
        ("www[1:]\n", 1, "not start:end"),
        ("www[01:100]\n", 1, "same length"),
        ("host:\n", 1, "colon"),
        ("[web]\na x='\n", 2, "does not parse"),
        ("www[1:99999999]\n", 1, "too long"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6266\n", 1, "encrypted"),
        ("#!/usr/bin/python\n", 1, "program"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(text: str, line: int, told: str) -> None:
    with pytest.raises(ImportRefused, match=told) as refused:
        ansible.read("hosts.ini", text.encode())
    assert refused.value.line == line


@given(st.text(alphabet="[]:=#;'\"\n ab01\\{}x", max_size=120), st.sampled_from(["h", "h.yml", "h.toml", "h.ini"]))
def test_whatever_a_file_holds_it_is_read_or_refused(text: str, name: str) -> None:
    with contextlib.suppress(ImportRefused):
        found = ansible.read(name, text.encode()).listing()
        assert set(found["_meta"]["hostvars"]) <= {h for g in found.values() for h in g.get("hosts", [])}


@pytest.mark.parametrize("place", CORPUS, ids=lambda place: place.name[-60:])
def test_a_public_inventory_equals_what_ansible_prints(place: Path) -> None:
    expected = json.loads((place.parent.parent / "ansible-inventory.oracle" / f"{place.name}.json").read_bytes())
    expected["_meta"].pop("profile", None)
    assert listing(place.name, place.read_bytes()) == expected


@pytest.mark.parametrize("place", NEGATIVE, ids=lambda place: place.name[-60:])
def test_a_public_file_that_is_no_inventory_is_refused(place: Path) -> None:
    with pytest.raises(ImportRefused):
        ansible.read(place.name, place.read_bytes())


@pytest.mark.parametrize("folder", [Path(DATA, "corpora")] if DATA else [])
def test_seventy_one_of_seventy_one_are_equal_and_the_one_that_is_none_is_refused(folder: Path) -> None:
    equal = 0
    for place in CORPUS:
        expected = json.loads((folder / "ansible-inventory.oracle" / f"{place.name}.json").read_bytes())
        expected["_meta"].pop("profile", None)
        equal += listing(place.name, place.read_bytes()) == expected
    assert (equal, len(CORPUS), len(list((folder / "ansible-inventory.oracle").iterdir()))) == (71, 71, 71)
    assert len(NEGATIVE) == 1
    with pytest.raises(ImportRefused, match="encrypted"):
        ansible.read(NEGATIVE[0].name, NEGATIVE[0].read_bytes())
