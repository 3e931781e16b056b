"""Where findings are gathered: each with a declared code, whose weight follows the risk that the author declared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.definitions.codes import rule
from procedures.definitions.findings import Finding
from procedures.definitions.guard import Document
from procedures.definitions.lint.placed import placed
from procedures.domain import expressions
from procedures.domain.definition import RISKS, Definition
from procedures.domain.text import one_line

FILE = "procedure.yaml"
LONGEST = 400
MOST = 500
FOR_PRODUCTION = frozenset({"branch"})
PRODUCTION = re.compile(r"prod", re.IGNORECASE)


@dataclass(slots=True)
class Notes:
    """One pass over a bundle. `say` places a finding by JSON pointer, `at` by file, line and column.

    `copied` begin the paths of files that steps hand on and never run: templates, not programs.
    """

    definition: Definition
    document: Document
    files: Mapping[str, bytes]
    findings: list[Finding] = field(default_factory=list)
    copied: tuple[str, ...] = ()

    @property
    def strict(self) -> bool:
        """From moderate risk up."""
        return RISKS.index(self.definition.risk) >= 1

    def holds(self, code: str) -> bool:
        """Whether a rule that counts from moderate risk up counts here: what moves never reaches production."""
        return self.strict or (code in FOR_PRODUCTION and any(map(PRODUCTION.match, self.definition.environments)))

    def programs(self) -> Iterator[tuple[str, bytes]]:
        """The files that something here may run or apply."""
        named = {str(value) for _, step in placed(self.definition) for value in step.input.values()}
        for path, content in self.files.items():
            if not self.copied or not path.startswith(self.copied) or path in named:
                yield path, content

    def say(self, pointer: str, code: str, message: str, *, mend: str = "", soft: bool = False) -> None:
        line, column = self.document.where(pointer)
        self.at(FILE, line, column, code, message, mend=mend, soft=soft)

    def at(
        self, file: str, line: int, column: int, code: str, message: str, *, mend: str = "", soft: bool = False
    ) -> None:
        """`soft`: a warning whatever the code's weight. Text of the bundle is shown with its controls escaped."""
        known = rule(code)
        severity = "warning" if soft else known.severity(strict=self.holds(code))
        said = one_line(message)[:LONGEST]
        if len(self.findings) < MOST or severity == "error":
            self.findings.append(Finding(one_line(file), line, column, code, severity, said, mend or known.mend))

    def names(self, pointer: str, value: Any) -> frozenset[tuple[str, ...]]:
        """The names that the expressions of a value use; what cannot be read is a finding."""
        try:
            return expressions.names_used(value)
        except expressions.ExpressionRefused as problem:
            self.say(pointer, "expression", problem.message)
            return frozenset()


def finding(code: str, message: str, *, file: str = FILE, line: int = 1, column: int = 1, mend: str = "") -> Finding:
    """An error from before there is a definition."""
    return Finding(one_line(file), line, column, code, "error", one_line(message)[:LONGEST], mend or rule(code).mend)
