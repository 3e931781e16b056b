"""A bundle's files in, its definition and every finding about it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from procedures.definitions import guard, lint
from procedures.definitions.findings import Finding
from procedures.definitions.guard import Document, YamlRefused
from procedures.definitions.schema import validator
from procedures.domain import forms
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
from procedures.domain.ports import Action

FILE = "procedure.yaml"
DEFAULT_TTL_S = 600


@dataclass(frozen=True, slots=True)
class Loaded:
    """`definition` is None only if there are errors."""

    definition: Definition
    findings: list[Finding]


class _Broken(Exception):
    def __init__(self, finding: Finding) -> None:
        self.finding = finding


def load(files: Mapping[str, bytes], actions: Mapping[str, Action]) -> Loaded:
    """Read and lint a bundle. With errors among the findings, `definition` must not be used."""
    try:
        document = _document(files)
    except _Broken as broken:
        return Loaded(_nothing(), [broken.finding])
    findings = _shape(document)
    if findings:
        return Loaded(_nothing(), sorted(findings))
    definition = build(document.value)
    findings = lint.lint(definition, document, files, actions)
    return Loaded(definition, sorted(findings))


def _document(files: Mapping[str, bytes]) -> Document:
    try:
        check_paths(files)
    except BundleRefused as problem:
        raise _Broken(Finding(FILE, 1, 1, "bundle", "error", problem.message, problem.next_step)) from problem
    if FILE not in files:
        raise _Broken(Finding(FILE, 1, 1, "missing", "error", f"There is no {FILE} in the bundle."))
    try:
        return guard.load(files[FILE])
    except YamlRefused as problem:
        raise _Broken(
            Finding(FILE, problem.line, problem.column, "yaml", "error", problem.message, problem.next_step)
        ) from problem


def _shape(document: Document) -> list[Finding]:
    findings = []
    for error in validator().iter_errors(document.value):
        pointer = "".join(f"/{part}" for part in error.instance_path)
        line, column = document.where(pointer)
        findings.append(Finding(FILE, line, column, "schema", "error", f"{pointer or '/'}: {error.message[:300]}"))
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
        steps=_steps("steps", spec["steps"]),
        rollback=_steps("rollback", spec.get("rollback", [])),
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
    )
    return Targets(raw["filter"], strategy)


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
    return None if raw is None else Concurrency(raw["group"], raw.get("onConflict", "queue"))


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
    )


def _artifact(raw: Mapping[str, Any]) -> ArtifactNeed:
    given = {"type": raw.get("type"), "max_bytes": raw.get("maxBytes")}
    given["retention_s"] = seconds(raw["retention"]) if "retention" in raw else None
    return ArtifactNeed(raw["name"], raw["path"], **{key: value for key, value in given.items() if value is not None})
