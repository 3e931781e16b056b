"""No byte of a pack can be changed: not in the container, not with checksums repaired, and not with every digest
repaired and the altered manifest honestly logged and cosigned again. A release gate with no survivors.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from procedures.evidence import verify
from tests.factories import packs, random_changes
from tests.factories.histories import History

LEVELS = ("container", "checksums", "logged")
OF = ("everything", "changes")
Members = dict[str, bytes]


@pytest.fixture(scope="module", params=OF)
def history(request: pytest.FixtureRequest) -> History:
    """A bit of everything; or a log whose key was changed, with outages, each beside what only claims to be one."""
    return of_everything() if request.param == "everything" else of_changes()


def of_everything() -> History:
    """Two places, approvals by SSH and passkey, values kept apart, runs that fail or go on."""
    made = History()
    made.found(passkeys=True)
    for number, (environment, status) in enumerate([("development", 0), ("production", 0), ("production", 3)]):
        run = made.ask(environment, reason=f"ticket {number}")
        if environment == "production":
            made.approve(run)
        made.claim(run)
        made.work(run, status=status)
        made.finish(run, "failed" if status else "succeeded")
    made.ask("development")
    return made


def of_changes() -> History:
    """Verified by whoever has the first of the log's three keys, and no more."""
    made, chance = History(2), random.Random(2)
    made.found()
    first = made.log.verifier
    for how, of in [("strangers", "managers"), ("true", "operators"), ("of before", "one"), ("true", "replayed")]:
        random_changes.turn(made, chance, how)
        random_changes.outage(made, chance, of, "production")
    made.reader = first
    return made


@pytest.fixture(scope="module")
def members(history: History) -> Members:
    """Its pack, with one line in the place of the verifier's copy, which nobody reads."""
    made = packs.packed(history) | {"verify.py": b"pass\n"}
    return verify.unzip(packs.relogged(history, made))


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arithmetic on the same bytes gives the same answer: it is done once."""
    for name in ("ed25519", "p256", "rsa"):
        monkeypatch.setattr(verify, name, functools.cache(getattr(verify, name)))


def altered(members: Members, level: str) -> Iterator[tuple[str, int]]:
    """Every place that can be changed at a level."""
    if level == "container":
        yield from (("", place) for place in range(len(verify.zip_bytes(members))))
        return
    free = {"export.tlog-proof", *verify.DERIVED} if level == "logged" else set()
    for name, data in members.items():
        if name not in free:
            yield from ((name, place) for place in range(len(data) + 1))


def change(data: bytes, place: int, chance: random.Random) -> bytes:
    """One byte flipped, dropped, or put in."""
    how = chance.randrange(4) if place < len(data) else 0
    if how == 0:
        return data[:place] + bytes([chance.randrange(256)]) + data[place:]
    if how == 1:
        return data[:place] + data[place + 1 :]
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def pack_of(history: History, members: Members, level: str, place: tuple[str, int], chance: random.Random) -> bytes:
    name, at = place
    if level == "container":
        return change(verify.zip_bytes(members), at, chance)
    changed = members | {name: change(members[name], at, chance)}
    if level == "checksums":
        return verify.zip_bytes(changed)
    if name == "manifest.json":
        return packs.relogged(history, members, manifest=changed[name])
    return packs.relogged(history, changed)


def survivors(history: History, members: Members, level: str, places: Iterable[tuple[str, int]]) -> list[str]:
    chance, found = random.Random(level), []
    for place in places:
        said = packs.verdict(pack_of(history, members, level, place, chance), history)
        if said[:2] not in ("1 ", "2 "):
            found.append(f"{place}: {said}")
    return found


@pytest.mark.parametrize("level", LEVELS)
def test_a_changed_byte_is_found(history: History, members: Members, level: str) -> None:
    assert packs.verdict(verify.zip_bytes(members), history) == "WITNESSED"
    every = list(altered(members, level))
    assert survivors(history, members, level, random.Random(7).sample(every, 250)) == []


@pytest.mark.figures
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("level", LEVELS)
def test_every_byte_changed_is_found(
    history: History, members: Members, level: str, figure: Callable[[str, Any], None]
) -> None:
    every = list(altered(members, level))
    found = survivors(history, members, level, every)
    name = f"mutations_of_changes_{level}" if history.keys else f"mutations_{level}"
    figure(name, {"changed": len(every), "survivors": len(found)})
    assert found == []


def test_what_no_verifier_recomputes_is_named_as_unread(history: History, members: Members) -> None:
    for name in verify.DERIVED:
        data = packs.relogged(history, members | {name: b"a nicer story"})
        found = verify.verify(data, history.trusted(), "WITNESSED", packs.policy(history))
        assert name in found["unread"], "an exporter may write what it likes there, and the reader is told so"
        assert name in verify.told(found)


@pytest.mark.parametrize(
    "field", ["v", "range", "filter", "counts", "sample", "withheld", "software", "exporter", "made_at", "query"]
)
def test_a_field_of_the_manifest_that_says_something_else_is_found(
    history: History, members: Members, field: str
) -> None:
    said = verify.parse("manifest.json", members["manifest.json"])
    other: dict[str, Any] = {
        "v": 1,
        "range": {"start": 0, "end": said["range"]["end"] - 1},
        "filter": {"environment": "production"},
        "counts": said["counts"] | {"runs": 3},
        "sample": [said["exporter"]],
        "withheld": [said["exporter"]],
        "software": "opsportal 9",
        "exporter": history.mira.subject,
        "made_at": "2026-03-01T00:00:00.000000Z",
        "query": "opsportal evidence export --environment production",
    }
    for changed in (said | {field: other[field]}, {n: v for n, v in said.items() if n != field}):
        data = packs.relogged(history, members, manifest=verify.canon(changed))
        assert packs.verdict(data, history)[:2] in ("1 ", "2 ")
