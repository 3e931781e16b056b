"""Hosts that want to be runners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from procedures.domain.runners import enrolment
from procedures.models import Runner
from procedures.runner import cards
from procedures.runner.identity import Identity, load_identity


class Machine:
    """A host with a key of its own that wants to be a runner."""

    def __init__(self, folder: Path, environment: str = "development", *, new_pool: bool = False) -> None:
        self.folder = folder
        self.card = cards.make_later(folder, environment, name=f"runner-{folder.name}", new_pool=new_pool)

    @property
    def me(self) -> Identity:
        return load_identity(self.folder)

    @property
    def object(self) -> dict[str, Any]:
        return dict(enrolment(self.card))

    @property
    def row(self) -> Runner:
        return Runner.objects.get(pk=self.me.id)
