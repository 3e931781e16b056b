"""What a check of evidence finds: one thing that does not fit, by kind and in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is stable (`leaf`, `tile`, `body.missing`, …). Where `sure` is False something could not be checked."""

    kind: str
    text: str
    sure: bool = True
