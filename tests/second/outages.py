"""Records of outages: two people who could decide there signed what was done by hand (record 0064).

Who could decide is asked of the log: grants of `operate` and `manage_access` over a whole environment, to people and to
groups whose members were signed for, as far as those changes carry signatures themselves. Spaces, campaigns, terms and
groups of directories are for `verify.py` alone.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.second.container import need
from tests.second.rules import Rules

Facts = dict[str, Any]
DECIDING = {"operate", "manage_access"}


class Outages:
    """Told events in the order of the log, each before `rules` hears of it."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.profile = ""
        self.production: set[str] = set()
        self.grants: dict[str, Facts] = {}
        self.members: dict[str, set[str]] = defaultdict(set)
        self.software: set[str] = set()
        self.closed: set[str] = set()
        self.spent: set[str] = set()
        self.latest = ""
        self.found: list[Facts] = []
        self.asserted: list[tuple[int, str]] = []

    def told(self, index: int, header: Facts, body: Facts) -> None:
        self.latest = max(self.latest, header["at"])
        if header["k"] == "genesis" and not self.profile:
            self.profile = body["profile"]
            self.production = {one["name"] for one in body["environments"] if one["production"]}
        elif header["k"] == "bootstrap.granted":
            ends = {"not_before": body["at"], "expires_at": body["expires_at"]}
            grant = {"principal": f"person:{body['subject']}", "verbs": body["verbs"], "environments": [], **ends}
            self.grants.setdefault(body["grant"], grant)
        elif header["k"] == "person.made" and body.get("owner"):
            self.software.add(body["subject"])
        elif header["k"] == "person.closed":
            self.closed.add(body["subject"])
        elif header["k"] == "control.confirmed":
            self._changed(index, body)

    def _changed(self, index: int, body: Facts) -> None:
        control, what = body["control"], body["object"]
        if control == "outage":
            self._outage(index, what, body)
        elif control in ("agent", "service_account"):
            self.software.add(what["agent" if control == "agent" else "account"])
        elif control == "environment" and what["production"]:
            self.production.add(what["name"])
        elif control == "grant" and self._stands(what, body):
            self.grants[body["change"]] = what
        elif control == "membership" and self._stands(what, body):
            if what.get("action", "add") == "add":
                self.members[what["group"]].add(what["person"])
            else:
                self.members[what["group"]].discard(what["person"])
        elif control == "grant_end" and self._stands(what, body):
            self.grants.pop(what["grant"], None)

    def _outage(self, index: int, what: Facts, body: Facts) -> None:
        told = {name: what[name] for name in ("environment", "from", "to")}
        need(all(isinstance(one, str) for one in told.values()) and isinstance(what["acts"], list), "no outage")
        named, signed = self.rules.signers(body)
        place = what["environment"]
        enough = len(named) > 1
        if place in self.production:
            enough = len(signed & self.holders(DECIDING, place)) > 1
        if not enough or not self._once(body):
            self.asserted.append((index, "outage"))
        else:
            self.found.append({"index": index, **told, "acts": len(what["acts"])})

    def _stands(self, what: Facts, body: Facts) -> bool:
        """Whether a change of who may what is signed by one who does not gain; by two if nobody gains or in `separate`;
        taking away needs one.
        """
        _, signed = self.rules.signers(body)
        places = what.get("environments") or [None]
        gains: set[str] = set()
        if body["control"] == "grant":
            gains = self.behind(what["principal"])
        elif body["control"] == "grant_end":
            places = self.grants.get(what["grant"], {}).get("environments") or [None]
        elif what.get("action", "add") == "add":
            gains = {what["person"]}
        near = bool(self.production & set(places) if what.get("environments") else self.production)
        deciders = set.intersection(*(self.holders({"manage_access"}, place) for place in places))
        alone = body["control"] == "grant_end" or (gains and self.profile != "separate")
        return (not near or len(signed & deciders - gains) >= (1 if alone else 2)) and self._once(body)

    def _once(self, body: Facts) -> bool:
        """What people signed counts once."""
        said = body.get("statement", "")
        again = said in self.spent
        self.spent |= {said} - {""}
        return not again

    def behind(self, principal: str) -> set[str]:
        kind, _, name = principal.partition(":")
        need(kind in ("person", "group"), "nobody")
        return ({name} if kind == "person" else self.members[name]) - self.closed

    def holders(self, verbs: set[str], place: str | None) -> set[str]:
        """Who has one of the verbs for all of a place now; None is every environment."""
        found: set[str] = set()
        for grant in self.grants.values():
            whole = "procedure" not in grant and not grant.get("selector")
            there = not grant["environments"] or place in grant["environments"]
            alive = grant["not_before"] <= self.latest < grant["expires_at"]
            if whole and there and alive and verbs & set(grant["verbs"]):
                found |= self.behind(grant["principal"])
        return found - self.software
