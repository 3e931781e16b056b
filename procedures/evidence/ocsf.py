"""OCSF events of the log's events: which class says what, from the header and, where it is at hand, the body.

No free text is in them, and no name: people are the identifiers under which the log knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

VERSION = "1.3.0"
OTHER, FAILED, DONE = 99, 2, 1
INFORMATIONAL, MEDIUM, HIGH = 1, 3, 4
ACCOUNT, LOGIN, AUTHORIZE, ENTITY, PRIVILEGES, GROUP, APPLICATION, API = (
    3001,
    3002,
    3003,
    3004,
    3005,
    3006,
    6002,
    6003,
)
UNSAID = "not disclosed"  # where a class asks for something that neither header nor body says


@dataclass(frozen=True, slots=True)
class As:
    """How a kind of event is told: class and activity, how it went, and how much it matters."""

    class_uid: int
    activity: int = OTHER
    status: int = DONE
    severity: int = INFORMATIONAL


# A kind stands here by its own name, or by its family; its own name counts first. A test holds every kind against it.
TOLD: dict[str, As] = {
    "session": As(LOGIN),
    "session.opened": As(LOGIN, 1),
    "session.let_in": As(LOGIN, 1),
    "session.refused": As(LOGIN, 1, FAILED, MEDIUM),
    "session.ended": As(LOGIN, 2),
    "identity": As(ACCOUNT),
    "identity.refused": As(LOGIN, 1, FAILED, MEDIUM),
    "identity.keys_shown": As(ENTITY, 3),
    "workload.exchanged": As(LOGIN, 4),
    "workload.refused": As(LOGIN, 4, FAILED, MEDIUM),
    "egress": As(API, OTHER, FAILED, HIGH),
    "person.made": As(ACCOUNT, 1),
    "person.joined": As(ACCOUNT, 2),
    "person.closed": As(ACCOUNT, 5),
    "account": As(ACCOUNT, 5),
    "totp.enrolled": As(ACCOUNT, 10),
    "totp.removed": As(ACCOUNT, 11, severity=MEDIUM),
    "directory": As(ACCOUNT),
    "directory.grouped": As(GROUP),
    "membership": As(GROUP),
    "bootstrap": As(PRIVILEGES, 1, severity=HIGH),
    "access.granted": As(PRIVILEGES, 1),
    "access.denied": As(API, OTHER, FAILED, MEDIUM),
    "access": As(API),
    "token.made": As(ENTITY, 1),
    "token.revoked": As(ENTITY, 4),
    "token.rotated": As(ENTITY, 3),
    "connection.made": As(ENTITY, 1),
    "connection.refused": As(ENTITY, 1, FAILED, MEDIUM),
    "connection.ended": As(ENTITY, 4),
    "control.proposed": As(ENTITY, OTHER),
    "control.confirmed": As(ENTITY, 3),
    "control.refused": As(ENTITY, 3, FAILED),
    "campaign": As(ENTITY),
    "agent.stopped": As(ENTITY, 12, severity=MEDIUM),
    "agent.started": As(ENTITY, 13),
    "genesis": As(APPLICATION, 1),
    "version.submitted": As(APPLICATION, 8),
    "version.accepted": As(APPLICATION, 6),
    "version.revoked": As(APPLICATION, 7, severity=MEDIUM),
    "version.expired": As(APPLICATION, 7),
    "version.superseded": As(APPLICATION, 7),
    "version.rejected": As(APPLICATION, 6, FAILED),
    "version": As(APPLICATION),
    "procedure.retired": As(APPLICATION, 7),
    "procedure.restored": As(APPLICATION, 6),
    "stop": As(APPLICATION, 4, severity=HIGH),
    "heartbeat": As(APPLICATION),
    "run.requested": As(API, 1),
    "run.claimed": As(API, 3),
    "run.finished": As(API, 3),
    "run.denied": As(API, 1, FAILED, MEDIUM),
    "run.claim_refused": As(API, 3, FAILED, MEDIUM),
    "run.rejected": As(API, 1, FAILED),
    "run.turned_down": As(API, 3, FAILED),
    "run.gate_refused": As(API, 3, FAILED),
    "run.interrupted": As(API, 3, FAILED, MEDIUM),
    "run.expired": As(API, 1, FAILED),
    "run.alarmed": As(API, OTHER, severity=HIGH),
    "batch.refused": As(API, 3, FAILED, MEDIUM),
    "batch.lost": As(API, 3, FAILED, MEDIUM),
    "lease.issued": As(AUTHORIZE, 1),
    "lease.refused": As(AUTHORIZE, 1, FAILED, MEDIUM),
    "lease.unknown": As(AUTHORIZE, OTHER, severity=HIGH),
    "lease": As(AUTHORIZE),
    "break_glass.used": As(AUTHORIZE, 1, severity=HIGH),
    "break_glass.reviewed": As(ENTITY, 3),
    "target.unknown_login": As(LOGIN, 1, severity=HIGH),
    "clock": As(API, OTHER, severity=HIGH),
    "log.recovered": As(API, OTHER, severity=HIGH),
    "artifact.read": As(API, 2),
    "artifact.erased": As(API, 4),
    "purge.refused": As(API, 4, FAILED, HIGH),
    "result.read": As(API, 2),
    "result.picked_up": As(API, 2),
    "result.erased": As(API, 4),
    "evidence": As(API, 2),
    "emergency": As(API, OTHER, severity=HIGH),
    "export": As(API, 2),
    "population": As(API, 2),
    "sample": As(API, 2),
}
CHANGED = {  # what a confirmed change of this control is
    "grant": As(PRIVILEGES, 1),
    "grant_end": As(PRIVILEGES, 2),
    "duty": As(PRIVILEGES, 1),
    "membership": As(GROUP),
    "agent": As(ACCOUNT, 1),
    "service_account": As(ACCOUNT, 1),
    "key": As(ACCOUNT),
    "key_end": As(ACCOUNT),
}
PLAIN = As(API)
ENDED_WELL = ("", "succeeded")


def told_as(kind: str) -> As:
    """How a kind is told; what has no class of its own is API activity of another sort."""
    return TOLD.get(kind) or TOLD.get(kind.partition(".")[0], PLAIN)


def event(header: Mapping[str, Any], body: Mapping[str, Any] | None, index: int, *, portal: str = "") -> dict[str, Any]:
    """One OCSF event. `body` is None where it is withheld or not asked for, `index` the leaf's, `portal` an address."""
    known = body or {}
    told = _changed(known) if header["k"] == "control.confirmed" else told_as(header["k"])
    failed = told.status == FAILED or header.get("o", "") not in ENDED_WELL
    said = {
        "class_uid": told.class_uid,
        "category_uid": told.class_uid // 1000,
        "activity_id": told.activity,
        "type_uid": told.class_uid * 100 + told.activity,
        "severity_id": told.severity,
        "status_id": FAILED if failed else DONE,
        "time": _milliseconds(header["at"]),
        "message": header["k"],
        "metadata": _metadata(header, index, portal),
        "unmapped": _unmapped(header) | ({"actor": str(known["actor"])} if known.get("actor") else {}),
    }
    return said | ASKED[told.class_uid](header, known)


def _changed(body: Mapping[str, Any]) -> As:
    """A confirmed change is told by what it changed."""
    return CHANGED.get(str(body.get("control")), TOLD["control.confirmed"])


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def _metadata(header: Mapping[str, Any], index: int, portal: str) -> dict[str, Any]:
    said = {"uid": header["id"], "sequence": index, "version": VERSION, "log_name": "evidence"}
    where = {"log_provider": portal} if portal else {}
    return said | where | {"product": {"name": "OpsPortal", "vendor_name": "OpsPortal"}, "original_time": header["at"]}


def _unmapped(header: Mapping[str, Any]) -> dict[str, Any]:
    """What a header says and OCSF has no word for, by words a reader can guess."""
    words = {"run": "run", "n": "event_of_run", "no": "run_number", "e": "environment", "p": "procedure",
             "o": "outcome", "risk": "risk", "b": "body_sha256", "q": "requester_pseudonym"}  # fmt: skip
    return {words[key]: header[key] for key in words if key in header}


def _who(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {"uid": next((str(body[name]) for name in names if body.get(name)), UNSAID)}


def _user(header: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    return {"user": _who(body, "subject", "actor"), "actor": {"user": _who(body, "actor")}}


def _login(header: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    return {"user": _who(body, "subject", "actor"), "service": {"name": "OpsPortal"}}


def _authorize(header: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    return {"user": _who(body, "actor", "use", "lease"), "privileges": [str(body.get("credential") or UNSAID)]}


def _privileges(header: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    changed = body.get("object")
    thing: Mapping[str, Any] = changed if isinstance(changed, Mapping) else body
    given = [str(one) for one in thing.get("verbs") or [UNSAID]]
    return {"user": {"uid": str(thing.get("principal") or thing.get("subject") or UNSAID)}, "privileges": given}


def _entity(header: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(body.get("control") or header["k"].partition(".")[0])
    named = ("change", "campaign", "token", "connection", "agent", "use", "issuer")
    return {"entity": {"type": kind} | _who(body, *named)}


def _group(header: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    return {"group": _who(body, "group"), "user": _who(body, "subject")}


def _application(header: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    name = body.get("procedure") or body.get("name") or "OpsPortal"
    return {"app": {"name": str(name), "vendor_name": "OpsPortal", **({"uid": header["p"]} if "p" in header else {})}}


def _api(header: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    by = _who(body, "actor", "requester", "runner")
    return {
        "api": {"operation": header["k"]},
        "actor": {"user": by},
        "src_endpoint": {"name": str(body.get("door") or "OpsPortal")},
    }


ASKED: Mapping[int, Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]] = {
    ACCOUNT: _user,
    LOGIN: _login,
    AUTHORIZE: _authorize,
    ENTITY: _entity,
    PRIVILEGES: _privileges,
    GROUP: _group,
    APPLICATION: _application,
    API: _api,
}
