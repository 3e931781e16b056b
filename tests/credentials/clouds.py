"""An AWS that a test has for itself: the library's server of its protocol, and a record of what was asked of it."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID, uuid4
from wsgiref.simple_server import WSGIRequestHandler, make_server

from procedures.credentials.aws_sts import AwsSts
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease
from procedures.domain.secrets import Secret
from tests.postgres.conftest import context

ROLE = "arn:aws:iam::123456789012:role/deployer"
READ = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::logs/*"]}
CEILING = {"Statement": [{"Effect": "Allow", "Action": ["s3:Get*", "s3:PutObject"], "Resource": "arn:aws:s3:::logs/*"}]}
OURS = {"access_key_id": "AKIAOURS", "secret_access_key": "ours"}


@dataclass(slots=True)
class Cloud:
    """An AWS of this test, and what was asked of it: (service action, form)."""

    url: str = ""
    asked: list[Mapping[str, str]] = field(default_factory=list)
    targets: list[tuple[str, bytes]] = field(default_factory=list)  # (operation, body) of what is asked in JSON
    keys: bytes = field(default_factory=lambda: json.dumps(OURS).encode())

    @property
    def provider(self) -> AwsSts:
        return AwsSts(lambda environment, name: Secret(self.keys))

    def binding(self, role: str = ROLE, max_ttl_s: int = 3600, **changes: Any) -> Binding:
        ceiling = {"region": "eu-central-1", "secret": "aws", "endpoint": self.url, "policy": CEILING, **changes}
        return Binding("staging", "cloud", "aws-sts", role, ceiling, max_ttl_s, {}, "sha256:x")

    def lend(self, scope: Mapping[str, Any] | None = None, *, lease: UUID | None = None, **changes: Any) -> Lease:
        need = CredentialNeed("cloud", "aws", scope or {}, 900)
        who = replace(context(), requester="rita o'hara")
        return self.provider.issue(who, need, self.binding(**changes), lease or uuid4(), at=now(), ttl_s=900)

    def iam(self) -> Any:
        import boto3

        given = {"aws_access_key_id": "AKIAROOT", "aws_secret_access_key": "x"}
        return boto3.client("iam", region_name="eu-central-1", endpoint_url=self.url, **given)

    def secret(self, name: str) -> str:
        """What lies under that name, as its owner reads it."""
        import boto3

        given = {"aws_access_key_id": "AKIAROOT", "aws_secret_access_key": "x"}
        client = boto3.client("secretsmanager", region_name="eu-central-1", endpoint_url=self.url, **given)
        return str(client.get_secret_value(SecretId=name)["SecretString"])

    def denials(self) -> list[str]:
        return list(self.iam().list_role_policies(RoleName="deployer")["PolicyNames"])


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def a_cloud() -> Iterator[Cloud]:
    from moto.backends import get_backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    for name in ("sts", "iam", "secretsmanager"):
        get_backend(name).reset()
    made, inner = Cloud(), DomainDispatcherApplication(create_backend_app)

    def recorded(environ: dict[str, Any], start: Any) -> Any:
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(raw)
        if target := environ.get("HTTP_X_AMZ_TARGET", ""):
            made.targets.append((target, raw))
        made.asked.append({key: values[0] for key, values in parse_qs(raw.decode()).items()})
        return inner(environ, start)

    with make_server("127.0.0.1", 0, recorded, handler_class=Quiet) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        made.iam().create_role(RoleName="deployer", AssumeRolePolicyDocument="{}")
        made.asked.clear()
        yield made
        server.shutdown()
