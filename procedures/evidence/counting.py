"""Populations counted again from every header of the log, so that nobody can leave a run out."""

from __future__ import annotations

import csv
import itertools
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock

from procedures.domain.errors import InvalidInput, OpsError
from procedures.evidence import verify
from procedures.evidence.models import Checkpoint
from procedures.evidence.stored import Log

OPEN = "not ended"
BEGUN, ENDED = ("no", "run", "p", "e", "q", "at"), ("o", "risk", "at")  # what a row says, by the headers that say it


class LogDiffers(OpsError):
    """The headers of this database are not those that the log's checkpoint commits to."""

    code = "evidence.log-differs"
    next_step = "Count nothing from it. Run `opsportal evidence check`, and tell security what it says."


@dataclass(frozen=True, slots=True)
class Count:
    """The runs of a population, and what anybody needs to count them again. `filter` names pseudonyms, as headers do.

    `asked` is how many runs the whole range holds; `totals` counts the population's runs by outcome.
    """

    origin: str
    size: int
    root: str
    filter: Mapping[str, str]
    asked: int
    totals: Mapping[str, int]
    lowest: int
    highest: int
    sha256: str
    population: verify.Population = field(repr=False)
    lock: Lock = field(repr=False)

    @property
    def runs(self) -> int:
        return self.population.count

    def csv(self) -> Iterator[bytes]:
        """The bytes that a pack of this range and filter holds as reports/population.csv."""
        lines = self.population.rows()
        while True:
            with self.lock:  # the rows lie in one file, whose place the next reader would move
                line = next(lines, None)
            if line is None:
                return
            yield line

    def rows(self, start: int, count: int) -> list[list[str]]:
        """Some rows in the order of run numbers, without the titles."""
        lines = itertools.islice(self.csv(), start + 1, start + 1 + count)
        return [next(csv.reader([line.decode()])) for line in lines]


def recount(wanted: Mapping[str, str], *, size: int = 0) -> Count:
    """Count a population over the first `size` events, which a checkpoint was signed over (0: the newest).

    Reads every header once for how runs end, and once for the rest: gaps in runs, in numbers, and the root. Rows lie on
    disk; memory grows by some bytes a run. Raises InvalidInput, LogDiffers.
    """
    for name in wanted:
        if name in verify.UNFIXED:
            raise InvalidInput([(f"/{name}", "is not in headers, so it names no population that all can recount")])
    signed = Checkpoint.objects.filter(size=size) if size else Checkpoint.objects.order_by("-size")
    last = signed.first()
    if last is None:
        none = f"no checkpoint was signed over {size} events" if size else "the log is still empty"
        raise InvalidInput([("/size" if size else "", none)])
    scope, log = verify.Scope(wanted), Log(last.size)
    try:
        seen = verify.Foresight(log.headers(), scope)
        headers, population, totals = _counted(log, scope, seen.size)
    except (verify.Failed, KeyError, TypeError) as problem:
        raise LogDiffers(f"The log of this database does not hold together: {problem}.") from problem
    if headers.tree.root() != bytes(last.root) or seen.size != last.size:
        raise LogDiffers(f"The headers of this database are not the {last.size} that the checkpoint commits to.")
    numbers = [place for place, row in enumerate(population.places, 1) if row]
    ends = (numbers[0], numbers[-1]) if numbers else (0, 0)
    root, origin = bytes(last.root).hex(), last.note.partition("\n")[0]
    facts = (origin, last.size, root, dict(wanted), headers.asked, totals, *ends, population.sha256())
    return Count(*facts, population, Lock())


def _counted(log: Log, scope: verify.Scope, size: int) -> tuple[verify.Headers, verify.Population, Mapping[str, int]]:
    headers, population, totals = verify.Headers(size), verify.Population(), Counter[str]()
    weakref.finalize(population, population.file.close)  # whenever the last reader of the rows is gone
    for line in log.headers():
        header, run = headers.take(line)
        if run is None:
            continue
        if header["k"] == "run.requested" and scope.fits(header, None):
            run.row = [str(header[name]) for name in BEGUN] + ["", "", ""]
        headers.follow(header, run, line)
        if header["k"] in verify.SEALS and run.row is not None:
            run.row[6:] = [str(header[name]) for name in ENDED]
            population.add(run.row)
            totals[header["o"]] += 1
    headers.end()
    for run in headers.open.values():
        if run.row is not None:
            population.add(run.row)
            totals[OPEN] += 1
    return headers, population, dict(totals)
