"""What a change of authority does, in one sentence for the people who sign it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from procedures.domain.text import amount
from procedures.web import identity_forms, outage_forms, runner_forms, standing_forms, workload_forms

Object = dict[str, Any]
Names = Mapping[str, str]
MODES = {"on": "on", "warn": "set to warn alone", "off": "off"}


def told(control: str, made: Object, names: Names) -> str:
    """One sentence that says what a change does. `names` are people by subject."""
    sentence = SENTENCES.get(control)
    return sentence(made, names) if sentence else control


def subjects_in(made: Object) -> list[str]:
    """Subjects that a control object names."""
    named = [
        made.get("person", ""),
        made.get("subject", ""),
        made.get("owner", ""),
        made.get("account", ""),
        str(made.get("principal", "")).removeprefix("person:"),
        *(str(lead).removeprefix("person:") for lead in made.get("leads", [])),
        *map(str, made.get("behind", [])),
        *(act["by"] for act in made.get("acts", [])),
    ]
    return [text for text in named if len(text) == 36]


def _who(principal: str, names: Names) -> str:
    kind, _, name = principal.partition(":")
    return names.get(name, name) if kind == "person" else f"group {name}"


def _verbs(made: Object) -> str:
    return ", ".join(made["verbs"]).replace("_", " ")


def _ends(made: Object) -> bool:
    return made.get("action") in {"end", "remove"}


def _grant(made: Object, names: Names) -> str:
    labels = f"what is labelled {' and '.join(made['selector'])}" if made.get("selector") else ""
    what = made.get("procedure") or labels or "every procedure"
    where = ", ".join(made["environments"]) or "every environment"
    about = made.get("period")
    said = f", about runs asked for from {about['from'][:10]} to {about['to'][:10]}" if about else ""
    return f"{_who(made['principal'], names)} may {_verbs(made)} {what} in {where}{said}"


def _key(made: Object, names: Names) -> str:
    whose = names.get(made["subject"], "Somebody")
    return f"{whose} enrols the {made.get('method', 'SSH key')} {made['fingerprint']}"


def _membership(made: Object, names: Names) -> str:
    who = names.get(made["person"], made["person"])
    return f"{who} {'leaves' if _ends(made) else 'joins'} the group {made['group']}"


def _duty(made: Object, names: Names) -> str:
    who = _who(made["principal"], names)
    return f"{who} {'no longer fills' if _ends(made) else 'fills'} the duty {made['duty']}"


def _target(made: Object, _: Names) -> str:
    does = "leaves" if _ends(made) else "belongs to"
    return f"{made['name']} ({made['address']}:{made['port']}) {does} {made['environment']}"


def _inventory(made: Object, _: Names) -> str:
    read = "read no more" if made["action"] == "end" else f"read from {made['kind']}"
    return f"The inventory {made['name']} of {made['environment']} is {read}"


def _source(made: Object, names: Names) -> str:
    if _ends(made):
        return f"Procedures no longer come from {made['url']}"
    owner = names.get(made["owner"], "somebody")
    return f"Procedures come from {made['url']}, branch {made['branch']}; {owner} answers for them"


def _action(made: Object, _: Names) -> str:
    may = "may no longer run" if _ends(made) else "may run"
    return f"The action {made['id']} {may} here, from the package {made['mark']}"


def _agent(made: Object, names: Names) -> str:
    owner = names.get(made["owner"], "somebody")
    return f"The agent {made['name']} asks for {owner}, {made['runs_an_hour']} runs an hour"


def _environment(made: Object, names: Names) -> str:
    until = f", frozen until {made['frozen_until'][:16].replace('T', ' ')} UTC" if "frozen_until" in made else ""
    return f"New rules for {made['name']}{until}"


def _service_account(made: Object, names: Names) -> str:
    return f"The service account {made['name']} belongs to {names.get(made['owner'], 'somebody')}"


def _labels(made: Object, _: Names) -> str:
    if not made["labels"]:
        return f"{made['procedure']} carries no label any more"
    return f"{made['procedure']} is labelled {', '.join(made['labels'])}"


def _terms(made: Object, _: Names) -> str:
    return (
        f"Access is given for {made['days']} days at most, running in production for "
        f"{made['production_run_days']}, break-glass for {made['break_glass_days']}"
    )


def _space(made: Object, names: Names) -> str:
    if _ends(made):
        return f"The space {made['title']} ends: its leads give no access any more"
    leads = ", ".join(_who(lead, names) for lead in made["leads"])
    where = f"{', '.join(made['procedures'])} in {', '.join(made['environments'])}"
    return f"{leads} may give {_verbs(made)} on {where} for {made['days']} days at most"


def _stop_lift(made: Object, _: Names) -> str:
    return f"{made.get('environment') or made.get('procedure') or 'The whole portal'} goes on: {made['reason']}"


def _redaction(made: Object, names: Names) -> str:
    if "runs" in made:
        one = len(made["runs"]) == 1
        return f"{amount(len(made['runs']), 'run')} whose time is over {'is' if one else 'are'} erased for good"
    if "subject" in made:
        return f"Everything personal about {names.get(made['subject'], 'somebody')} is erased for good"
    paths = made["paths"]
    return f"{', '.join(paths)} of one event {'are' if len(paths) > 1 else 'is'} erased for good"


def _legal_hold(made: Object, names: Names) -> str:
    named = [
        f"the run {made['run']}" if "run" in made else "",
        f"the procedure {made['procedure']}" if "procedure" in made else "",
        names.get(made["subject"], "somebody") if "subject" in made else "",
        f"what happened since {made['from'][:10]}" if "from" in made else "",
        f"what happened until {made['until'][:10]}" if "until" in made else "",
    ]
    return f"Nothing is erased of {', '.join(filter(None, named))}: {made['basis']}"


def _streamed(made: Object) -> str:
    if made["action"] == "end":
        return f"at {made['url']} gets no more events"
    begins = {"beginning": " from the first on", "now": " from now on"}.get(made.get("start", ""), "")
    return f"gets every event of the log{begins}: {made['url']}"


SENTENCES: Mapping[str, Callable[[Object, Names], str]] = {
    "grant": _grant,
    "grant_end": lambda _made, _names: "An access ends at once",
    "key": _key,
    "key_end": lambda made, _: f"The key {made['fingerprint']} counts for nothing from now on",
    "membership": _membership,
    "duty": _duty,
    "environment": _environment,
    "policy": lambda made, _: f"The policy {made['name']} is {MODES[made['mode']]}",
    "binding": lambda made, _: f"{made['environment']} binds {made['name']} to {made['provider']} as {made['role']}",
    "target": _target,
    "inventory": _inventory,
    "secret": lambda made, _: f"A new value of {made['name']} in {made['environment']}",
    "profile": lambda made, _: f"The review profile becomes {made['profile']}",
    "source": _source,
    "campaign": lambda made, _: f"{made['count']} grants are looked at again by {made['due_at'][:10]}: {made['name']}",
    "campaign_keep": lambda made, _: f"{len(made['grants'])} grants of a campaign stay as they are",
    "action": _action,
    "identity_provider": lambda made, _: identity_forms.told_provider(made),
    "local_sign_in": lambda made, _: identity_forms.told_local(made),
    "trusted_issuer": lambda made, _: workload_forms.told_issuer(made),
    "workload_rule": workload_forms.told_rule,
    "schedule": standing_forms.told_schedule,
    "hook": standing_forms.told_hook,
    "standing_end": standing_forms.told_end,
    "agent": _agent,
    "service_account": _service_account,
    "labels": _labels,
    "terms": _terms,
    "space": _space,
    "stop_lift": _stop_lift,
    "runner": lambda made, _: runner_forms.told(made),
    "runner_end": lambda made, _: runner_forms.told_end(made),
    "redaction": _redaction,
    "collector": lambda made, _: f"The collector {made['name']} {_streamed(made)}",
    "outage": outage_forms.told,
    "retention": lambda made, _: f"Runs asked for from now on are kept for {made['days']:,} days at least",
    "legal_hold": _legal_hold,
    "legal_hold_end": lambda made, _: f"A legal hold ends, and what it kept may be erased again: {made['reason']}",
}
