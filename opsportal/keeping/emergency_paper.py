"""The printed steps of one environment: whom to call, what stands still, which hosts, and each procedure by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from procedures.answers.standing import Standing
from procedures.domain.canonical import canon
from procedures.domain.plan import plain
from procedures.evidence.paper import Block, Exact, Facts, Paper, Section, Table
from procedures.models import Environment, Stop, Target, Version
from procedures.queries.holders import holders

UNPRINTED = ("procedure.yaml", ".zip", ".gz", ".png", ".jpg", ".pdf")  # the table of steps says it, or no text
CALLED = {
    "break_glass": "may break the glass",
    "operate": "operates it",
    "approve": "approves runs there",
    "manage_access": "manages access",
}


def of(row: Environment, then: Standing, opens: Mapping[str, str], at: datetime) -> Paper:
    """Everything about one environment, on paper."""
    versions = _versions(row)
    sections = [
        Section("First", _first(opens)),
        Section("What stands still on purpose", [_still(row, at)]),
        Section("Whom to call", [_people(row, at)]),
        Section("Hosts", [_hosts(row)]),
        *(Section(version.procedure.title or version.procedure.name, _procedure(version)) for version in versions),
    ]
    return Paper(
        f"By hand in {row.title or row.name}", f"As of {at:%Y-%m-%d %H:%M} UTC, from the portal's database.", sections
    )


def known_hosts(row: Environment) -> str:
    """The confirmed host keys, as ssh reads them."""
    lines = []
    for target in _targets(row):
        where = target.address if target.port == 22 else f"[{target.address}]:{target.port}"
        lines += [f"{where} {target.host_key}"] if target.host_key else []
    return "".join(f"{line}\n" for line in lines)


def _first(opens: Mapping[str, str]) -> list[Block]:
    together = (
        f"The credential of this pack opens for two of: {', '.join(sorted(opens))}. README.txt says how."
        if opens
        else "No credential was sealed into this pack for this environment: use what your hosts have for that day."
    )
    return [
        "Two people, one types and one reads along. Nothing is tried that no procedure below says, unless both agree.",
        "Write down for each act, in UTC: when, who, on which host, the command, why, and what came of it.",
        together,
        "Afterwards: opsportal evidence record-outage, signed by who did it and accepted by somebody else.",
    ]


def _still(row: Environment, at: datetime) -> Table:
    frozen = row.frozen_until_at
    rows = [["frozen", f"until {frozen:%Y-%m-%d %H:%M} UTC", ""]] if frozen is not None and frozen > at else []
    stops = Stop.objects.filter(lifted_at__isnull=True).select_related("procedure", "thrown_by")
    rows += [
        ["stopped", stop.what, f"{stop.thrown_by}: {stop.reason}"]
        for stop in stops
        if stop.environment_id in {None, row.name}
    ]
    return Table(("How", "What", "Why"), rows, "Nothing is frozen or stopped.")


def _people(row: Environment, at: datetime) -> Table:
    said: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for verb, words in CALLED.items():
        for person in holders(verb, at, environment=row):
            said.setdefault(person.username, []).append(words)
            names[person.username] = f"{person} <{person.email}>" if person.email else str(person)
    rows = [[names[name], ", ".join(words)] for name, words in sorted(said.items())]
    return Table(("Who", "Why"), rows, "Nobody holds a right over the whole environment.")


def _targets(row: Environment) -> list[Target]:
    return list(Target.objects.filter(environment=row, ended_at__isnull=True))


def _hosts(row: Environment) -> Table:
    rows = [
        [
            target.name,
            f"{target.address}:{target.port}",
            target.host_key_sha256,
            " ".join(f"{name}={value}" for name, value in sorted(target.tags.items())),
            target.owner,
        ]
        for target in _targets(row)
    ]
    return Table(("Name", "Address", "Host key", "Tags", "Owner"), rows, "No target is named here.")


def _versions(row: Environment) -> list[Version]:
    rows = Version.objects.filter(state="accepted", draft=False, procedure__retired_at__isnull=True)
    found = rows.select_related("procedure").order_by("procedure__name")
    return [one for one in found if row.name in (one.definition.get("environments") or [row.name])]


def _procedure(version: Version) -> list[Block]:
    said = version.definition
    facts = [
        ("Files", f"procedures/{version.procedure.name}/"),
        ("Fingerprint", version.digest),
        ("Risk", version.risk),
        ("Says", str(said.get("description") or "–")),
    ]
    steps = [
        [
            str(number),
            str(step.get("id", "")),
            str(step.get("action", "")),
            canon(plain(step.get("input") or {})).decode(),
        ]
        for number, step in enumerate(said.get("steps") or [], 1)
    ]
    texts = [
        Exact(bytes(file.content).decode(errors="replace"), of=file.path)
        for file in version.files.order_by("path")
        if not file.path.lower().endswith(UNPRINTED) and not file.path.startswith("tests/")
    ]
    return [Facts(facts), Table(("No", "Step", "Does", "With"), steps, "It has no step."), *texts]
