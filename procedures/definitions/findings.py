"""What lint says: like a compiler, with a place, a code, what is wrong and how to mend it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """`line` and `column` count from 1; `code` is stable."""

    file: str
    line: int
    column: int
    code: str
    severity: Literal["error", "warning"]
    message: str
    mend: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def said(self) -> str:
        """What is wrong as a whole sentence, so that another may follow it."""
        return self.message if self.message[-1:] in {".", "!", "?", ":", ""} else f"{self.message}."

    def __str__(self) -> str:
        mend = f" {self.mend}" if self.mend else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity} {self.code}: {self.said}{mend}"
