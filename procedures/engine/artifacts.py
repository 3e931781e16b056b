"""What a step made, on its way to the store: masked where it is text, refused where a secret lies in other bytes."""

from __future__ import annotations

from dataclasses import replace

from procedures.domain import limits
from procedures.domain.definition import Step
from procedures.domain.masking import Masker
from procedures.domain.ports import ActionResult
from procedures.services.artifacts import Kept


def kept(step: Step, result: ActionResult, masker: Masker, stored: int) -> tuple[list[Kept], ActionResult]:
    """(files to store, the result): a file that may not be kept fails a step that would have succeeded, by name.

    `stored` is what the run has kept so far, in bytes.
    """
    found: list[Kept] = []
    problems: list[str] = []
    needs = {need.name: need for need in step.artifacts}
    for name, content in result.files.items():
        text = _is_text(content)
        clean = masker.mask_bytes(content)
        stored += len(clean)
        if clean != content and not text:
            problems.append(f"The artifact {name} holds a secret, so it is not kept.")
        elif stored > limits.ARTIFACTS_BYTES:
            problems.append(f"The artifact {name} goes over what a run may keep, {limits.ARTIFACTS_BYTES:,} bytes.")
            stored -= len(clean)
        else:
            found.append(Kept(name, needs[name].type, clean, clean != content, needs[name].retention_s))
    if found:
        result = replace(result, facts={**result.facts, "artifacts": [one.facts() for one in found]})
    if problems and result.outcome == "succeeded":
        result = replace(result, outcome="failed", message=problems[0])
    return found, result


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\x00" not in content
