"""The middle of a dossier: request, procedure, decisions, plan, credentials, steps, outcome and rights, in full."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from procedures.evidence.paper import Block, Exact, Facts, Section, Table
from procedures.evidence.queries import Fact, facts_naming
from procedures.queries import differences

if TYPE_CHECKING:
    from procedures.queries.dossier import Known


def sections(known: Known) -> list[Section]:
    return [
        Section("The request", _request(known)),
        Section("The procedure", _procedure(known)),
        Section("Its text", _text(known)),
        Section("What changed from the version before", [_changes(known)]),
        Section("Decisions of policies", [_policies(known)]),
        Section("Approvals, and what the approvers were shown", _approvals(known)),
        Section("Values, targets and host keys", _plan(known)),
        Section("Temporary credentials", [_leases(known)]),
        Section("The runner", [_runner(known)]),
        Section("What ran", [_steps(known)]),
        Section("Human inputs on the way", [_inputs(known)]),
        Section("What came out", _outcome(known)),
        Section("Rights of those who asked and decided", [_rights(known)]),
    ]


def pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


def _facts(one: Fact | None, *names: str) -> list[tuple[str, str]]:
    said = one.facts if one else {}
    return [(name.replace("_", " "), _cell(said[name])) for name in names if name in said]


def _cell(value: object) -> str:
    if value in ([], {}, None):
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _request(known: Known) -> list[Block]:
    run, one = known.run, known.first("run.requested")
    rows = [("run", f"#{run.no} ({run.pk})"), ("asked by", known.who(run.requester.subject))]
    rows += [("asked at", str(run.requested_at)), ("by way of", run.door), ("environment", run.environment_id)]
    rows += [("reason", known.value(one.id, "/reason", "none given") if one else "")]
    rows += _facts(one, "risk", "strength", "session", "ticket", "token", "connection", "grant", "chain")
    people = [(known.who(link.person.subject), link.role) for link in run.chain.select_related("person")]
    return [Facts(rows), Table(("Who stands behind it", "As"), people, "Nobody else stands behind it.")]


def _procedure(known: Known) -> list[Block]:
    version = known.run.version
    rows = [("procedure", known.run.procedure.name), ("version", str(version.number)), ("digest", version.digest)]
    rows += [("handed in", str(version.submitted_at)), ("accepted", str(version.accepted_at or "never"))]
    rows += [("note", version.note or "none"), ("risk", version.risk), ("why that risk", _cell(version.risk_reasons))]
    rows += [("authors", ", ".join(known.who(a.person.subject) for a in version.authors.select_related("person")))]
    rows += [("came from", _cell(version.origin or "handed in directly"))]
    tested = next((one for one in reversed(known.version) if one.kind == "version.tested"), None)
    rows += [("its own tests", f"{tested.facts['passed']} passed, {tested.facts['failed']} failed")] if tested else []
    reviews = [
        (str(one.at), known.who(one.reviewer.subject), one.verdict, ", ".join(one.duties), one.strength, one.comment)
        for one in version.reviews.select_related("reviewer").order_by("at")
    ]
    head = ("When", "Who", "Verdict", "Duties", "Strength", "Comment")
    return [Facts(rows), Table(head, reviews, "Nobody has reviewed it.")]


def _text(known: Known) -> list[Block]:
    blocks: list[Block] = []
    for file in known.run.version.files.order_by("path"):
        try:
            text = bytes(file.content).decode()
        except UnicodeDecodeError:
            text = f"[{file.size_bytes:,} bytes that are no text]"
        blocks.append(Exact(text, f"{file.path}, SHA-256 {file.content_sha256}"))
    return blocks or ["It has no files any more."]


def _changes(known: Known) -> Block:
    version = known.run.version
    old = differences.base_of(version)
    rows = [
        (f"{one.area}: {one.name}", one.before, one.after, one.why or str(one.effect))
        for one in differences.differences(old, version, version.accepted_at or known.at)
    ]
    none = "Nothing that reviewers are shown as a row differs from the version accepted before."
    return Table(
        ("What", f"Version {old.number}" if old else "Before", f"Version {version.number}", "Effect"), rows, none
    )


def _policies(known: Known) -> Block:
    found = [one for one in [*known.version, *known.facts] if one.kind == "policy.decided"]
    rows = [
        (one.at, str(one.facts["stage"]), _cell(one.facts["policies"]), _cell(one.facts["denied"]),
         _cell(one.facts["warned"]), _cell(one.facts["input"]))
        for one in found
    ]  # fmt: skip
    head = ("When", "Stage", "Policies, by digest", "Denied", "Warned", "Digest of what they saw")
    return Table(head, rows, "No policy stood here.")


def _approvals(known: Known) -> list[Block]:
    blocks: list[Block] = []
    for one in known.run.approvals.select_related("approver").order_by("at"):
        keys = ", ".join(str(sig.get("key", "")) for sig in one.signatures) or "none"
        rows = [("who", known.who(one.approver.subject)), ("said", one.verdict), ("when", str(one.at))]
        rows += [("good until", str(one.not_after_at)), ("gate", one.gate or "the whole run"), ("key", keys)]
        rows += [("duties", ", ".join(one.duties)), ("strength", one.strength), ("comment", one.comment or "none")]
        rows += [("plan", one.plan_digest), ("same plan as ran", _same(known, one.plan_digest))]
        blocks += [Facts(rows), Exact(_statement(bytes(one.statement)), "What was signed, to the letter:")]
    return blocks or ["Nobody approved or turned down this run."]


def _same(known: Known, digest: str) -> str:
    claimed = known.first("run.claimed")
    if claimed is None:
        return "nothing ran"
    return "yes" if claimed.facts["plan_digest"] == digest else f"no, {claimed.facts['plan_digest']} ran"


def _statement(data: bytes) -> str:
    try:
        return pretty(json.loads(data))
    except ValueError:
        return base64.b64encode(data).decode()


def _plan(known: Known) -> list[Block]:
    plan = known.plan
    if not plan:
        return ["No plan was made."]
    rows = [(str(one.get("name")), str(one.get("address", "")), _key(one)) for one in plan.get("targets", [])]
    return [
        Facts([("digest of the plan", known.run.plan_digest)]),
        Exact(pretty(plan.get("parameters", {})), "Values it ran with; secrets are marks, never values:"),
        Table(("Target", "Address", "Host key and trust"), rows, "It has no targets: it ran on the runner itself."),
        Exact(pretty(plan.get("steps", [])), "What each step would do, as it was approved:"),
    ]


def _key(target: dict[str, Any]) -> str:
    named = {key: value for key, value in target.items() if key.startswith(("host_", "level", "trust", "fingerprint"))}
    return _cell(named) if named else ""


def _leases(known: Known) -> Block:
    rows = [
        (lease.credential, lease.provider, lease.step, lease.target, str(lease.issued_at or "never"),
         str(lease.expires_at or ""), str(lease.ended_at or "not yet"), _cell(lease.facts))
        for lease in known.run.leases.order_by("intended_at")
    ]  # fmt: skip
    head = (
        "Credential",
        "Kind",
        "Step",
        "Target",
        "Lent",
        "Good until",
        "Taken back",
        "What it could do; never itself",
    )
    return Table(head, rows, "None was lent.")


def _runner(known: Known) -> Block:
    rows = []
    for one in known.all("run.claimed", "batch.taken"):
        software = str(one.facts.get("software") or "not reported")
        rows.append((one.at, str(one.facts["runner"]), software, str(one.facts.get("tier") or "not reported")))
    return Table(("When", "Runner", "Its software, as it reports it", "Sandbox tier"), rows, "No runner took it.")


def _steps(known: Known) -> Block:
    ends = {one.facts["task"]: one for one in known.all("task.finished", "task.interrupted")}
    rows = []
    for begun in known.all("step.intent"):
        end = ends.get(begun.facts["task"])
        said = end.facts if end else {}
        root = (said.get("transcript") or {}).get("root", "") if isinstance(said.get("transcript"), dict) else ""
        rows.append((str(begun.facts["step"]), str(begun.facts["target"]), str(begun.facts["attempt"]), begun.at,
                     end.at if end else "no end is recorded", str(said.get("outcome", "")),
                     str(said.get("exit", "")), str(root)))  # fmt: skip
    skipped = [(str(one.facts["step"]), str(one.facts["target"]), "", one.at, "", "skipped", "", "")
               for one in known.all("task.skipped")]  # fmt: skip
    head = ("Step", "Target", "Attempt", "Said that it begins", "Ended", "How", "Exit", "Root of what it printed")
    return Table(head, rows + skipped, "No step began.")


def _inputs(known: Known) -> Block:
    kinds = ("run.answered", "run.paused", "run.resumed", "run.pause_asked", "run.cancel_asked", "run.commented")
    rows = [(one.at, known.who(one.actor), one.kind, str(one.facts.get("gate", ""))) for one in known.all(*kinds)]
    return Table(("When", "Who", "What", "Gate"), rows, "Nobody was asked for anything on the way.")


def _outcome(known: Known) -> list[Block]:
    run = known.run
    printed = run.readable
    rows = [("state", run.state), ("message", run.message or "none"), ("ended", str(run.ended_at or "not yet"))]
    told = f"{printed.masked:,} masked, {printed.cut:,} not kept, {printed.withheld:,} never shown"
    rows += [("printed", f"{printed.printed:,} bytes: {told}")]
    files = [(one.name, f"{one.size_bytes:,} bytes", one.content_sha256, "erased" if one.erased_at else "kept")
             for one in run.artifacts.order_by("id")]  # fmt: skip
    undone = sorted({t.step for t in run.tasks.filter(phase="rollback")})
    return [
        Facts([*rows, ("undone by", ", ".join(undone) or "no step of a rollback ran")]),
        Table(("File", "Size", "SHA-256", "Now"), files, "It made no files."),
    ]


def _rights(known: Known) -> Block:
    """The grants that gave them, as the log confirmed them, with who signed."""
    asked = known.first("run.requested")
    wanted = [(asked, "asked")] if asked else []
    wanted += [(one, "approved") for one in known.all("run.approved")]
    rows = []
    for one, did in wanted:
        grant = str(one.facts.get("grant") or "")
        given = facts_naming(grant, "control.confirmed", "bootstrap.granted") if grant else []
        by = ", ".join(known.who(link.actor) for link in given) or "the access that stood at that moment"
        said = _cell(given[0].facts.get("object") or given[0].facts.get("verbs")) if given else ""
        rows.append((known.who(one.actor), did, grant, by, said))
    return Table(("Who", "Did", "By the access", "Given by", "Which says"), rows, "Nobody is named.")
