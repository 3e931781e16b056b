"""Running EC2 instances of one region, with their tags. EC2 does not tell host keys: those come from known_hosts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from procedures.domain.inventory_sources import Found, Nearby, Read, Source, SourceFailed, sound
from procedures.inventories.known_hosts import keys_of

TIMEOUT_S = 10
KEYS = ("access_key_id", "secret_access_key", "session_token")
ADDRESSES = {"private": "PrivateIpAddress", "public": "PublicIpAddress"}


class Ec2Instances(Source):
    """`settings.secret` names a sealed JSON object: access_key_id, secret_access_key, perhaps session_token."""

    kind: ClassVar[str] = "aws-ec2"

    def read(self, settings: Mapping[str, Any], near: Nearby) -> Read:
        known = near.file(str(settings["known_hosts"])).decode(errors="replace") if "known_hosts" in settings else ""
        rows = list(_instances(settings, _keys(near, str(settings["secret"]))))
        place = ADDRESSES[str(settings.get("address", "private"))]
        titles = {row["InstanceId"]: _tags(row).get(str(settings.get("name_tag", "Name")), "") for row in rows}
        often = Counter(titles.values())
        found: list[Found] = []
        notes: list[str] = []
        for row in rows:
            marked = titles[row["InstanceId"]]
            name = marked if marked and often[marked] == 1 else str(row["InstanceId"])
            address = str(row.get(place) or "")
            if not address:
                notes.append(f"{name[:200]!r} is left out: it has no {settings.get('address', 'private')} address")
                continue
            keys = keys_of(known, address, 22) or keys_of(known, name, 22)
            facts = {"instance": str(row["InstanceId"]), "class": str(row.get("InstanceType", ""))}
            facts["zone"] = str((row.get("Placement") or {}).get("AvailabilityZone", ""))
            tags = _tags(row)
            found.append(Found(name, address, 22, keys[0] if keys else "", tags.get("owner", ""), tags, facts))
        return sound(found, notes)


def _keys(near: Nearby, name: str) -> dict[str, str]:
    try:
        value = json.loads(near.secret(name).reveal())
        keys = {key: str(value[key]) for key in KEYS if value.get(key)}
    except (ValueError, AttributeError) as problem:
        raise SourceFailed(f"The secret {name} is no JSON object with {', '.join(KEYS[:2])}.") from problem
    if not {"access_key_id", "secret_access_key"} <= set(keys):
        raise SourceFailed(f"The secret {name} lacks {' or '.join(KEYS[:2])}.")
    return keys


def _instances(settings: Mapping[str, Any], keys: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as problem:
        raise SourceFailed("boto3 is not installed on the runner: install opsportal[aws] there.") from problem
    filters = [{"Name": "instance-state-name", "Values": ["running"]}]
    filters += [{"Name": f"tag:{key}", "Values": [value]} for key, value in settings.get("tags", {}).items()]
    try:
        client = boto3.session.Session().client(
            "ec2",
            region_name=settings["region"],
            endpoint_url=settings.get("endpoint"),
            config=Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"max_attempts": 2}),
            **{f"aws_{key}": value for key, value in keys.items()},
        )
        for page in client.get_paginator("describe_instances").paginate(Filters=filters):
            for reservation in page["Reservations"]:
                yield from reservation["Instances"]
    except ClientError as problem:
        raise SourceFailed(f"AWS refused: {problem.response['Error'].get('Code', 'no reason given')}.") from problem
    except BotoCoreError as problem:
        raise SourceFailed(f"AWS did not answer: {type(problem).__name__}.") from problem


def _tags(row: Mapping[str, Any]) -> dict[str, str]:
    return {str(tag["Key"]): str(tag["Value"]) for tag in row.get("Tags") or []}
