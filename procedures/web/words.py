"""How states read on pages: word, colour family and glyph; always all three together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tomllib import loads

GLOSSARY = Path(__file__).with_name("glossary.toml")


@dataclass(frozen=True, slots=True)
class Status:
    """`family` is one of ok, bad, warn, live, idle; `glyph` a symbol of the sprite without its `s-`."""

    word: str
    family: str
    glyph: str


RUN = {
    "requested": Status("Requested", "idle", "queued"),
    "planning": Status("Planning", "idle", "queued"),
    "awaiting_approval": Status("Awaiting approval", "warn", "awaiting"),
    "queued": Status("Queued", "idle", "queued"),
    "running": Status("Running", "live", "running"),
    "waiting": Status("Waiting", "warn", "waiting"),
    "succeeded": Status("Succeeded", "ok", "succeeded"),
    "failed": Status("Failed", "bad", "failed"),
    "timed_out": Status("Timed out", "bad", "timed_out"),
    "canceled": Status("Canceled", "idle", "canceled"),
    "denied": Status("Not allowed", "bad", "denied"),
    "rejected": Status("Turned down", "bad", "rejected"),
    "expired": Status("Expired", "idle", "skipped"),
    "interrupted": Status("Lost contact", "warn", "interrupted"),
}
TASK = {
    "pending": Status("Pending", "idle", "pending"),
    "running": RUN["running"],
    "succeeded": RUN["succeeded"],
    "failed": RUN["failed"],
    "skipped": Status("Skipped", "idle", "skipped"),
    "timed_out": RUN["timed_out"],
    "canceled": RUN["canceled"],
    "unreachable": Status("Unreachable", "warn", "unreachable"),
    "interrupted": RUN["interrupted"],
}
VERSION = {
    "draft": Status("Draft", "idle", "pending"),
    "in_review": Status("In review", "warn", "awaiting"),
    "accepted": Status("Accepted", "ok", "accepted"),
    "rejected": Status("Turned down", "bad", "rejected"),
    "superseded": Status("Superseded", "idle", "skipped"),
    "revoked": Status("Revoked", "bad", "denied"),
    "expired": Status("Expired", "idle", "skipped"),
    "withdrawn": Status("Withdrawn", "idle", "canceled"),
}
VERDICT = {
    "accept": VERSION["accepted"],
    "reject": VERSION["rejected"],
    "request_changes": Status("Changes wanted", "warn", "waiting"),
    "approve": Status("Approved", "ok", "accepted"),
    "turn_down": RUN["rejected"],
}
CHANGE = {
    "proposed": Status("Waits for a second person", "warn", "awaiting"),
    "confirmed": Status("In force", "ok", "accepted"),
    "refused": Status("Refused", "bad", "rejected"),
}
ASKED = {
    "open": Status("Waits for an answer", "warn", "awaiting"),
    "proposed": Status("Waits for a second person", "warn", "awaiting"),
    "granted": Status("Granted", "ok", "accepted"),
    "refused": CHANGE["refused"],
    "withdrawn": VERSION["withdrawn"],
    "lapsed": Status("Lapsed", "idle", "skipped"),
}
EFFECT = {
    "wider": Status("Wider", "bad", "wider"),
    "narrower": Status("Narrower", "ok", "narrower"),
    "same": Status("Same", "idle", "same"),
    "changed": Status("Changed", "warn", "interrupted"),
}
TESTS = {
    "waiting": Status("Waits for the disposable pool", "idle", "queued"),
    "running": Status("Being run", "run", "running"),
    "passed": Status("Passed", "ok", "succeeded"),
    "failed": Status("Failed", "bad", "failed"),
    "none": Status("There are none", "warn", "pending"),
    "broken": Status("Could not be run", "bad", "interrupted"),
}
POLICY = {
    "passed": Status("Passed", "ok", "succeeded"),
    "noted": Status("Passed, with notes", "warn", "awaiting"),
    "refused": Status("Refused", "bad", "denied"),
}
MODE = {
    "off": Status("Off", "idle", "pending"),
    "warn": Status("Only warns", "warn", "awaiting"),
    "on": Status("On", "ok", "accepted"),
}
CAMPAIGN = {
    "open": Status("Open", "warn", "awaiting"),
    "closed": Status("Closed", "idle", "succeeded"),
}
ITEM = {
    "keep": Status("Kept", "ok", "accepted"),
    "narrow": Status("Narrowed", "ok", "narrower"),
    "revoke": Status("Revoked", "bad", "denied"),
    "lapsed": Status("Lapsed", "idle", "skipped"),
    "ended": Status("Ended", "idle", "canceled"),
}
AGENT = {
    "stopped": Status("Stopped", "bad", "canceled"),
    "closed": Status("Closed", "idle", "canceled"),
}
CONTACT = {
    "reached": Status("In contact", "ok", "succeeded"),
    "unreachable": Status("Does not answer", "bad", "unreachable"),
    "other_key": Status("Shows another key", "bad", "denied"),
}
FIRE = {
    "waiting": Status("Waits", "warn", "waiting"),
    "asked": Status("Asked", "ok", "accepted"),
    "missed": Status("Missed", "bad", "timed_out"),
    "skipped": Status("Left out", "idle", "skipped"),
    "refused": Status("Refused", "bad", "rejected"),
}
DIFFERENCE = {
    "new": Status("New", "warn", "awaiting"),
    "changed": Status("Changed", "warn", "interrupted"),
    "gone": Status("No longer named", "idle", "skipped"),
    "incomplete": Status("Incomplete", "idle", "pending"),
    "refused": Status("Cannot be taken", "bad", "denied"),
}
USE = {
    "used": Status("Used", "ok", "succeeded"),
    "unused": Status("Not used", "warn", "awaiting"),
    "few": Status("Too few runs", "idle", "pending"),
    "idle": Status("Never ran", "idle", "skipped"),
    "unseen": Status("Not seen", "idle", "interrupted"),
}
KINDS = {
    "contact": CONTACT,
    "fire": FIRE,
    "difference": DIFFERENCE,
    "policy": POLICY,
    "mode": MODE,
    "tests": TESTS,
    "run": RUN,
    "task": TASK,
    "version": VERSION,
    "verdict": VERDICT,
    "change": CHANGE,
    "asked": ASKED,
    "effect": EFFECT,
    "campaign": CAMPAIGN,
    "item": ITEM,
    "agent": AGENT,
    "use": USE,
}
STRENGTH = {"session": "signed-in session", "totp": "one-time code", "signed": "SSH signature"}
TRUST = {"key": "Key", "restricted": "Restricted key", "certificate": "Certificate"}


def status(kind: str, state: str) -> Status:
    """The status of that state; a state that has no entry reads as itself."""
    return KINDS[kind].get(state, Status(state.replace("_", " ").capitalize(), "idle", "pending"))


@cache
def glossary() -> dict[str, dict[str, str]]:
    """Words of the pages: `{word: {"means": …, "in_code": …}}`."""
    return {str(word): dict(entry) for word, entry in loads(GLOSSARY.read_text()).items()}
