"""What a run is driven with, and where in it a step stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from procedures.domain.lending import Lender
from procedures.domain.ports import Action
from procedures.domain.secrets import Secret
from procedures.engine.output import RunOutput
from procedures.engine.watch import Watch
from procedures.engine.workspace import Workspaces
from procedures.services.claims import Claimed, secrets_of
from procedures.services.tasks import Signer


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run is driven with."""

    claimed: Claimed
    actions: Mapping[str, Action]
    lender: Lender
    signer: Signer
    output: RunOutput
    watch: Watch
    secrets: Mapping[str, Secret]
    prefix: str = ""
    workspaces: Workspaces = field(default_factory=Workspaces)

    def within(self, prefix: str) -> Tools:
        """The same tools, for what a call of this run drives."""
        opened = secrets_of(self.claimed, prefix, self.secrets)
        return replace(self, claimed=self.claimed.within(prefix), secrets=opened, prefix=prefix)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the run a step stands."""

    phase: str
    position: int
    batch: int
