"""A bundle's files in, its definition and every finding about it out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from procedures.definitions import guard, lint
from procedures.definitions.archive import read_folder
from procedures.definitions.findings import Finding
from procedures.definitions.guard import Document, YamlRefused
from procedures.definitions.lint.notes import FILE, finding
from procedures.definitions.schema import validator
from procedures.domain import forms
from procedures.domain.alarms import Alarm
from procedures.domain.bundle import BundleRefused, check_paths
from procedures.domain.definition import (
    ArtifactNeed,
    Concurrency,
    CredentialNeed,
    Definition,
    Retry,
    Step,
    Strategy,
    Targets,
)
from procedures.domain.duration import seconds
from procedures.domain.errors import InvalidInput
from procedures.domain.ports import Action
from procedures.domain.shape_errors import told

DEFAULT_TTL_S = 600
__all__ = ["DEFAULT_TTL_S", "FILE", "Loaded", "build", "definition_of", "load", "load_folder"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """`definition` must not be used if there are errors among the findings."""

    definition: Definition
    findings: list[Finding]


class _Broken(Exception):
    def __init__(self, *findings: Finding) -> None:
        self.findings = sorted(findings)


def load(files: Mapping[str, bytes], actions: Mapping[str, Action], *, tools: Collection[str] = ()) -> Loaded:
    """Read and lint a bundle. `tools`: which of codes.TOOLS to ask too, where they are installed."""
    try:
        document = _document(files)
    except _Broken as broken:
        return Loaded(_nothing(), broken.findings)
    definition = build(document.value)
    return Loaded(definition, sorted(lint.lint(definition, document, files, actions, tools=tools)))


def definition_of(files: Mapping[str, bytes]) -> Definition:
    """The definition of a bundle that was accepted: its shape alone is looked at. Raises InvalidInput.

    Lint stands at the door. A newer rule takes no acceptance back; reviewers do that.
    """
    try:
        return build(_document(files).value)
    except _Broken as broken:
        raise InvalidInput([(f"/bundle/{f.file}", str(f)) for f in broken.findings]) from broken


def load_folder(folder: Path, actions: Mapping[str, Action], *, tools: Collection[str] = ()) -> Loaded:
    """A folder's definition and findings; what keeps it from being read is a finding too."""
    try:
        return load(read_folder(folder), actions, tools=tools)
    except BundleRefused as problem:
        return Loaded(_nothing(), [finding(problem.rule, problem.message, file=problem.path or FILE)])
    except OSError as problem:
        return Loaded(_nothing(), [finding("unreadable", f"{problem.filename}: {problem.strerror}.")])


def _document(files: Mapping[str, bytes]) -> Document:
    """The document of a bundle with the right shape. Raises _Broken."""
    try:
        check_paths(files)
        if FILE not in files:
            raise _Broken(finding("missing", f"There is no {FILE} in the bundle."))
        document = guard.load(files[FILE])
    except BundleRefused as problem:
        raise _Broken(finding(problem.rule, problem.message, file=problem.path or FILE)) from problem
    except YamlRefused as problem:
        told = finding(problem.rule, problem.message, line=problem.line, column=problem.column)
        raise _Broken(told) from problem
    if findings := _shape(document):
        raise _Broken(*findings)
    return document


def _shape(document: Document) -> list[Finding]:
    findings = []
    for error in validator().iter_errors(document.value):
        pointer = "".join(f"/{part}" for part in error.instance_path)
        line, column = document.where(pointer)
        findings.append(finding("schema", f"{pointer or '/'}: {told(error)}", line=line, column=column))
    return findings


def _nothing() -> Definition:
    return Definition(
        name="",
        title="",
        description="",
        owner="",
        type="operation",
        risk="high",
        environments=(),
        steps=(),
        parameters={},
    )


def build(document: Mapping[str, Any]) -> Definition:
    """The value of a document that has the right shape."""
    meta, spec = document["metadata"], document["spec"]
    pages = spec.get("parameters") or {}
    pages = [forms.modern(page) for page in (pages if isinstance(pages, list) else [pages])]
    return Definition(
        name=meta["name"],
        title=meta.get("title", meta["name"]),
        description=meta.get("description", ""),
        tags=tuple(meta.get("tags", ())),
        links=tuple(meta.get("links", ())),
        owner=spec["owner"],
        type=spec["type"],
        risk=spec["risk"],
        environments=tuple(spec["environments"]),
        pages=tuple(pages),
        parameters=_union(pages),
        secrets=_union([forms.modern(spec.get("secrets", {}).get("schema", {}))]),
        targets=_targets(spec.get("targets")),
        credentials=_needs(spec.get("credentials", {})),
        concurrency=_concurrency(spec.get("concurrency")),
        timeout_s=seconds(spec.get("timeout", "1h")),
        output=spec.get("output", {}),
        evidence=spec.get("evidence", {}),
        callable_by=tuple(spec.get("callableBy", ())),
        min_tier=spec.get("sandbox", {}).get("minTier", ""),
        narrowed=tuple(spec.get("narrowed", ())),
        steps=_steps("steps", spec["steps"]),
        rollback=_steps("rollback", spec.get("rollback", [])),
        on_cancel=_steps("onCancel", spec.get("onCancel", [])),
        always=_steps("always", spec.get("always", [])),
    )


def _union(pages: list[Mapping[str, Any]]) -> dict[str, Any]:
    """One closed object schema of all pages; conditions of pages are kept under allOf."""
    merged: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {}, "required": []}
    rest = []
    for page in pages:
        merged["properties"].update(page.get("properties") or {})
        merged["required"] += [name for name in page.get("required") or [] if name not in merged["required"]]
        more = {key: value for key, value in page.items() if key in forms.CONDITIONS}
        if more:
            rest.append(more)
    if rest:
        merged["allOf"] = rest
    return merged


def _targets(raw: Mapping[str, Any] | None) -> Targets | None:
    if raw is None:
        return None
    given = raw.get("strategy", {})
    mode = given.get("mode", "parallel")
    strategy = Strategy(
        mode=mode,
        batch=given.get("batch", "100%"),
        max_failures=given.get("maxFailures", 0),
        order=given.get("order", "name"),
        canary=given.get("canary", 0),
        ramp=given.get("ramp", 1),
        alarms=tuple(map(_alarm, given.get("alarms", ()))),
        on_alarm=given.get("onAlarm", "stop"),
    )
    return Targets(raw["filter"], strategy, raw.get("narrow", False), raw.get("unreachable", ""), raw.get("lock", ""))


def _alarm(raw: Mapping[str, Any]) -> Alarm:
    kind: Literal["http", "prometheus"] = "http" if "http" in raw else "prometheus"
    return Alarm(kind, **raw[kind], for_s=seconds(raw.get("for", "0s")), every_s=seconds(raw.get("every", "10s")))


def _needs(raw: Mapping[str, Any]) -> dict[str, CredentialNeed]:
    return {
        name: CredentialNeed(
            name,
            value["kind"],
            {k: v for k, v in value.items() if k not in {"kind", "ttl"}},
            seconds(value["ttl"]) if "ttl" in value else DEFAULT_TTL_S,
        )
        for name, value in raw.items()
    }


def _concurrency(raw: Mapping[str, Any] | None) -> Concurrency | None:
    if raw is None:
        return None
    given = (raw.get("group", ""), raw.get("onConflict", "queue"), raw.get("limit", 1), raw.get("shared", ""))
    return Concurrency(*given)


def _steps(phase: str, raw: list[Mapping[str, Any]]) -> tuple[Step, ...]:
    return tuple(_step(phase, number, row) for number, row in enumerate(raw, 1))


def _step(phase: str, number: int, raw: Mapping[str, Any]) -> Step:
    retry = raw.get("retry", {})
    step_id = raw.get("id") or f"{phase}-{number}"
    condition = raw.get("if")
    if isinstance(condition, bool):
        condition = "${{ true }}" if condition else "${{ false }}"
    return Step(
        id=step_id,
        name=raw.get("name", step_id),
        action=raw["action"],
        input=raw.get("input", {}),
        credentials=tuple(raw.get("credentials", ())),
        condition=condition,
        each=raw.get("each"),
        timeout_s=seconds(raw["timeout"]) if "timeout" in raw else None,
        retry=Retry(retry.get("attempts", 1), seconds(retry.get("delay", "1s")), retry.get("backoff", 1)),
        idempotent=raw.get("idempotent", False),
        on_failure=raw.get("onFailure", "fail"),
        safe_after_stop=raw.get("safeAfterStop", False),
        artifacts=tuple(map(_artifact, raw.get("artifacts", ()))),
        makes_secrets=raw.get("makesSecrets", False),
        sensitive=tuple(raw.get("sensitive", ())),
    )


def _artifact(raw: Mapping[str, Any]) -> ArtifactNeed:
    given = {"type": raw.get("type"), "max_bytes": raw.get("maxBytes")}
    given["retention_s"] = seconds(raw["retention"]) if "retention" in raw else None
    return ArtifactNeed(raw["name"], raw["path"], **{key: value for key, value in given.items() if value is not None})
