"""`aws-sts` against a server of AWS's protocol. It evaluates no policy, so what is asked of it is looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from procedures.credentials.aws_policies import covers, session_policy
from procedures.credentials.aws_sts import AwsRefused
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable
from tests.credentials.clouds import READ, ROLE, Cloud


def test_what_is_asked_of_aws_names_the_run_and_narrows_the_role(cloud: Cloud) -> None:
    number = uuid4()
    lease = cloud.lend({"policy": {"Statement": [READ]}}, lease=number, external_id="e-1")
    asked = next(row for row in cloud.asked if row["Action"] == "AssumeRole")
    assert json.loads(asked["Policy"])["Statement"] == [READ]
    assert (asked["RoleArn"], asked["DurationSeconds"], asked["ExternalId"]) == (ROLE, "900", "e-1")
    assert asked["SourceIdentity"] == "rita-o-hara"
    assert asked["RoleSessionName"].startswith("rita-o-hara-1-")
    tags = {asked[f"Tags.member.{n}.Key"]: asked[f"Tags.member.{n}.Value"] for n in range(1, 6)}
    assert tags["opsportal-lease"] == str(number)
    assert tags["opsportal-digest"] == "sha256:" + "a" * 64
    assert {asked[f"TransitiveTagKeys.member.{n}"] for n in range(1, 6)} == set(tags)
    assert lease.self_expiring
    assert lease.expires_at > now() + timedelta(minutes=14)
    assert set(lease.env) == {
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION")
    }
    told = json.dumps(lease.evidence)
    assert lease.evidence["session"].endswith(asked["RoleSessionName"])
    assert all(secret.reveal().decode() not in told + lease.handle for secret in lease.material.values())
    assert len(lease.handle) <= 300


def test_keys_that_were_lent_are_keys(cloud: Cloud) -> None:
    import boto3

    lease = cloud.lend()
    given = {key.lower(): v.reveal().decode() if isinstance(v, Secret) else v for key, v in lease.env.items()}
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    client = boto3.client(
        "sts", endpoint_url=cloud.url, region_name=given["aws_region"], **{name: given[name] for name in names}
    )
    assert client.get_caller_identity()["Arn"] == lease.evidence["session"]


def test_a_lease_ends_by_a_denial_of_its_tag_where_the_binding_says_so(cloud: Cloud) -> None:
    number = uuid4()
    lease = cloud.lend(lease=number, deny=True)
    assert lease.kills_sessions
    assert cloud.provider.revoke(lease.handle, "over") == "revoked"
    assert cloud.provider.revoke(lease.handle, "twice") == "revoked"
    (name,) = cloud.denials()
    said = cloud.iam().get_role_policy(RoleName="deployer", PolicyName=name)["PolicyDocument"]
    (denied,) = said["Statement"]
    assert denied["Effect"] == "Deny"
    assert denied["Condition"] == {"StringEquals": {"aws:PrincipalTag/opsportal-lease": str(number)}}
    assert cloud.provider.sweep([lease.handle]) == ()
    assert cloud.denials() == [name], "its session would still be good"
    over = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
    cloud.iam().put_role_policy(
        RoleName="deployer", PolicyName=f"opsportal-ended-{over}-{uuid4()}", PolicyDocument=json.dumps(said)
    )
    cloud.iam().put_role_policy(RoleName="deployer", PolicyName="theirs", PolicyDocument=json.dumps(said))
    cloud.provider.sweep([lease.handle])
    assert sorted(cloud.denials()) == sorted([name, "theirs"])
    past = lease.handle.replace(lease.handle.split(" ")[-2], str(over))
    assert cloud.provider.revoke(past, "late") == "already-gone"


def test_without_a_right_to_deny_a_lease_ends_by_its_time(cloud: Cloud) -> None:
    lease = cloud.lend()
    cloud.asked.clear()
    assert (lease.kills_sessions, cloud.provider.revoke(lease.handle, "over")) == (False, "expires-only")
    assert cloud.asked == []


@pytest.mark.parametrize(
    "keys", [b"not json", b"[]", b'{"access_key_id": "x"}', b"null"], ids=["text", "list", "half", "null"]
)
def test_keys_of_the_issuer_that_are_none(cloud: Cloud, keys: bytes) -> None:
    cloud.keys = keys
    with pytest.raises(AwsRefused, match="is no JSON object"):
        cloud.lend()
    assert cloud.asked == []


def test_an_aws_that_does_not_answer(cloud: Cloud) -> None:
    with pytest.raises(AwsRefused, match="did not answer"):
        cloud.lend(endpoint="http://127.0.0.1:9")
    with pytest.raises(AwsRefused, match="AWS refused"):
        cloud.provider.revoke(f"staging aws eu-central-1 {cloud.url} {ROLE}x deny 99999999999 {uuid4()}", "over")


BAD: Mapping[str, Mapping[str, Any]] = {
    "any role": {"role": "arn:aws:iam::123456789012:role/*"},
    "a user": {"role": "arn:aws:iam::123456789012:user/x"},
    "no region": {"region": ""},
    "two regions": {"region": "eu-central-1 us-east-1"},
    "a path": {"endpoint": "https://sts.example.com/x"},
    "ten minutes": {"max_ttl_s": 600},
    "no policy": {"policy": None},
    "a policy of words": {"policy": "all"},
    "no statement": {"policy": {"Statement": []}},
    "everything": {"policy": {"Statement": [{**READ, "Action": "*"}]}},
    "a whole service": {"policy": {"Statement": [{**READ, "Action": "s3:*"}]}},
    "every resource": {"policy": {"Statement": [{**READ, "Action": "s3:PutObject", "Resource": "*"}]}},
    "all but": {"policy": {"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "x"}]}},
    "a denial": {"policy": {"Statement": [{**READ, "Effect": "Deny"}]}},
    "a principal": {"policy": {"Statement": [{**READ, "Principal": "*"}]}},
    "too long": {"policy": {"Statement": [{**READ, "Resource": [f"arn:aws:s3:::{n}/*" for n in range(200)]}]}},
}


@pytest.mark.parametrize("what", BAD)
def test_a_binding_gives_one_role_and_less_than_all_of_it(cloud: Cloud, what: str) -> None:
    need = CredentialNeed("cloud", "aws", {}, 900)
    cloud.provider.validate(need, cloud.binding())
    with pytest.raises(NotIssuable):
        cloud.provider.validate(need, cloud.binding(**BAD[what]))


@pytest.mark.parametrize(
    "row",
    [
        {**READ, "Action": "s3:DeleteObject"},
        {**READ, "Resource": "arn:aws:s3:::*"},
        {**READ, "Resource": "arn:aws:s3:::logs"},
        {**READ, "Action": ["s3:GetObject", "sts:AssumeRole"]},
    ],
)
def test_a_procedure_gets_no_more_than_the_binding_allows(cloud: Cloud, row: Mapping[str, Any]) -> None:
    with pytest.raises(NotIssuable, match="reaches beyond"):
        cloud.lend({"policy": {"Statement": [READ, row]}})
    assert cloud.asked == []


def test_a_condition_of_the_binding_stands_in_what_the_procedure_asks() -> None:
    held = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    ceiling = {"Statement": [{**READ, "Condition": held}]}
    with pytest.raises(NotIssuable, match="reaches beyond"):
        session_policy({"Statement": [READ]}, ceiling)
    assert json.loads(session_policy({"Statement": [{**READ, "Condition": held}]}, ceiling))
    assert json.loads(session_policy({"Statement": [{**READ, "Condition": held}]}, {"Statement": [READ]}))


@pytest.mark.parametrize(
    ("wide", "narrow", "good"),
    [
        ("s3:Get*", "s3:GetObject", True),
        ("s3:Get*", "s3:Get*", True),
        ("s3:Get*", "s3:*", False),
        ("s3:GetObjec?", "s3:GetObject", True),
        ("s3:GetObjec?", "s3:GetObjec*", False),
        ("a?c", "a?c", True),
        ("a.c", "abc", False),
        ("*", "a\nb", True),
    ],
)
def test_a_pattern_covers_what_lies_within_it(wide: str, narrow: str, good: bool) -> None:
    assert covers(wide, narrow) is good
