"""An AWX job template as a procedure: its survey is the form, and one marked step stands for the playbook."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from procedures.importers.awx_survey import survey
from procedures.importers.folder import Folder, harmless, label, one_line
from procedures.importers.form import Form, whole_number
from procedures.importers.ledger import Ledger, Part

Place = tuple[Part, ...]
PLAYBOOK = "ansible:playbook"
HINTS = [
    "playbook",
    "project",
    "scm_branch",
    "inventory",
    "limit",
    "job_type",
    "job_tags",
    "skip_tags",
    "verbosity",
    "forks",
    "diff_mode",
    "become_enabled",
    "start_at_task",
    "force_handlers",
    "job_slice_count",
    "execution_environment",
    "custom_virtualenv",
    "extra_vars",
    "use_fact_cache",
]
CREDENTIALS = {"credential", "credentials", "vault_credential", "machine_credential", "cloud_credential"}
SURVEYS = {"survey", "survey_spec"}
SECRET = re.compile(r"(pass(word|wd|phrase)?|secret|token|private_key|api_?key)", re.IGNORECASE)
REASONS = {
    "organization": "Who owns a procedure is said here by spec.owner.",
    "natural_key": "It names the template inside AWX.",
    "type": "It names the kind of the export.",
    "id": "It numbers the template inside AWX.",
    "url": "It names the template inside AWX.",
    "state": "The template is wanted, and here it is.",
    "instance_groups": "Which runners serve a run is the environment's matter.",
    "prevent_instance_group_fallback": "Which runners serve a run is the environment's matter.",
    "host_config_key": "Nothing that starts runs from outside is armed by an import.",
    "webhook_service": "Nothing that starts runs from outside is armed by an import.",
    "webhook_credential": "Nothing that starts runs from outside is armed by an import.",
    "schedules": "Nothing is scheduled by an import.",
    "request_timeout": "It is about the connection to AWX.",
    "validate_certs": "It is about the connection to AWX.",
    "summary_fields": "AWX repeats here what stands elsewhere.",
}
EMPTY: tuple[Any, ...] = (None, "", [], {}, False)


def job_template(row: Mapping[str, Any], ledger: Ledger, place: Place, taken: Collection[str]) -> Folder:
    """One job template. Every key of it is accounted for."""
    return _Template(row, ledger, place, taken).folder()


def questions(row: Mapping[str, Any], ledger: Ledger, place: Place) -> Form:
    """The form of a template or workflow, from whichever key holds its survey."""
    form = Form()
    asked = row.get("survey_enabled", True) is not False
    for key in SURVEYS & set(row):
        spec = row[key]
        if not spec:
            ledger.ignored(*place, key, why="It is empty.")
        elif asked:
            survey(spec, form, ledger, (*place, key))
        else:
            ledger.ignored(*place, key, why="The survey is switched off.")
    if "survey_enabled" in row:
        ledger.mapped(*place, "survey_enabled", into="whether there is a form")
    related = row.get("related")
    if isinstance(related, Mapping):
        form = _merged(form, questions({k: v for k, v in related.items() if k in SURVEYS}, ledger, (*place, "related")))
    return form


def _merged(form: Form, other: Form) -> Form:
    return other if not (form.properties or form.secrets) else form


def account(row: Mapping[str, Any], ledger: Ledger, place: Place) -> None:
    """The keys that mean the same for templates and workflows: reasons, credentials, what is asked at launch."""
    for key, value in row.items():
        if key in CREDENTIALS:
            why = f"{_names(value)}: declare what the step needs under spec.credentials; the environment binds it."
            ledger.reported(*place, key, why=why) if value not in EMPTY else ledger.ignored(
                *place, key, why="It is empty."
            )
        elif key.startswith("ask_") and value in EMPTY:
            ledger.ignored(*place, key, why="It is not asked at launch.")
        elif key.startswith("ask_"):
            ledger.reported(
                *place, key, why="It is asked at launch in AWX; add a parameter where people should choose."
            )
        elif key.startswith("notification_templates"):
            ledger.ignored(*place, key, why="Who is told of a run is set in the portal.")
        elif key.startswith(("controller_", "tower_")):
            ledger.ignored(*place, key, why="It is about the connection to AWX.")
        elif key in REASONS:
            ledger.ignored(*place, key, why=REASONS[key])


def concurrency(row: Mapping[str, Any], ledger: Ledger, place: Place) -> dict[str, Any]:
    """AWX runs a template once at a time unless it says otherwise."""
    together = False
    for key in ("allow_simultaneous", "concurrent_jobs_enabled"):
        if key in row:
            together = together or bool(row[key])
            ledger.mapped(*place, key, into="spec.concurrency")
    return {} if together else {"concurrency": {"group": "template", "onConflict": "queue"}}


def tags(row: Mapping[str, Any], ledger: Ledger, place: Place) -> tuple[str, ...]:
    found = row.get("labels")
    if found is None:
        return ()
    rows = found if isinstance(found, list) else [found]
    names = [one_line(_names(item)) for item in rows]
    ledger.mapped(*place, "labels", into="tags")
    return tuple(dict.fromkeys(name for name in names if name))


def texts(row: Mapping[str, Any], ledger: Ledger, place: Place) -> tuple[str, str]:
    """(title, description)"""
    for key, into in (("name", "the title"), ("description", "the description")):
        if key in row:
            ledger.mapped(*place, key, into=into)
    return one_line(str(row.get("name") or "Imported template")), str(row.get("description") or "")


class _Template:
    def __init__(self, row: Mapping[str, Any], ledger: Ledger, place: Place, taken: Collection[str]) -> None:
        self.row, self.ledger, self.place, self.taken = row, ledger, place, taken

    def folder(self) -> Folder:
        title, description = texts(self.row, self.ledger, self.place)
        folder = Folder(label(title, self.taken), title, description, tags=tags(self.row, self.ledger, self.place))
        account(self.row, self.ledger, self.place)
        form = questions(self.row, self.ledger, self.place)
        folder.spec = {**self.timeout(), **form.spec(), **concurrency(self.row, self.ledger, self.place)}
        kept = self.hints()
        said = "; ".join(
            f"{key} {_names(kept[key])}" for key in ("playbook", "project", "inventory", "limit") if key in kept
        )
        hint = f"The playbook runs by an action that is not here yet ({said or 'nothing is said of it'})."
        folder.mark("job", PLAYBOOK, hint, keep=json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
        self.related()
        return folder

    def timeout(self) -> dict[str, Any]:
        if "timeout" not in self.row:
            return {}
        seconds = whole_number(self.row["timeout"])
        if seconds is None or not 0 <= seconds < 10**9:
            self.ledger.reported(*self.place, "timeout", why="It is no number of seconds; an hour holds.")
            return {}
        self.ledger.mapped(
            *self.place, "timeout", into="spec.timeout" if seconds else "an hour, since a run always ends"
        )
        return {"timeout": f"{seconds}s"} if seconds else {}

    def hints(self) -> dict[str, Any]:
        """What whoever replaces the step will want to know; values that look like secrets stay behind."""
        kept = {}
        for key in HINTS:
            if key not in self.row:
                continue
            value = self.row[key]
            if key == "extra_vars":
                value = self.variables(value)
            self.ledger.mapped(*self.place, key, into="the original beside the step job")
            if value not in EMPTY:
                kept[key] = value
        return kept

    def variables(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            hidden = [key for key in value if SECRET.search(key)]
            for key in hidden:
                why = "It looks like a secret, so its value stays behind; declare it under spec.secrets."
                self.ledger.reported(*self.place, "extra_vars", key, why=why)
            return {key: item for key, item in value.items() if key not in hidden}
        if isinstance(value, str) and SECRET.search(value):
            self.ledger.reported(*self.place, "extra_vars", why="It may hold a secret, so its text stays behind.")
            return None
        return value

    def related(self) -> None:
        related = self.row.get("related")
        if not isinstance(related, Mapping):
            if "related" in self.row:
                self.ledger.ignored(*self.place, "related", why="It holds nothing.")
            return
        account(related, self.ledger, (*self.place, "related"))
        for key in related:
            if key not in {*CREDENTIALS, *SURVEYS} and (*self.place, "related", key) not in self.ledger.said:
                self.ledger.ignored(*self.place, "related", key, why="It leads to other things of AWX.")


def _names(value: Any) -> str:
    """How a reference of AWX reads: by name, natural key or as it is written."""
    if isinstance(value, Mapping):
        value = value.get("name") or json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return ", ".join(_names(item) for item in value)
    return harmless(str(value))[:300]
