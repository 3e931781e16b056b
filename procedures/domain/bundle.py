"""Bundles and closures: what exactly is accepted, as one digest (rule 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain import limits
from procedures.domain.canonical import canon, sha256_hex
from procedures.domain.definition import PHASES, Definition
from procedures.domain.errors import OpsError

MAX_BYTES = limits.BUNDLE_BYTES
MAX_FILES = limits.BUNDLE_FILES
LONGEST_PATH = 500


class BundleRefused(OpsError):
    """A bundle that is too big, or holds a path or a kind of file that it may not. `rule` is lint's code."""

    code = "bundle.refused"
    next_step = "Keep a procedure to plain files below its own folder, 5 MiB in all."

    def __init__(self, message: str, *, rule: str = "bundle-size", path: str = "") -> None:
        super().__init__(message, pointer="/bundle")
        self.rule, self.path = rule, path


def check_paths(files: Mapping[str, bytes]) -> None:
    """Raise BundleRefused for paths that leave the folder, and for a bundle over its limits."""
    if len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_BYTES:
        raise BundleRefused(f"The bundle is larger than 5 MiB or has more than {MAX_FILES:,} files.")
    for path in files:
        if len(path) > LONGEST_PATH:
            raise BundleRefused(
                f"{path[:60]}… is a path of {len(path)} characters; the limit is {LONGEST_PATH}.", path=path
            )
        parts = path.split("/")
        if not path or path.startswith("/") or "\\" in path or "\x00" in path or {"", ".", ".."} & set(parts):
            raise BundleRefused(f"{path!r} is not a path inside the bundle.", rule="outside-bundle", path=path)


def bundle_digest(files: Mapping[str, bytes]) -> str:
    """`sha256:…` over the sorted paths and the digests of their bytes."""
    rows = [[path, sha256_hex(files[path])] for path in sorted(files)]
    return "sha256:" + sha256_hex(canon({"v": 1, "files": rows}))


def closure(
    definition: Definition,
    files: Mapping[str, bytes],
    actions: Mapping[str, str],
    callees: Mapping[str, str],
    options: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything that decides what runs: files, actions used, target filter, credential needs, called procedures.

    `actions` maps id → mark of its package (H4); `callees` maps name → digest, and so do `options`, the procedures that
    give a form its choices.
    """
    used = sorted({step.action for phase in PHASES for step in definition.branch(phase)} | asking(definition))
    value = {
        "v": 1,
        "name": definition.name,
        "files": [[path, sha256_hex(files[path])] for path in sorted(files)],
        "actions": [[action, actions.get(action, "unknown")] for action in used],
        "filter": definition.targets.filter if definition.targets else "",
        "credentials": [
            {"name": need.name, "kind": need.kind, "scope": dict(need.scope), "ttl_s": need.ttl_s}
            for _, need in sorted(definition.credentials.items())
        ],
        "calls": [[name, callees[name]] for name in sorted(callees)],
    }
    return value | ({"options": [[name, options[name]] for name in sorted(options)]} if options else {})


def asking(definition: Definition) -> set[str]:
    """The action that asks alarms, where there are any."""
    return {"http:request"} if definition.targets and definition.targets.strategy.alarms else set()


def closure_digest(value: Mapping[str, Any]) -> str:
    return "sha256:" + sha256_hex(canon(value))
