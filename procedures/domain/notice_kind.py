"""What one kind of notice is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of notice. `subject` may name only what is plain; `security` ones cannot be switched off."""

    name: str
    label: str
    subject: str
    says: str
    security: bool = False
