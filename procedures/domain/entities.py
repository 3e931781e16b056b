"""Catalogue entities in Backstage's envelope: what a descriptor must have before anything is registered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from procedures.domain.errors import OpsError

KINDS = ("Component", "API", "System", "Domain", "Resource", "Group", "User", "Location", "Template")
VERSION = re.compile(r"^([a-z0-9.-]+/)?v[0-9]+((alpha|beta)[0-9]+)?$")
KIND = re.compile(r"^[a-zA-Z][a-zA-Z0-9]{0,62}$")
NAME = re.compile(r"^[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?$")
NAMESPACE = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
LEFT = re.compile(r"\$\{\{|\{\{|\{%")


class EntityRefused(OpsError):
    """A descriptor that is no entity."""

    code = "catalogue.entity-refused"
    next_step = (
        "Give apiVersion, kind and metadata.name as Backstage's descriptor format has them, placeholders filled in."
    )


def reference(entity: Any) -> str:
    """`kind:namespace/name` of an entity whose envelope is right. Raises EntityRefused."""
    if not isinstance(entity, Mapping):
        raise EntityRefused("A descriptor is an object.")
    about, spec = entity.get("metadata"), entity.get("spec")
    if not isinstance(about, Mapping) or not (spec is None or isinstance(spec, Mapping)):
        raise EntityRefused("metadata and spec are objects.")
    namespace = about.get("namespace") or "default"
    for name, value, shape in (
        ("apiVersion", entity.get("apiVersion"), VERSION),
        ("kind", entity.get("kind"), KIND),
        ("metadata.name", about.get("name"), NAME),
        ("metadata.namespace", namespace, NAMESPACE),
    ):
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise EntityRefused(f"{name} is {_shown(value)}.")
    return f"{entity['kind'].lower()}:{namespace}/{about['name']}"


def _shown(value: Any) -> str:
    text = str(value)[:100]
    if LEFT.search(text):
        return f"a placeholder that nobody filled in: {text}"
    return "missing" if value is None else f"{text!r}, which is no such name"
