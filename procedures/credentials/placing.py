"""Putting a secret result where it belongs, with what was lent for that: Vault, Kubernetes, AWS Secrets Manager.

Each place is written by one field, and what stands beside that field stays. Nobody here reads a secret. A refusal names
the place and the server's words, and says whether the value may have arrived all the same.

Sources: Vault's HTTP API, page KV version 2; Kubernetes API, Secret v1; AWS Secrets Manager's API reference.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from procedures.domain.errors import OpsError
from procedures.domain.ports import Lease
from procedures.domain.secrets import Secret

TIMEOUT_S = 10.0
MERGE = "application/merge-patch+json"
KUBECONFIG, VAULT_CA = "KUBECONFIG", "VAULT_CACERT"


class NotPlaced(OpsError):
    """A secret result was made and is not where it was to go, or nobody knows whether it is."""

    code = "result.not-placed"
    next_step = "Look at the place and at what the credential may there, end what the value opens, and run it again."


def into_vault(lease: Lease, place: Mapping[str, str], value: Secret) -> None:
    """One field of one secret of a KV engine, version 2: a new version, in which its other fields stay.

    The token needs `patch` and `create` there, and not `read`. Raises NotPlaced.
    """
    engine, _, path = place["path"].partition("/")
    url = f"{lease.env['VAULT_ADDR']}/v1/{engine}/data/{path}"
    headers = {"X-Vault-Token": lease.material["token"].reveal().decode(), "X-Vault-Request": "true"}
    if "VAULT_NAMESPACE" in lease.env:
        headers["X-Vault-Namespace"] = str(lease.env["VAULT_NAMESPACE"])
    trusted = lease.files[VAULT_CA].reveal().decode() if VAULT_CA in lease.files else None
    body: dict[str, Any] = {"data": {place["key"]: _text(value)}}
    status, words = _sent("Vault", "PATCH", url, body, {**headers, "Content-Type": MERGE}, trusted)
    if status == 404:  # there is none yet; `cas: 0` makes one only as long as that is so
        status, words = _sent("Vault", "POST", url, body | {"options": {"cas": 0}}, headers, trusted)
    _require("Vault", status, words)


def into_kubernetes(lease: Lease, place: Mapping[str, str], value: Secret) -> None:
    """One key of one Secret in the namespace of the credential. The account needs `patch` and `create` on secrets.

    Raises NotPlaced.
    """
    if KUBECONFIG not in lease.files:
        raise NotPlaced("This credential speaks to another party than the API server, so that it stores nothing.")
    config = json.loads(lease.files[KUBECONFIG].reveal())
    cluster, space = config["clusters"][0]["cluster"], config["contexts"][0]["context"]["namespace"]
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}", "Accept": "application/json"}
    held = cluster.get("certificate-authority-data", "")
    trusted = base64.b64decode(held).decode() if held else None
    url = f"{cluster['server']}/api/v1/namespaces/{space}/secrets"
    data = {"data": {place["key"]: base64.b64encode(value.reveal()).decode()}}
    name = place["secret"]
    status, words = _sent("Kubernetes", "PATCH", f"{url}/{name}", data, {**headers, "Content-Type": MERGE}, trusted)
    if status == 404:
        about = {"name": name, "labels": {"app.kubernetes.io/managed-by": "opsportal"}}
        made = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": about, **data}
        status, words = _sent("Kubernetes", "POST", url, made, headers, trusted)
    _require("Kubernetes", status, words)


def into_aws(lease: Lease, place: Mapping[str, str], value: Secret) -> None:
    """A new version of one secret, or the secret. The keys need PutSecretValue, CreateSecret. Raises NotPlaced."""
    body = {"SecretString": _text(value), "ClientRequestToken": str(uuid4())}
    status, words = _aws(lease, "PutSecretValue", {"SecretId": place["secret"], **body})
    if status in {400, 404} and "ResourceNotFoundException" in words:
        status, words = _aws(lease, "CreateSecret", {"Name": place["secret"], **body})
    _require("AWS Secrets Manager", status, words)


def _aws(lease: Lease, action: str, body: Mapping[str, Any]) -> tuple[int, str]:
    """One signed request, without the client of AWS's library: that one writes every request into its debug log."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    region = str(lease.env["AWS_REGION"])
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    url = str(lease.env.get("AWS_ENDPOINT_URL_SECRETS_MANAGER") or f"https://secretsmanager.{region}.{suffix}") + "/"
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    keys = [held.reveal().decode() if isinstance(held := lease.env[name], Secret) else held for name in names]
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"secretsmanager.{action}"}
    signed = AWSRequest("POST", url, headers=headers, data=json.dumps(body).encode())
    SigV4Auth(Credentials(*keys), "secretsmanager", region).add_auth(signed)
    return _sent("AWS Secrets Manager", "POST", url, signed.data, dict(signed.headers.items()), None)


def _sent(
    who: str, method: str, url: str, body: Mapping[str, Any] | bytes, headers: Mapping[str, str], trusted: str | None
) -> tuple[int, str]:
    """(status, the server's words). No redirect is followed: a value goes to the server that was named (H39)."""
    import httpx

    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        answer = httpx.request(
            method,
            url,
            content=content,
            headers={"Content-Type": "application/json", **headers},
            timeout=TIMEOUT_S,
            verify=ssl.create_default_context(cadata=trusted),
            trust_env=False,
        )
    except (httpx.ConnectError, httpx.ConnectTimeout) as problem:
        raise NotPlaced(f"{who} was not reached, so nothing arrived ({type(problem).__name__}).") from None
    except httpx.HTTPError as problem:
        raise NotPlaced(f"{who} did not answer: nobody knows whether it arrived ({type(problem).__name__}).") from None
    return answer.status_code, "" if answer.is_success else answer.text[:300]


def _require(who: str, status: int, words: str) -> None:
    """Raises NotPlaced; after an error of the server's own nobody knows what it did."""
    if 200 <= status < 300:
        return
    arrived = "nobody knows whether it arrived" if status >= 500 else "nothing arrived"
    raise NotPlaced(f"{who} answered {status}, and {arrived}: {' '.join(words.split())}"[:600])


def _text(value: Secret) -> str:
    return value.reveal().decode()
