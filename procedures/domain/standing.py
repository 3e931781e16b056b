"""Standing authorisations: schedules and hooks, which ask for runs of one digest by an account of their own (H13, H40).

What a change may say, what it makes of the one that stood, and who stands behind each run that it asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime, timedelta
from typing import Any

from procedures.domain.canonical import moment, parse_moment
from procedures.domain.states import RunState

SCHEDULE, HOOK, END = "schedule", "hook", "standing_end"
KINDS = (SCHEDULE, HOOK)
CONTROLS = (*KINDS, END)
LONGEST = timedelta(days=365)
LATE_AFTER = timedelta(minutes=2)  # later than this a planned moment was missed
REFUSALS = 5  # in a row, then it pauses itself
DEPTH = 5  # schedules after schedules
MOST_A_MINUTE = 30
OUTCOMES = tuple(
    state.value
    for state in (RunState.SUCCEEDED, RunState.FAILED, RunState.TIMED_OUT, RunState.CANCELED, RunState.INTERRUPTED)
)
ED25519, HMAC, GITHUB = "ed25519", "hmac", "github"
PROOFS = (ED25519, HMAC, GITHUB)
CREATOR, EDITOR, CONFIRMER, HOLDER = "creator", "editor", "confirmer", "key_holder"

NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
UUID = {"type": "string", "format": "uuid"}
REASON = {"type": "string", "minLength": 1, "maxLength": 2000}
DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
TARGET = {"type": "string", "minLength": 1, "maxLength": 200}
COMMON: Mapping[str, Any] = {
    "name": NAME,
    "procedure": NAME,
    "digest": DIGEST,
    "environment": NAME,
    "account": UUID,
    "targets": {"type": "array", "items": TARGET, "maxItems": 5000, "uniqueItems": True},
    "reason": REASON,
    "expires_at": MOMENT,
}


def _object(fields: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    shape = {"type": "object", "required": sorted(fields), "additionalProperties": False, "properties": dict(fields)}
    return shape | more


WHEN = {
    "oneOf": [
        _object(
            {
                "cron": {"type": "string", "minLength": 9, "maxLength": 200},
                "zone": {"type": "string", "pattern": "^(UTC|[A-Z][A-Za-z]+(/[A-Za-z0-9_+-]+){1,2})$", "maxLength": 60},
            }
        ),
        _object({"at": MOMENT}),
        _object(
            {
                "after": NAME,
                "outcomes": {"type": "array", "items": {"enum": list(OUTCOMES)}, "minItems": 1, "uniqueItems": True},
            }
        ),
    ]
}
POINTER = {"type": "string", "pattern": "^(/([^/~]|~[01])*)+$", "maxLength": 300}
KEY = {"type": "string", "pattern": "^whpk_[A-Za-z0-9+/]{43}=$"}
SCHEMAS: Mapping[str, dict[str, Any]] = {
    SCHEDULE: _object(
        {
            **COMMON,
            "parameters": {"type": "object", "maxProperties": 200},
            "when": WHEN,
            "late": {"enum": ["skip", "run_once"]},
            "overlap": {"enum": ["skip", "queue"]},
        }
    ),
    HOOK: _object(
        {
            **COMMON,
            "mapping": {
                "type": "object",
                "maxProperties": 200,
                "additionalProperties": {"oneOf": [_object({"value": {}}), _object({"pointer": POINTER})]},
            },
            "proof": {"enum": list(PROOFS)},
            "keys": {"type": "array", "items": _object({"key": KEY, "holder": UUID}), "maxItems": 20},
            "a_minute": {"type": "integer", "minimum": 1, "maximum": MOST_A_MINUTE},
        }
    ),
    END: _object(
        {"kind": {"enum": list(KINDS)}, "name": NAME, "procedure": NAME, "environment": NAME, "reason": REASON}
    ),
}
Table = MutableMapping[tuple[str, str], dict[str, Any]]


def same_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """A name belongs to one procedure in one environment for good: nobody takes over another's by its name."""
    return all(one[name] == other[name] for name in ("procedure", "environment"))


def expiry_problem(object: Mapping[str, Any], at: datetime) -> str:
    """Why it cannot stand until then, or an empty string."""
    until = parse_moment(object["expires_at"])
    if until <= at:
        return "is over"
    return f"is more than {LONGEST.days} days away" if until > at + LONGEST else ""


def changed(table: Table, control: str, fact: dict[str, Any], change: str) -> None:
    """Fold a confirmed change into what stands. `fact` also says `event`, `set_at`, `proposer` and `confirmers`.

    What was before is kept as `was`, for runs that were asked for then.
    """
    key = (str(fact["kind"]) if control == END else control, str(fact["name"]))
    known = table.get(key)
    if known is not None and not same_place(known, fact):
        return
    if control == END:
        if known is not None and fact["stands"]:
            table[key] = {**known, "ended": True, "event": fact["event"], "was": known}
    elif fact["stands"] or known is None or not known["stands"]:
        creator = known["creator"] if known else fact["proposer"]
        table[key] = {**fact, "change": change, "creator": creator, "ended": False, "was": known}


def as_of(row: Mapping[str, Any] | None, event: str) -> Mapping[str, Any] | None:
    """What stood when the event of this id was recorded; ids are in order of time."""
    while row is not None and row["event"] > event:
        row = row["was"]
    return row


def behind(row: Mapping[str, Any], *, profile: str) -> Iterator[tuple[str, str]]:
    """(subject, role) of everybody who stands behind what it asks for (rule 16)."""
    yield row["creator"], CREATOR
    yield row["proposer"], EDITOR
    if profile == "separate":
        yield from ((one, CONFIRMER) for one in row["confirmers"])
    yield from ((one["holder"], HOLDER) for one in row.get("keys", ()))


def too_long(row: Mapping[str, Any]) -> bool:
    """Whether it was to stand for longer than a year from when it was set."""
    return bool(row["expires_at"] > moment(parse_moment(row["set_at"]) + LONGEST + timedelta(hours=1)))
