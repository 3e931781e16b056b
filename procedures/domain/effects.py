"""What a confirmed change, a leaver or an owner makes of the authority that stood before it in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from procedures.domain import campaigns, legal_holds, providers, retention, standing, stops, workloads
from procedures.domain.canonical import moment, parse_moment
from procedures.domain.controls import REPLACED_COUNTS_AFTER, Authority


def counts_from(at: str, *, keyed: bool, by_older_key: bool) -> str:
    """From when on a key counts for production; empty: at once, as its person's first, or signed by an older one.

    Any other takes the place of a lost one, and counts a day later (H1).
    """
    return moment(parse_moment(at) + REPLACED_COUNTS_AFTER) if keyed and not by_older_key else ""


def end_key(authority: Authority, fingerprint: str, *, index: int | None) -> None:
    """A key signs nothing from this place in the log on; what stands before it stays proven."""
    if fingerprint in authority.keys:
        authority.ended_keys[fingerprint] = {**authority.keys.pop(fingerprint), "ended": index}


def close(authority: Authority, subject: str, *, id: str, index: int | None) -> None:
    """Somebody left: grants, memberships and keys of theirs end. What they signed before stays signed.

    The event is the platform's word alone. So it only takes away, and for good: nothing opens a person's account again,
    and whoever comes back gets another one.
    """
    principal = f"person:{subject}"
    for name in [name for name, grant in authority.grants.items() if grant["principal"] == principal]:
        del authority.grants[name]
    for members in authority.members.values():
        members.discard(subject)
    for mark in [mark for mark, key in authority.keys.items() if key["subject"] == subject]:
        end_key(authority, mark, index=index)
    authority.closed.setdefault(subject, id)


def own(authority: Authority, subject: str, owner: str) -> None:
    """The platform says that software has an owner: whoever is named so gains from what it is given, too."""
    authority.owners.setdefault(subject, set()).add(owner)


def apply(authority: Authority, control: str, object: Mapping[str, Any], *, id: str, stands: bool) -> None:
    """Fold one confirmed change into `authority`. What does not stand is kept apart, marked, and never strengthens."""
    fact = {**object, "stands": stands}
    if control == "grant":
        wanted = set(fact.get("selector", ()))
        authority.grants[id] = fact | {"pinned": [name for name, has in authority.labels.items() if wanted <= has]}
        campaigns.replaced(authority, fact)
    elif control == "binding":
        _keep(authority.bindings, (object["environment"], object["name"]), fact)
    elif control in {"target", "action"}:
        table, key = (authority.targets, "name") if control == "target" else (authority.actions, "id")
        if object.get("action", "set") == "set":
            _keep(table, object[key], fact)
        elif stands:
            table.pop(object[key], None)
    elif control == "secret":
        _keep(authority.secrets, (object["environment"], object["name"]), fact)
    elif control in {"policy", "inventory"}:
        _keep(authority.policies if control == "policy" else authority.inventories, object["name"], fact)
    elif control in {"runner", "agent", "service_account", legal_holds.PLACED, *workloads.CONTROLS, *standing.CONTROLS}:
        _keep_machine(authority, control, fact, id)
    elif stands:
        CHANGES.get(control, partial(_apply_standing, control=control))(authority, object=object)


def _hold_ended(authority: Authority, object: Mapping[str, Any]) -> None:
    legal_holds.ended(authority.legal_holds, object)


def _floor_set(authority: Authority, object: Mapping[str, Any]) -> None:
    authority.floor = int(object["days"])


CHANGES: Mapping[str, Callable[..., None]] = {
    **campaigns.CHANGES,
    legal_holds.ENDED: _hold_ended,
    retention.CONTROL: _floor_set,
}


def _keep(table: dict[Any, dict[str, Any]], key: Any, fact: dict[str, Any]) -> None:
    """What stands takes the place of what stood; what does not stand takes the place of nothing that does."""
    if fact["stands"] or not table.get(key, {}).get("stands"):
        table[key] = fact


def _keep_machine(authority: Authority, control: str, fact: dict[str, Any], change: str) -> None:
    """A change of hands that stands ends the former owner's gain; one that does not stand ends nobody's."""
    if control == "runner":
        if not any(row["public"] == fact["public"] for id, row in authority.runners.items() if id != fact["runner"]):
            _keep(authority.runners, fact["runner"], fact)  # a key is one runner's
        return
    if control == legal_holds.PLACED:
        legal_holds.placed(authority.legal_holds, change, fact)
        return
    if control in standing.CONTROLS:
        standing.changed(authority.standing, control, fact, change)
        return
    if control in workloads.CONTROLS:
        workloads.changed(authority.workloads, control, fact)
        return
    table, key = (authority.agents, "agent") if control == "agent" else (authority.accounts, "account")
    _keep(table, fact[key], fact)
    if fact["stands"]:
        authority.owners[fact[key]] = {fact["owner"]}
        authority.closed.pop(fact[key], None)  # people sign for software anew; what it held stays gone
    else:
        own(authority, fact[key], fact["owner"])


def _apply_standing(authority: Authority, *, control: str, object: Mapping[str, Any]) -> None:
    adding = object.get("action", "add") == "add"
    if control == "grant_end":
        authority.grants.pop(object["grant"], None)
    elif control == "membership":
        group = authority.members.setdefault(object["group"], set())
        group.add(object["person"]) if adding else group.discard(object["person"])
    elif control == "duty":
        holders = authority.duties.setdefault(object["duty"], set())
        holders.add(object["principal"]) if adding else holders.discard(object["principal"])
    elif control == "key":
        authority.keys.setdefault(object["fingerprint"], dict(object))  # nobody takes over another's key
        authority.keyed.add(object["subject"])
    elif control == "runner_end":
        authority.runners.pop(object["runner"], None)
    else:
        _apply_setting(authority, control, object)


def _apply_setting(authority: Authority, control: str, object: Mapping[str, Any]) -> None:
    if control == "environment":
        authority.environments[object["name"]] = dict(object)
        if object["production"]:
            authority.production.add(object["name"])
        else:
            authority.production.discard(object["name"])
    elif control == "profile":
        authority.profile = object["profile"]
    elif control == "identity_provider":
        providers.changed(authority, object, {**object, "stands": True})
    elif control == "labels":
        authority.labels[object["procedure"]] = set(object["labels"])
    elif control == "space" and object["action"] == "set":
        authority.spaces[object["name"]] = dict(object)
    elif control == "space":
        authority.spaces.pop(object["name"], None)
    elif control == "terms":
        authority.terms = dict(object)
    elif control == "stop_lift":
        stops.lifted(authority.stops, object)
