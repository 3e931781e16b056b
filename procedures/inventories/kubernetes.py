"""The contexts of a kubeconfig: each cluster once, known by the certificate authority of its API server.

Source: Kubernetes' documentation, "Organizing Cluster Access Using kubeconfig Files". Users' tokens are not read.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from procedures.definitions import guard
from procedures.domain.errors import OpsError
from procedures.domain.inventory_sources import Found, Nearby, Read, Source, SourceFailed, sound

TLS = 443


class KubernetesContexts(Source):
    """`settings.file` is a kubeconfig whose clusters carry their authority in the file itself."""

    kind: ClassVar[str] = "kubernetes"

    def read(self, settings: Mapping[str, Any], near: Nearby) -> Read:
        name = str(settings["file"])
        try:
            said = guard.load(near.file(name)).value
        except SourceFailed:
            raise
        except OpsError as problem:
            raise SourceFailed(f"{name}: {problem.message}") from problem
        if not isinstance(said, Mapping) or said.get("kind") != "Config":
            raise SourceFailed(f"{name} is no kubeconfig: kind must be Config.")
        clusters, contexts = _named(said, "clusters", "cluster"), _named(said, "contexts", "context")
        found: list[Found] = []
        notes: list[str] = []
        for cluster, about in clusters.items():
            mine = {title: row for title, row in contexts.items() if row.get("cluster") == cluster}
            if not mine:
                continue
            one = _cluster(cluster, about, mine)
            if isinstance(one, Found):
                found.append(one)
            else:
                notes.append(f"{cluster[:200]!r} is left out: {one}")
        return sound(found, notes)


def _named(said: Mapping[str, Any], rows: str, inner: str) -> dict[str, Mapping[str, Any]]:
    given = said.get(rows) or []
    found = {}
    for row in given if isinstance(given, list) else []:
        if isinstance(row, Mapping) and isinstance(row.get(inner), Mapping):
            found[str(row.get("name", ""))] = row[inner]
    return found


def _cluster(name: str, about: Mapping[str, Any], contexts: Mapping[str, Mapping[str, Any]]) -> Found | str:
    """The cluster as a target, or why it cannot be one."""
    try:
        server = urlsplit(str(about.get("server", "")))
        port = server.port or TLS
    except ValueError:
        return "its server is no address"
    if server.scheme != "https" or not server.hostname:
        return "its server is not https"
    if about.get("insecure-skip-tls-verify") is True:
        return "it does not verify its server"
    try:
        certificate = x509.load_pem_x509_certificate(
            base64.b64decode(str(about.get("certificate-authority-data", "")), validate=True)
        )
    except (ValueError, binascii.Error):
        return "certificate-authority-data holds no certificate"
    spaces = sorted({str(row.get("namespace") or "default") for row in contexts.values()})
    return Found(
        re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:199],
        server.hostname,
        port,
        f"x509-ca {base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()}",
        "",
        {"kind": "cluster", "context": next(iter(sorted(contexts)))[:200]},
        {"contexts": " ".join(sorted(contexts))[:500], "namespaces": " ".join(spaces)[:500]},
    )
