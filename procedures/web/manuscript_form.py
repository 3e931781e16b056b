"""The editor's one form: files as text areas, names that can be changed, and files that are handed in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.http import HttpRequest

from procedures.definitions import guard, registry
from procedures.definitions.findings import Finding
from procedures.definitions.load import definition_of, load
from procedures.domain import limits
from procedures.domain.errors import InvalidInput, OpsError
from procedures.web import schema_form

LARGEST_TEXT = 512 * 1024
EMPTY = {
    "procedure.yaml": b"""\
apiVersion: opsportal/v1
kind: Procedure
metadata:
  name: NAME
  title: NAME
  description: Say in one sentence what this does, and to what.
spec:
  owner: group:default/my-team
  type: operation
  risk: low
  environments: [development]
  timeout: 10m
  parameters:
    required: [service]
    properties:
      service: {type: string, title: Service, pattern: "^[a-z][a-z0-9-]{0,62}$"}
  steps:
    - id: work
      name: Do the work
      action: local:script
      input: {script: work.sh}
      timeout: 2m
""",
    "work.sh": b'#!/bin/sh\nset -eu\necho "working on $PARAM_SERVICE"\n',
    "README.md": b"What it does, when to use it, what can go wrong, and what undoes it.\n",
    "tests/works.yaml": b"parameters: {service: checkout}\nenvironment: development\nexpect: {order: [work]}\n",
}


@dataclass(slots=True)
class Sheet:
    """One file as the form shows it; `text` is None for what is no text."""

    number: int
    path: str
    size: int
    text: str | None
    findings: list[Finding] = field(default_factory=list)
    theirs: str | None = None


def empty(name: str) -> dict[str, bytes]:
    return {path: content.replace(b"NAME", name.encode()) for path, content in EMPTY.items()}


def sheets(files: Mapping[str, bytes], findings: list[Finding]) -> list[Sheet]:
    """The definition first, then by name."""
    order = sorted(files, key=lambda path: (path != "procedure.yaml", path != "README.md", path))
    return [
        Sheet(number, path, len(files[path]), text_of(files[path]), [f for f in findings if f.file == path])
        for number, path in enumerate(order)
    ]


def text_of(content: bytes) -> str | None:
    if b"\0" in content or len(content) > LARGEST_TEXT:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def files_from(request: HttpRequest, kept: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files as the form says; what is no text comes from `kept`. Raises InvalidInput for a name used twice."""
    found: dict[str, bytes] = {}
    for key in request.POST:
        match = re.fullmatch(r"path\.(\d{1,4})", key)
        if match is None or request.POST.get(f"drop.{match[1]}"):
            continue
        text = request.POST.get(f"text.{match[1]}")
        before = request.POST.get(f"was.{match[1]}", "")
        content = _typed(text) if text is not None else kept.get(before, b"")
        _put(found, request.POST[key].strip(), content)
    if added := request.POST.get("add", "").strip():
        _put(found, added, b"")
    for upload in request.FILES.getlist("upload"):
        if (upload.size or 0) > limits.BUNDLE_BYTES:
            raise InvalidInput([("/upload", "A bundle holds 5 MiB in all.")])
        found[upload.name or "file"] = upload.read()
    return found


def _typed(text: str) -> bytes:
    """Browsers send CRLF; files here have LF."""
    return text.replace("\r\n", "\n").encode("utf-8", "replace")


def _put(found: dict[str, bytes], path: str, content: bytes) -> None:
    if path in found:
        raise InvalidInput([("/files", f"Two files would be called {path}.")])
    found[path] = content


def checked(files: Mapping[str, bytes]) -> list[Finding]:
    """What lint says, without asking other programs: this is asked at every pause in typing."""
    return load(files, registry.actions()).findings


def preview(files: Mapping[str, bytes]) -> list[schema_form.FormPage]:
    """The form as requesters would see it; nothing while the definition cannot be read."""
    try:
        definition = definition_of(files)
        return schema_form.pages(definition.pages or [definition.parameters], prefix="preview")
    except (OpsError, guard.YamlRefused, ValueError, TypeError, KeyError, AttributeError):
        return []
