"""The people and hosts of the demo, set up as a real company would: invited, enrolled, granted, each change signed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opsportal.demo.client import PASSWORD, Keyboard
from opsportal.demo.hosts import Host
from procedures.domain.canonical import moment
from procedures.domain.sshkeys import fingerprint

PEOPLE: Mapping[str, str] = {
    "mira": "Mira Lindqvist, access manager",
    "jonas": "Jonas Weber, access manager",
    "adam": "Adam Reyes, author",
    "olga": "Olga Petrova, operations",
    "sven": "Sven Aalto, security",
    "clara": "Clara Diaz, compliance",
    "quinn": "Quinn Archer, QA",
    "petra": "Petra Novak, approver",
    "ines": "Ines Moreau, auditor",
    "max": "Max Engel, developer",
}
DUTIES = {"olga": "operations", "sven": "security", "clara": "compliance", "petra": "operations"}
VERBS: Mapping[str, tuple[list[str], list[str]]] = {
    "adam": (["author", "view", "review"], []),
    "olga": (["review", "view"], []),
    "sven": (["review", "view"], []),
    "clara": (["review", "view"], []),
    "quinn": (["run", "view", "approve", "read_output"], ["staging", "production"]),
    "petra": (["approve", "view"], ["staging", "production"]),
    "ines": (["audit", "view"], []),
}


class Company:
    """Everybody's keyboards by username."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.people = {name: Keyboard(url, name, folder) for name in PEOPLE}

    def __getitem__(self, name: str) -> Keyboard:
        return self.people[name]

    def found(self, link: str) -> None:
        """The first access manager, by the one-time link, with a signing key from the first moment."""
        mira = self["mira"]
        token = link.strip("/").rpartition("/")[2]
        mira.good(
            "POST",
            "/api/v1/welcome/",
            {
                "token": token,
                "username": "mira",
                "name": PEOPLE["mira"],
                "password": PASSWORD,
                "public_key": mira.make_key(),
            },
        )
        mira.login()

    def invite_everybody(self) -> None:
        """Invited by Mira, joined with a password, key proposed by its owner and confirmed by Mira."""
        for name in PEOPLE:
            if name != "mira":
                self.invite(name)

    def invite(self, name: str) -> None:
        person = self[name]
        invited = self["mira"].good("POST", "/api/v1/people/", {"username": name, "name": PEOPLE[name]})
        token = invited["invitation"].strip("/").rpartition("/")[2]
        person.good("POST", "/api/v1/join/", {"token": token, "password": PASSWORD})
        person.login()
        public = person.make_key()
        change = person.good(
            "POST",
            "/api/v1/controls/",
            {
                "control": "key",
                "object": {"subject": person.subject, "public": public, "fingerprint": fingerprint(public)},
            },
        )
        self["mira"].confirm(change)

    def both(self, control: str, object: dict[str, Any]) -> dict[str, Any]:
        """Proposed by Mira, confirmed by Jonas where the profile in force asks for a second person."""
        return self["jonas"].confirm(self["mira"].propose(control, object))

    def grant(self, name: str, verbs: list[str], environments: list[str], **more: Any) -> dict[str, Any]:
        at = datetime.now(UTC)
        return self.both(
            "grant",
            {
                "principal": f"person:{self[name].subject}",
                "verbs": verbs,
                "environments": environments,
                "not_before": moment(at),
                "expires_at": moment(at + timedelta(days=90)),
                "reason": PEOPLE[name],
                **more,
            },
        )

    def share_authority(self) -> None:
        """A second manager, then the profile under which nobody decides alone."""
        self.grant("jonas", ["manage_access", "operate", "view", "discover"], [])
        self.both("profile", {"profile": "separate"})

    def give_duties(self) -> None:
        for name, duty in DUTIES.items():
            self.both("duty", {"principal": f"person:{self[name].subject}", "duty": duty, "action": "add"})

    def give_rights(self) -> None:
        for name, (verbs, environments) in VERBS.items():
            more = {"procedure": "restart-service"} if name in {"quinn", "petra"} else {}
            self.grant(name, verbs, environments, **more)

    def add_hosts(self, hosts: Mapping[str, list[Host]]) -> None:
        """Bindings and targets per environment; each host trusts that environment's certificate authority alone."""
        rows = self["mira"].good("GET", "/api/v1/environments/")["results"]
        authorities = {row["name"]: row["ssh_authority"] for row in rows}
        for environment, group in hosts.items():
            self.both(
                "binding",
                {
                    "environment": environment,
                    "name": "deploy",
                    "provider": "ssh-certificate",
                    "role": group[0].account,
                    "ceiling": {},
                    "max_ttl_s": 600,
                    "reach": {"sudo": "none"},
                },
            )
            for host in group:
                host.trust(ca=authorities[environment] + "\n")
                self.both(
                    "target",
                    {
                        "environment": environment,
                        "name": host.name,
                        "address": host.address,
                        "port": host.port,
                        "host_key": host.host_key,
                        "trust": "certificate",
                        "attributes": {},
                        "action": "set",
                        "tags": {"role": "web", "service": "checkout"},
                    },
                )
