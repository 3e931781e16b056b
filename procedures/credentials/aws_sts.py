"""`aws-sts`: keys for one run, from a role and a session policy below it, named after who asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from procedures.credentials import placing
from procedures.credentials.aws_policies import session_policy, statements
from procedures.credentials.sealed import Fetch
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.errors import OpsError
from procedures.domain.ports import Binding, Lease, Provider, RunContext
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable

ROLE = re.compile(r"^arn:(aws|aws-cn|aws-us-gov):iam::[0-9]{12}:role/([\w+=,.@/-]{1,512})$", re.ASCII)
REGION = re.compile(r"^[a-z]{2}(-[a-z]+)+-[0-9]$")
ENDPOINT = re.compile(r"^https?://[A-Za-z0-9.:-]{1,52}$")
STORE = re.compile(r"^https://[A-Za-z0-9.:-]{1,100}$|^http://(localhost|127\.[0-9.]{1,12})(:[0-9]{1,5})?$")
UNSAFE = re.compile(r"[^\w+=,.@-]", re.ASCII)
SHORTEST_S, TIMEOUT_S = 900, 10
ENDED = "opsportal-ended-"
KEYS = ("access_key_id", "secret_access_key", "session_token")


class AwsRefused(OpsError):
    """AWS gave no keys, or could not be asked."""

    code = "aws.refused"
    next_step = "Look at the role's trust policy and at the rights of the issuer's own keys."


@dataclass(frozen=True, slots=True)
class Place:
    """Where keys are asked for, and whose keys the issuer shows; as words it is what a handle begins with."""

    environment: str
    secret: str
    region: str
    endpoint: str
    role: str

    def __str__(self) -> str:
        return " ".join(word or "-" for word in (self.environment, self.secret, self.region, self.endpoint, self.role))


class AwsSts(Provider):
    """The role is an ARN. The ceiling: `{"region", "policy"?, "secret"?, "external_id"?, "deny"?, "endpoint"?,
    "secrets_endpoint"?}`.

    `secret` names a sealed JSON object with the issuer's keys; without it those of the machine count. With `deny` the
    issuer may also write inline policies of the role, and ends a lease by denying its session tag.
    """

    kind: ClassVar[str] = "aws"
    min_ttl_s: ClassVar[int] = SHORTEST_S

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch

    def validate(self, need: CredentialNeed, binding: Binding) -> None:
        _place(binding)
        if min(need.ttl_s, binding.max_ttl_s) < SHORTEST_S:
            raise NotIssuable("AWS lends for 15 minutes at least: let the credential's ttl be 15m or more.")
        _secrets_endpoint(binding)
        if (ceiling := binding.ceiling.get("policy")) is not None:
            statements(ceiling, "ceiling.policy")
        session_policy(need.scope.get("policy"), ceiling)
        for field, bound in (("role", binding.role), ("region", binding.ceiling.get("region"))):
            if (wanted := need.scope.get(field)) is not None and wanted != bound:
                raise NotIssuable(f"The procedure asks for the {field} {wanted}, the binding gives {bound}.")

    def issue(
        self, context: RunContext, need: CredentialNeed, binding: Binding, lease_id: UUID, *, at: datetime, ttl_s: int
    ) -> Lease:
        self.validate(need, binding)
        place, policy = _place(binding), session_policy(need.scope.get("policy"), binding.ceiling.get("policy"))
        tags = {
            "opsportal-run": str(context.run_id),
            "opsportal-lease": str(lease_id),
            "opsportal-procedure": context.procedure,
            "opsportal-digest": context.digest,
            "opsportal-environment": context.environment,
        }
        asked = {
            "RoleArn": binding.role,
            "RoleSessionName": UNSAFE.sub("-", f"{context.requester}-{context.run_no}-{lease_id.hex[-8:]}")[-64:],
            "SourceIdentity": UNSAFE.sub("-", context.requester)[:64].ljust(2, "-"),
            "DurationSeconds": ttl_s,
            "Policy": policy,
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            "TransitiveTagKeys": list(tags),
        }
        if external := binding.ceiling.get("external_id"):
            asked["ExternalId"] = str(external)
        with self._client(place, "sts") as client:
            said = client.assume_role(**asked)
        keys, who = said["Credentials"], said["AssumedRoleUser"]["Arn"]
        env = {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": Secret(keys["SecretAccessKey"].encode()),
            "AWS_SESSION_TOKEN": Secret(keys["SessionToken"].encode()),
            "AWS_REGION": place.region,
            "AWS_DEFAULT_REGION": place.region,
        }
        if other := _secrets_endpoint(binding):
            env["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = other
        ends = "deny" if binding.ceiling.get("deny") is True else "expires"
        return Lease(
            id=lease_id,
            provider="aws-sts",
            target=context.target.name if context.target else None,
            handle=f"{place} {ends} {int(keys['Expiration'].timestamp())} {lease_id}",
            issued_at=at,
            expires_at=keys["Expiration"],
            renewable=False,
            self_expiring=True,
            kills_sessions=ends == "deny",
            evidence={
                "role": binding.role,
                "session": who,
                "access_key_id": keys["AccessKeyId"],
                "source_identity": asked["SourceIdentity"],
                "policy": json.loads(policy),
                "region": place.region,
            },
            material={name: value for name, value in env.items() if isinstance(value, Secret)},
            env=env,
        )

    def revoke(self, handle: str, why: str) -> Literal["revoked", "already-gone", "expires-only"]:
        place, ends, until, lease = _read(handle)
        if ends != "deny":
            return "expires-only"
        if until <= now().timestamp():
            return "already-gone"
        condition = {"StringEquals": {"aws:PrincipalTag/opsportal-lease": lease}}
        denied = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}
        document = json.dumps({"Version": "2012-10-17", "Statement": [denied]}, separators=(",", ":"))
        name = f"{ENDED}{until}-{lease}"
        with self._client(place, "iam") as client:
            client.put_role_policy(RoleName=_name(place.role), PolicyName=name, PolicyDocument=document)
        return "revoked"

    @classmethod
    def put(cls, lease: Lease, place: Mapping[str, str], value: Secret) -> None:
        placing.into_aws(lease, place, value)

    def sweep(self, known_open: Sequence[str]) -> Sequence[str]:
        """Takes away denials whose sessions are over by themselves; leases that nobody knows end by their time."""
        for place in {str(place): place for place, ends, _, _ in map(_read, known_open) if ends == "deny"}.values():
            with self._client(place, "iam") as client:
                pages = client.get_paginator("list_role_policies").paginate(RoleName=_name(place.role))
                for name in [name for page in pages for name in page["PolicyNames"] if name.startswith(ENDED)]:
                    until = name.removeprefix(ENDED).partition("-")[0]
                    if until.isdigit() and int(until) <= now().timestamp():
                        client.delete_role_policy(RoleName=_name(place.role), PolicyName=name)
        return ()

    @contextmanager
    def _client(self, place: Place, service: str) -> Iterator[Any]:
        """A client with the issuer's keys. Raises AwsRefused, for whatever is asked of it inside too."""
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as problem:
            raise AwsRefused("boto3 is not installed here: install opsportal[aws] where the issuer runs.") from problem
        keys = self._keys(place) if place.secret else {}
        try:
            yield boto3.session.Session().client(
                service,
                region_name=place.region,
                endpoint_url=place.endpoint or None,
                config=Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"max_attempts": 2}),
                **{f"aws_{key}": value for key, value in keys.items()},
            )
        except ClientError as problem:
            told = problem.response["Error"]
            raise AwsRefused(f"AWS refused: {told.get('Code')}: {told.get('Message', '')}"[:500]) from None
        except BotoCoreError as problem:
            raise AwsRefused(f"AWS did not answer: {type(problem).__name__}.") from None

    def _keys(self, place: Place) -> Mapping[str, str]:
        try:
            value = json.loads(self.fetch(place.environment, place.secret).reveal())
            keys = {key: str(value[key]) for key in KEYS if value.get(key)}
        except (ValueError, AttributeError):
            keys = {}
        if not set(KEYS[:2]) <= set(keys):
            raise AwsRefused(f"The secret {place.secret} is no JSON object with {' and '.join(KEYS[:2])}.")
        return keys


def _place(binding: Binding) -> Place:
    given = binding.ceiling
    secret, region, endpoint = (str(given.get(name, "")) for name in ("secret", "region", "endpoint"))
    if not ROLE.fullmatch(binding.role):
        raise NotIssuable(f"{binding.role!r} is not the ARN of one role.")
    if not REGION.fullmatch(region):
        raise NotIssuable("ceiling.region: name one region, as in eu-central-1.")
    if endpoint and not ENDPOINT.fullmatch(endpoint):
        raise NotIssuable("ceiling.endpoint: an address of a VPC endpoint, without a path.")
    if len(binding.role) > 100 or len(secret) > 40:
        raise NotIssuable("The names of role and secret are too long to be kept.")
    return Place(binding.environment, secret, region, endpoint, binding.role)


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def _read(handle: str) -> tuple[Place, str, int, str]:
    *words, ends, until, lease = handle.split(" ")
    environment, secret, region, endpoint, role = ("" if word == "-" else word for word in words)
    return Place(environment, secret, region, endpoint, role), ends, int(until), lease


def _secrets_endpoint(binding: Binding) -> str:
    """Where Secrets Manager is reached, if not by its public name: an endpoint inside the account's own network."""
    given = str(binding.ceiling.get("secrets_endpoint", ""))
    if given and not STORE.fullmatch(given):
        raise NotIssuable("ceiling.secrets_endpoint: an https address without a path.")
    return given
