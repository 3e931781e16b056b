"""The form of a procedure as it stands in one request: what is asked, what was typed, and where its pages are."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict

from procedures.domain import forms, parameters
from procedures.domain.errors import InvalidInput, OpsError
from procedures.models import Version
from procedures.services import runs
from procedures.web import schema_form, wizard

MAX_FILE = 48_000
ON_THE_SPOT = ("go", "grow", "shrink", "load")


@dataclass(slots=True)
class Asking:
    """`form` are all pages; `typed` and `secret` what was filled in; `rest` what is wrong and belongs to no field."""

    version: Version
    posted: QueryDict
    form: list[schema_form.FormPage]
    secrets: list[schema_form.FormPage]
    walk: wizard.Wizard
    typed: dict[str, Any] = field(default_factory=dict)
    secret: dict[str, Any] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    @property
    def environment(self) -> str:
        return self.posted.get("environment", "")

    @property
    def on_the_spot(self) -> bool:
        """Whether the form was sent to be shown again, and nothing more."""
        return any(name in self.posted for name in ON_THE_SPOT)

    def wish(self, procedure: str) -> runs.Wish:
        return runs.Wish(
            procedure=procedure,
            environment=self.environment,
            parameters=self.typed,
            secrets=self.secret,
            targets=self.posted.get("targets", "").replace(",", " ").split(),
            reason=self.posted.get("reason", "").replace("\r\n", "\n"),
            digest=self.posted.get("digest") or None,
            door="web",
            priority=self.posted.get("priority", ""),
        )

    def context(self) -> dict[str, Any]:
        """What the templates show of it."""
        return {
            "form": self.walk.shown(self.form),
            "secrets": self.secrets if self.walk.is_last else [],
            "walk": self.walk,
            "titles": [page.title or f"Page {number + 1}" for number, page in enumerate(self.form)],
            "carried": wizard.carried(self.walk, self.form),
            "summary": wizard.summary(self.form) if self.walk.is_last and not self.walk.is_one else [],
            "rest": self.rest,
        }

    def step(self) -> bool:
        """Go where the form asks to; a page with mistakes is not left forwards. Whether it was left."""
        go = self.posted.get("go", "")
        forwards = go == "next"
        if forwards and self._mistakes():
            return False
        for top in (one for page in self.form for one in page.all):
            for one in top.whole():
                one.errors.clear()
        self.walk.move(go)
        return True

    def _mistakes(self) -> bool:
        """Hang what is wrong on the fields; whether some of it stands on the page that is shown."""
        try:
            parameters.resolve(self.version.definition["parameters"], self.typed)
        except InvalidInput as problem:
            schema_form.put_errors(self.form, problem.field_errors(), under="parameters")
        return any(one.errors for page in self.walk.shown(self.form) for top in page.all for one in top.whole())

    def refuse(self, problem: OpsError) -> None:
        """Hang a refusal on its fields, and show the first page that has one."""
        rows = problem.field_errors()
        sealed = [row for row in rows if row["pointer"].startswith("/secrets")]
        rest = schema_form.put_errors(self.form, rows, under="parameters")
        rest += schema_form.put_errors(self.secrets, sealed, under="secrets")
        self.rest = rest if isinstance(problem, InvalidInput) else []
        if self.walk.is_one:
            return
        for number, page in enumerate(self.form):
            if any(one.errors for top in page.all for one in top.whole()):
                self.walk.at = number
                return


def schemas_of(version: Version) -> Sequence[dict[str, Any]]:
    found: Sequence[dict[str, Any]] = version.definition.get("pages") or [version.definition["parameters"]]
    return found


def is_conditional(version: Version) -> bool:
    """Whether what is typed may change what is asked."""
    return any(forms.is_conditional(schema) for schema in schemas_of(version))


def asked(version: Version, request: HttpRequest) -> Asking:
    """The form as this request has it. With nothing sent it is empty but for defaults."""
    posted = with_files(request)
    if place := posted.get("shrink", ""):
        posted = schema_form.without_row(posted, place)
    schemas = schemas_of(version)
    definition = version.definition
    secrets = schema_form.pages([definition["secrets"]] if definition.get("secrets") else [], prefix="s", secret=True)
    walk = wizard.of(len(schema_form.pages(schemas)), posted)
    if not posted:
        return Asking(version, posted, schema_form.pages(schemas), secrets, walk)
    form, typed = schema_form.grown(schemas, posted, seen=None if walk.is_one else walk.seen)
    return Asking(version, posted, form, secrets, walk, typed, schema_form.values(secrets, posted))


def refilled(asking: Asking, earlier: dict[str, Any]) -> None:
    """Fill the form as an earlier run was; every page counts as seen, so that nothing of it is lost."""
    asking.form = schema_form.pages(schemas_of(asking.version), filled=earlier)
    asking.walk.seen = set(range(asking.walk.count))


def with_files(request: HttpRequest) -> QueryDict:
    """What was sent, with each uploaded file as the data URL that a browser's module would have made of it."""
    posted = request.POST.copy()
    for name, sent in request.FILES.items():
        key = name.removesuffix(".upload")
        if isinstance(sent, UploadedFile) and key != name and (sent.size or 0) <= MAX_FILE:
            sent.seek(0)
            content = base64.b64encode(sent.read()).decode()
            posted[key] = f"data:application/octet-stream;name={quote(sent.name or '')};base64,{content}"
    return posted
