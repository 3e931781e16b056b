"""Each kind of source, read by the runner's own code from real files, a real cell, a real EC2 API and real entities."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.conf import settings as django_settings

from procedures.domain.clock import now
from procedures.domain.sealing import secret_object
from procedures.models import Entity, InventorySync, PoolKey, Run
from tests.inventories.conftest import Sources, host_key, live

pytestmark = pytest.mark.ordinary
PROGRAM = """#!/usr/bin/python3
import json, os, socket, sys
assert sys.argv[1:] == ["--list"]
def tried(what):
    try:
        what()
        return "yes"
    except OSError:
        return "no"
seen = tried(lambda: os.listdir(KEYS))
out = tried(lambda: socket.create_connection(("127.0.0.1", PORT), timeout=2))
print(json.dumps({"web": {"hosts": ["www-1"], "vars": {"role": "web"}}, "_meta": {"hostvars": {"www-1": {
    "ansible_host": "10.1.0.1", "opsportal_host_key": KEY, "opsportal_owner": "group:default/shop",
    "db_password": "hunter24", "seen": seen, "out": out, "environ": ",".join(sorted(os.environ))}}}}))
"""


def hosts(name: str = "hosts") -> dict[str, dict[str, Any]]:
    last = InventorySync.objects.filter(inventory=name).order_by("-id").first()
    assert last is not None
    return {host["name"]: host for host in last.hosts}


def test_a_program_runs_in_the_cell_and_nowhere_else(sources: Sources) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        said = {"KEYS": str(django_settings.OPSPORTAL_KEYS_DIR), "KEY": host_key(), "PORT": listening.getsockname()[1]}
        text = PROGRAM
        for name, value in said.items():
            text = text.replace(f"{name})", f"{value!r})").replace(f"{name},", f"{value!r},")
        sources.write("list.py", text, mode=0o755)
        sources.set_up("script", {"file": "list.py"}, takes=True)
        assert sources.sync().problem == ""
    found = live("www-1")
    assert (found.address, found.owner, found.tags["group.web"]) == ("10.1.0.1", "group:default/shop", "yes")
    assert (found.tags["seen"], found.tags["out"]) == ("no", "no"), "no keys, no network"
    assert "OPSPORTAL_DATA_DIR" not in found.tags["environ"]
    assert "hunter24" not in json.dumps(hosts())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#!/bin/sh\necho broken >&2; exit 3\n", "exit status 3. broken"),
        ("#!/bin/sh\necho '{'\n", "list.sh"),
        ("#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' a\n", "more than 2,097,152 bytes"),
        ("echo no program\n", "does not begin with #!"),
    ],
)
def test_a_program_that_fails_changes_nothing(sources: Sources, text: str, why: str) -> None:
    sources.write("list.sh", text, mode=0o755)
    sources.set_up("script", {"file": "list.sh"}, takes=True)
    assert why in sources.sync().problem
    assert not InventorySync.objects.exists()


def test_an_ansible_file_gives_groups_as_tags_and_keys_from_known_hosts(sources: Sources) -> None:
    key = host_key()
    sources.write("prod/hosts.ini", "[web]\nwww1 ansible_host=10.0.0.1 zone=a\nwww2 ansible_host=10.0.0.2\n")
    sources.write("prod/known", f"10.0.0.1 {key}\n")
    sources.set_up("ansible", {"file": "prod/hosts.ini", "known_hosts": "prod/known"}, takes=True)
    sources.sync()
    assert (live("www1").host_key, live("www1").tags) == (key, {"group.web": "yes", "zone": "a"})
    assert sources.differences() == {"www2": "incomplete"}


def kubeconfig(authority: bytes) -> str:
    """Two contexts of one cluster, one of one that is not verified, one without TLS; and a token that stays behind."""
    data = base64.b64encode(authority).decode()
    clusters = [
        {"name": "arn:aws:eks:eu:1:cluster/shop", "cluster": {"server": "https://10.9.0.1:6443"}},
        {"name": "blind", "cluster": {"server": "https://10.9.0.2", "insecure-skip-tls-verify": True}},
        {"name": "plain", "cluster": {"server": "http://10.9.0.3"}},
    ]
    clusters[0]["cluster"]["certificate-authority-data"] = data  # type: ignore[index]
    contexts = [
        {"name": f"{name}-{space}", "context": {"cluster": name, "namespace": space, "user": "admin"}}
        for name, space in ((clusters[0]["name"], "a"), (clusters[0]["name"], "b"), ("blind", "a"), ("plain", "a"))
    ]
    users = [{"name": "admin", "user": {"token": "a-token-that-nobody-reads"}}]
    made = {"apiVersion": "v1", "kind": "Config", "clusters": clusters, "contexts": contexts, "users": users}
    return yaml.safe_dump(made)


def test_contexts_become_clusters_known_by_their_authority(sources: Sources, authority: bytes) -> None:
    sources.write("kubeconfig", kubeconfig(authority))
    sources.set_up("kubernetes", {"file": "kubeconfig"}, takes=True)
    assert sources.sync().problem == ""
    found = live("arn-aws-eks-eu-1-cluster-shop")
    assert (found.address, found.port, found.host_key[:8]) == ("10.9.0.1", 6443, "x509-ca ")
    assert (found.tags["kind"], found.attributes["namespaces"]) == ("cluster", "a b")
    row = InventorySync.objects.get()
    assert [note.split()[0] for note in row.notes] == ["'blind'", "'plain'"]
    assert "a-token" not in json.dumps([row.hosts, row.notes])
    sources.write("kubeconfig", "kind: Pod\n")
    assert "is no kubeconfig" in sources.sync().problem


def test_the_catalogue_gives_hosts_that_say_where_they_are(sources: Sources, a_run: Run) -> None:
    key = host_key()
    for name, kind, marks in (
        ("db-1", "host", {"opsportal.dev/address": "10.3.0.1", "opsportal.dev/host-key": key}),
        ("db-2", "host", {}),
        ("bucket", "s3", {"opsportal.dev/address": "10.3.0.9"}),
    ):
        about = {"name": name, "annotations": marks, "labels": {"role": "db"}, "tags": ["gold"]}
        document = {"kind": "Resource", "metadata": about, "spec": {"type": kind, "owner": "group:default/data"}}
        ref = f"resource:default/{name}"
        Entity.objects.create(
            ref=ref, place=ref, descriptor_sha256="x", commit="", document=document, run=a_run, registered_at=now()
        )
    sources.set_up("catalogue", {}, takes=True)
    sources.sync()
    assert (live("db-1").owner, live("db-1").tags) == ("group:default/data", {"role": "db", "tag.gold": "yes"})
    assert list(hosts()) == ["db-1"]
    assert "db-2" in InventorySync.objects.get().notes[0]


@pytest.fixture
def ec2() -> Iterator[tuple[Any, str]]:
    """A client of a real EC2 API over HTTP, and its address."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    url = f"http://127.0.0.1:{port}"
    given = {"aws_access_key_id": "AKIATEST", "aws_secret_access_key": "s3cr3t-of-aws"}
    yield boto3.client("ec2", region_name="eu-central-1", endpoint_url=url, **given), url
    server.stop()


def launched(client: Any, *names: str, **tags: str) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        marks = [{"Key": key, "Value": value} for key, value in {"Name": name, **tags}.items()]
        said = [{"ResourceType": "instance", "Tags": marks}]
        rows += client.run_instances(ImageId="ami-03cf127a", MinCount=1, MaxCount=1, TagSpecifications=said)[
            "Instances"
        ]
    return rows


def test_instances_come_with_their_tags_and_a_tag_moves_no_host_of_production(
    sources: Sources, ec2: tuple[Any, str]
) -> None:
    """H12: whoever may call CreateTags makes no host of ours a web server of production."""
    client, url = ec2
    one, two = launched(client, "web-1", "web-2", role="web", owner="shop")
    launched(client, "other", role="db")
    key, place = host_key(), one["PrivateIpAddress"]
    value = json.dumps({"access_key_id": "AKIATEST", "secret_access_key": "s3cr3t-of-aws"}).encode()
    pool = PoolKey.objects.get(environment_id="production").public
    sources.world.confirmed("secret", secret_object(environment="production", name="aws", value=value, pool=pool))
    sources.write("known", f"{place} {key}\n")
    wanted = {"region": "eu-central-1", "endpoint": url, "secret": "aws", "tags": {"role": "web"}}
    sources.set_up("aws-ec2", {**wanted, "known_hosts": "known"}, environment="production")
    assert sources.sync().problem == ""
    assert sources.differences() == {"web-1": "new", "web-2": "incomplete"}
    assert (hosts()["web-1"]["owner"], hosts()["web-1"]["attributes"]["instance"]) == ("shop", one["InstanceId"])
    object = {**hosts()["web-1"], "environment": "production", "trust": "key", "inventory": "hosts", "action": "set"}
    sources.world.confirmed("target", object)
    client.create_tags(Resources=[one["InstanceId"]], Tags=[{"Key": "tier", "Value": "gold"}])
    client.terminate_instances(InstanceIds=[two["InstanceId"]])
    sources.sync()
    assert (sources.differences(), "tier" in live("web-1").tags) == ({"web-1": "changed"}, False)
    assert "s3cr3t" not in json.dumps([row.hosts for row in InventorySync.objects.all()])


def test_a_cloud_that_refuses_or_is_away_is_told(sources: Sources) -> None:
    pool = PoolKey.objects.get(environment_id="development").public
    said = {"region": "eu-central-1", "endpoint": "http://127.0.0.1:9", "secret": "aws"}
    sources.set_up("aws-ec2", said)
    assert "holds no sealed secret named aws" in sources.sync().problem
    for value, why in ((b"{}", "lacks access_key_id"), (b"[", "is no JSON object")):
        sources.world.propose("secret", secret_object(environment="development", name="aws", value=value, pool=pool))
        assert why in sources.sync().problem
    value = json.dumps({"access_key_id": "a", "secret_access_key": "b"}).encode()
    sources.world.propose("secret", secret_object(environment="development", name="aws", value=value, pool=pool))
    assert "AWS did not answer: EndpointConnectionError" in sources.sync().problem
