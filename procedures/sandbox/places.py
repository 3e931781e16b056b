"""By which paths a step finds its folders: its own where there are mounts, those of the host in tier C."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from procedures.sandbox.confined import MEMORY

SCRATCH, BUNDLE = "/scratch", "/bundle"  # by which plans and values name them, whatever the tier of the runner will be


@dataclass(frozen=True, slots=True)
class Places:
    """The folder that a step writes to, its bundle, and the folder of the files that it was lent."""

    scratch: str = SCRATCH
    bundle: str = BUNDLE
    lent: str = "/run/lent"

    def here(self, value: Any, files: Collection[str]) -> Any:
        """A value that is, as a whole, the usual path of a folder or of one of `files`, by its path here.

        Any other value stays as it is: it means the same wherever the folders lie.
        """
        if isinstance(value, str) and value.startswith((SCRATCH, BUNDLE)):
            if value == SCRATCH:
                return self.scratch
            known = value == BUNDLE or value.removeprefix(f"{BUNDLE}/") in files
            return self.bundle + value.removeprefix(BUNDLE) if known else value
        if isinstance(value, Mapping):
            return {name: self.here(one, files) for name, one in value.items()}
        return [self.here(one, files) for one in value] if isinstance(value, list | tuple) else value


def places(tier: str, folder: Path) -> Places:
    """Where the step whose folders lie in `folder` finds them. Scripts read OPSPORTAL_SCRATCH and OPSPORTAL_BUNDLE."""
    if tier != "C":
        return Places()
    return Places(str(folder / "scratch"), str(folder / "bundle"), f"{MEMORY}/{folder.name}")
