"""Choices from elsewhere, hung on the fields of a form: lists that bind become selects, the rest are suggestions."""

from __future__ import annotations

from datetime import datetime

from procedures.domain import forms, options
from procedures.models import Environment, Person
from procedures.queries.catalogue import entities
from procedures.services import option_asking
from procedures.services import options as lists
from procedures.web.asking import Asking
from procedures.web.schema_form import Field

MOST = 200


def attach(asking: Asking, *, actor: Person, environment: str, at: datetime) -> None:
    """Show at each field what stands of its list; the one whose button was pressed is asked for now."""
    fields = {one.name: one for page in asking.form for one in page.all}
    for one in fields.values():
        if one.schema.get("ui:field") in options.PICKERS:
            found = entities(options.picker_kinds(one.schema))[:MOST]
            one.suggestions = [row["value"] for row in found]
    where = Environment.objects.filter(name=environment).first()
    if where is None:
        return
    schema = asking.version.definition["parameters"]
    sources, given = options.sources(schema), forms.with_defaults(schema, asking.typed)
    for name, source in sources.items():
        if name not in fields:
            continue
        do = option_asking.ask if asking.posted.get("load") == name else lists.look
        listed = do(actor=actor, version=asking.version, environment=where, source=source, parameters=given, at=at)
        _hang(fields[name], listed)


def _hang(one: Field, listed: lists.Listed) -> None:
    if listed.source.kind != "catalogue":
        one.listed = listed
    if listed.choices is None:
        return
    texts = [str(value) for value in listed.choices.values]
    if not listed.source.binds or (one.value and not set(str(one.value).split("\n")) <= set(texts)):
        one.suggestions = texts[:MOST]
    if listed.source.binds:
        chosen = set(str(one.value).split("\n"))
        one.offers = [(text, title, text in chosen) for text, title in zip(texts, listed.choices.titles, strict=True)]
