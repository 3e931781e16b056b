"""How far witnesses vouch for the log, and since when one of them has not answered: for pages, commands and notices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from procedures.evidence import known
from procedures.evidence.cosignatures import NEWEST, cosigned, public_policy
from procedures.evidence.models import Checkpoint, WitnessContact

LATE = timedelta(minutes=2)  # longer than that a checkpoint waits for no witness that answers


@dataclass(frozen=True, slots=True)
class Standing:
    """One witness. `silent_since`: the first checkpoint that it owes is of that moment; None while it keeps up."""

    key: str
    size: int
    cosigned_at: datetime | None
    problem: str
    forgot_at: datetime | None
    silent_since: datetime | None

    @property
    def name(self) -> str:
        return self.key.partition("+")[0]

    @property
    def sound(self) -> bool:
        return self.silent_since is None and self.forgot_at is None

    @property
    def sentences(self) -> list[str]:
        """What is wrong with it."""
        said = []
        if self.forgot_at:
            when = _minute(self.forgot_at)
            said.append(f"{self.name} cosigned less than it had before ({when}): it is no witness any more.")
        if self.silent_since:
            said.append(f"{self.name} has cosigned nothing since {_minute(self.silent_since)}. {self.problem}".rstrip())
        return said


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A quorum cosigned the first `size` of `total` events, the last of it at `at`.

    `note` is that checkpoint with its cosignatures, empty where there is none yet.
    `behind_since`: what stands in the log since that moment is signed by the log's key alone; None while they keep up.
    """

    size: int
    total: int
    at: datetime | None
    behind_since: datetime | None
    note: str
    witnesses: Sequence[Standing]

    @property
    def level(self) -> str:
        return "SIGNED" if self.behind_since or not self.size else "WITNESSED"

    @property
    def sound(self) -> bool:
        """Whether nothing is owed: by the quorum, and by no witness of it."""
        return self.behind_since is None and all(one.sound for one in self.witnesses)

    @property
    def sentences(self) -> list[str]:
        """The same in words, one thing each."""
        said = []
        if self.size and self.at:
            whole = f"the first {self.size:,} of {self.total:,} events"
            said.append(f"A quorum of witnesses cosigned {whole} ({_minute(self.at)}).")
        if self.behind_since:
            said.append(f"What was written since {_minute(self.behind_since)} is signed by the log's key alone.")
        return said + [sentence for one in self.witnesses for sentence in one.sentences]


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def witnessed(at: datetime) -> Witnessed | None:
    """None where this portal has no witness. Raises PolicyRefused."""
    policy = public_policy()
    if policy is None:
        return None
    last = Checkpoint.objects.order_by("-size").first()
    path = Path(settings.OPSPORTAL_PUBLIC_DIR) / NEWEST
    total, size = last.size if last else 0, max(0, known.size_in(path))
    note = path.read_text() if size else ""
    when = max(cosigned(note, policy.witnesses.values()).values(), default=None) if note else None
    if size > total:  # the note is newer than this database: the sequencer will say so
        size, note, when = 0, "", None
    return Witnessed(size, total, when, _owed_since(size, at), note, standings(at))


def standings(at: datetime) -> list[Standing]:
    """How it stands with each witness that is asked."""
    return [
        Standing(
            row.witness,
            row.size,
            row.cosigned_at,
            row.problem,
            row.forgot_at,
            _owed_since(row.size, at, floor=row.added_at),
        )
        for row in WitnessContact.objects.order_by("witness")
    ]


def _owed_since(size: int, at: datetime, *, floor: datetime | None = None) -> datetime | None:
    """When the first checkpoint beyond `size` was made, if that is longer ago than any witness takes."""
    owed = Checkpoint.objects.filter(size__gt=size).order_by("size").values_list("at", flat=True).first()
    since = max(owed, floor) if owed and floor else owed
    return since if since and at - since > LATE else None
