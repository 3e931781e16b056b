"""Where a procedure comes from: one folder of one source; two would take each other's versions out of review."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from django.conf import settings

from procedures.definitions.load import definition_of
from procedures.domain.errors import IllegalState, OpsError
from procedures.git.call import GitFailed
from procedures.git.repository import Repository
from procedures.models import Source, Version


class SourceElsewhere(IllegalState):
    """Another source, or another folder of this one, holds the procedure."""

    code = "source.procedure-elsewhere"
    next_step = "Take it out of one of the two, or end the other source; until then its versions come from there alone."


def repository_of(source: Source) -> Repository:
    place = Path(settings.OPSPORTAL_DATA_DIR) / "sources"
    return Repository(place / f"{source.name}.git", place / f"{source.name}.key")


def require_home(source: Source, folder: str, folders: Collection[str], files: Mapping[str, bytes]) -> None:
    """Raise SourceElsewhere for a bundle whose procedure comes from elsewhere. `folders`: those of the source now.

    Whoever came first keeps the name for as long as the folder is there and its source lives: a procedure moves by
    leaving its old place. What cannot be read has no name; whoever submits it says why.
    """
    try:
        procedure = definition_of(files).name
    except OpsError:
        return
    seen = Version.objects.filter(procedure__name=procedure, origin__has_key="source")
    homes = seen.order_by("submitted_at").values_list("origin__source", "origin__folder")
    for name, where in dict.fromkeys(homes):
        if name == source.name and where != folder and where in folders:
            raise SourceElsewhere(f"{procedure} comes from the folder {where or '.'} of this source already.")
        if name != source.name and _holds(name, where):
            raise SourceElsewhere(f"{procedure} comes from the source {name}, folder {where or '.'}, already.")


def _holds(name: str, folder: str) -> bool:
    """Whether a living source still has that folder in the commit that was looked at last."""
    other = Source.objects.filter(name=name, ended_at__isnull=True).exclude(commit="").first()
    if other is None:
        return False
    try:
        return folder in repository_of(other).procedures(other.commit, other.path)
    except (GitFailed, OSError):
        return True  # its clone cannot be read now: nobody takes the name away from it
