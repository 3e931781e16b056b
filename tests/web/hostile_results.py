"""Secret results with names and places that a server, a plug-in or a stolen table made up."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from procedures.models import Run, SecretResult, Task
from tests.factories.transitions import unevidenced
from tests.web.hostile import ALL, PAYLOADS


def planned() -> list[dict[str, Any]]:
    """What a step of a plan says that it makes."""
    return [{"name": text, "deliver": "aws", "place": {"secret": text}, "credential": text} for text in PAYLOADS]


@unevidenced()
def made(run: Run, at: datetime) -> None:
    """Rows of a run, none of which arrived."""
    place = {"phase": "steps", "step": ALL[:400], "target": ALL[:200], "position": 0, "state": "failed"}
    task = Task.objects.create(run=run, **place)
    for number, text in enumerate(PAYLOADS):
        SecretResult.objects.create(
            run=run,
            task=task,
            name=f"{number}{text}"[:63],
            deliver="aws",
            classification=text[:12],
            where=ALL[:1200],
            state="undelivered",
            why=ALL,
            made_at=at,
            ended_at=at,
        )
