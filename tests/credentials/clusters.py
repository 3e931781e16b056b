"""An API server of Kubernetes' protocol over TLS, written from its reference: tokens, Secrets, and RBAC."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from procedures.credentials.kubernetes_setup import manifest
from procedures.credentials.kubernetes_token import KubernetesToken
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.ports import Binding, Lease
from procedures.domain.secrets import Secret
from tests.postgres.conftest import context
from tests.signon.certificates import signed_by_itself

LOGIN, NAMESPACE = "the-issuer's-own-token", "runs"
NEED = CredentialNeed("k8s", "kubernetes", {}, 900)
ABOUT_ONESELF = {"selfsubjectrulesreviews", "selfsubjectaccessreviews", "selfsubjectreviews"}
Answer = tuple[int, dict[str, Any]]


@dataclass(slots=True)
class Given:
    """A token that this server made."""

    account: str
    audiences: Sequence[str]
    until: float
    secret: str
    uid: str


@dataclass(slots=True)
class Server:
    """`rules` are what the issuer's identity may, as `kubectl apply` of the manifest leaves it."""

    url: str = ""
    rules: list[dict[str, Any]] = field(default_factory=list)
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, Given] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    refuses: str = ""
    longer_s: int = 0
    grants: dict[str, set[tuple[str, str]]] = field(default_factory=dict)  # what other accounts may: (verb, resource)

    def who(self, token: str) -> str:
        """The account of a token: in time, for this server, and with its object there (the object of that very uid)."""
        if token == LOGIN:
            return "opsportal-issuer"
        one = self.tokens.get(token)
        if one is None or one.until < time.time() or "https://kubernetes.default.svc" not in one.audiences:
            return ""
        bound = self.secrets.get(one.secret)
        return one.account if bound and bound["metadata"]["uid"] == one.uid else ""

    def may(self, who: str, verb: str, resource: str, name: str) -> bool:
        if resource in ABOUT_ONESELF:
            return True
        if (verb, resource) in self.grants.get(who, set()):
            return True
        rows = self.rules if who == "opsportal-issuer" else []
        return any(
            verb in row["verbs"] and resource in row["resources"] and (name in row.get("resourceNames", [name]))
            for row in rows
        )

    def answer(self, method: str, path: str, body: Any, token: str) -> Answer:
        who = self.who(token)
        if not who:
            return _status(401, "Unauthorized")
        if path == "/version":
            return 200, {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}
        parts = path.strip("/").split("/")
        place = parts[4:] if parts[:3] == ["api", "v1", "namespaces"] else parts[3:]
        if parts[:3] == ["api", "v1", "namespaces"] and parts[3] != NAMESPACE:
            return _status(403, "forbidden: another namespace")
        resource, name = place[0], place[1] if len(place) > 1 else ""
        resource = "/".join([resource, *place[2:]])
        verb = {"POST": "create", "DELETE": "delete", "PATCH": "patch", "GET": "get" if name else "list"}[method]
        if not self.may(who, verb, resource, name):
            return _status(403, f'{resource} is forbidden: User "{who}" cannot {verb} resource "{resource}"')
        if self.refuses and self.refuses == resource:
            return _status(500, "etcdserver: request timed out")
        return self.done(who, verb, resource, name, body)

    def done(self, who: str, verb: str, resource: str, name: str, body: Any) -> Answer:
        if resource == "secrets" and verb == "create":
            name = body["metadata"]["name"]
            if name in self.secrets:
                return _status(409, f'secrets "{name}" already exists')
            self.secrets[name] = {**body, "metadata": {**body["metadata"], "uid": str(uuid4())}}
            return 201, self.secrets[name]
        if resource == "secrets" and verb == "patch":
            if (held := self.secrets.get(name)) is None:
                return _status(404, f'secrets "{name}" not found')
            held["data"] = {**held.get("data", {}), **body["data"]}
            return 200, held
        if resource == "secrets":
            return _status(200, "") if self.secrets.pop(name, None) else _status(404, f'secrets "{name}" not found')
        if resource == "serviceaccounts/token":
            return self.lent(name, body["spec"])
        if resource == "selfsubjectrulesreviews":
            return 201, {
                "status": {"resourceRules": [*self.rules, _BASIC], "nonResourceRules": [], "incomplete": False}
            }
        return 201, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"} | {
            "status": {"userInfo": {"username": f"system:serviceaccount:{NAMESPACE}:{who}"}}
        }

    def lent(self, account: str, spec: Mapping[str, Any]) -> Answer:
        if spec["expirationSeconds"] < 600:
            return _status(422, "spec.expirationSeconds: may not specify a duration less than 10 minutes")
        bound = spec["boundObjectRef"]
        held = self.secrets.get(bound["name"])
        if held is None or held["metadata"]["uid"] != bound["uid"]:
            return _status(409, "the UID in the bound object reference does not match the UID in record")
        until = int(time.time()) + spec["expirationSeconds"] + self.longer_s
        audiences = spec.get("audiences") or ["https://kubernetes.default.svc"]
        words = {"sub": f"system:serviceaccount:{NAMESPACE}:{account}", "aud": audiences, "jti": str(uuid4())}
        token = "eyJhbGciOiJSUzI1NiJ9." + base64.urlsafe_b64encode(json.dumps(words).encode()).decode().rstrip("=")
        token += f".{uuid4().hex}{uuid4().hex}"
        self.tokens[token] = Given(account, audiences, until, bound["name"], bound["uid"])
        said = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return 201, {"status": {"token": token, "expirationTimestamp": said}}


_BASIC = {
    "apiGroups": ["authorization.k8s.io"],
    "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    "verbs": ["create"],
}


def _status(code: int, message: str) -> Answer:
    return code, {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}


@dataclass(slots=True)
class Cluster:
    """A server, and the provider of an issuer whose identity has what the manifest gives it."""

    server: Server
    authority: Path
    login: bytes = json.dumps({"token": LOGIN}).encode()
    provider: KubernetesToken = field(init=False)

    def __post_init__(self) -> None:
        self.anew()

    def anew(self) -> None:
        """An issuer that was started again: what it had in memory is gone."""
        self.provider = KubernetesToken(lambda environment, name: Secret(self.login), self.authority)

    def binding(self, role: str = "deployer", max_ttl_s: int = 900, **changes: Any) -> Binding:
        ceiling = {"server": self.server.url, "namespace": NAMESPACE, "secret": "k8s", **changes}
        return Binding("staging", "k8s", "kubernetes-token", role, ceiling, max_ttl_s, {}, "sha256:x")

    def lend(self, role: str = "deployer", *, lease: UUID | None = None, **changes: Any) -> Lease:
        return self.provider.issue(
            context(), NEED, self.binding(role, **changes), lease or uuid4(), at=now(), ttl_s=900
        )

    def lets_in(self, lease: Lease) -> bool:
        return self.server.who(lease.material["token"].reveal().decode()) == "deployer"


@contextmanager
def a_cluster(folder: Path) -> Iterator[Cluster]:
    server, pair = Server(rules=manifest(NAMESPACE, ["deployer"])[1]["rules"]), signed_by_itself("k8s", "127.0.0.1")
    (folder / "ca.pem").write_text(pair.certificate)
    (folder / "both.pem").write_text(pair.key + pair.certificate)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            path = self.path.partition("?")[0]
            server.asked.append((self.command, path, body))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, said = server.answer(self.command, path, body, token)
            raw = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = do_PATCH = handle_any  # noqa: N815 - named by the library

        def log_message(self, *_: Any) -> None:
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "both.pem")
    http.socket = tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    server.url = f"https://127.0.0.1:{http.server_address[1]}"
    try:
        yield Cluster(server, folder / "ca.pem")
    finally:
        http.shutdown()
        http.server_close()
