"""What pages make of schemas, Markdown and output, without a database."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import timezone

from procedures.domain import forms
from procedures.queries.pages_log import lines, parts_of
from procedures.web import prose, schema_form
from procedures.web.templatetags import readings

PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](data:text/html,x)",
    "![x](https://evil.example/x.png)",
    "<iframe src=//evil.example></iframe>",
    "<style>*{display:none}</style>",
    "[x](vbscript:x)",
    "<svg/onload=alert(1)>",
    "<form action=//evil.example><button>Run</button></form>",
    "<a href='JaVaScRiPt:alert(1)'>x</a>",
    "[x](  javascript:alert(1))",
    "<math><mi//xlink:href='data:x,alert(1)'>",
)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_docs_can_do_nothing(payload: str) -> None:
    html = str(prose.html(payload)).lower()
    for bad in (
        "<script",
        "<img",
        "<iframe",
        "<style",
        "<svg",
        "<form",
        "<button",
        'href="javascript',
        'href="data',
        "<math",
    ):
        assert bad not in html


def test_docs_keep_links_to_the_web_and_to_mail() -> None:
    html = prose.html("[a](https://example.com) [b](mailto:ops@example.com)")
    assert 'href="https://example.com"' in html
    assert 'href="mailto:ops@example.com"' in html


def test_colours_pass_and_every_other_control_character_is_shown() -> None:
    parts = parts_of("\x1b[1;31mred\x1b[0m plain \x1b[2J\x07\u202e\u200bend\r")
    assert ("a-31 a-b", "red") in parts
    assert "".join(text for _, text in parts) == r"red plain \x1b[2J\x07\u202e\u200bend"


def test_lines_of_a_piece_are_numbered_on_and_anchored_by_its_sequence() -> None:
    piece: Any = SimpleNamespace(seq=7, text="a\n\nb\n", at=timezone.now(), step="s", target="", stream="stdout")
    found = list(lines([piece], first_no=41))
    assert [(line.no, line.key) for line in found] == [(41, "7"), (42, "7.1"), (43, "7.2")]


SCHEMA: dict[str, Any] = {
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "count": {"type": "integer", "minimum": 1},
        "share": {"type": "number"},
        "level": {"enum": [1, 2, "three"]},
        "dry": {"type": "boolean"},
        "hosts": {"type": "array", "items": {"type": "string"}},
        "more": {"type": "object"},
    },
}


def test_a_form_gives_back_typed_values() -> None:
    posted = QueryDict(
        "p.name=a%0D%0Ab&p.count=3&p.share=0.5&p.level=2&p.dry=1&p.hosts=x%0D%0A%0D%0Ay&p.more=%7B%22k%22%3A1%7D"
    )
    assert schema_form.values(schema_form.pages([SCHEMA]), posted) == {
        "name": "a\nb",
        "count": 3,
        "share": 0.5,
        "level": 2,
        "dry": True,
        "hosts": ["x", "y"],
        "more": {"k": 1},
    }


def test_what_does_not_parse_stays_text_for_the_checker() -> None:
    found = schema_form.values(schema_form.pages([SCHEMA]), QueryDict("p.count=three&p.more={"))
    assert found == {"count": "three", "more": "{", "dry": False}


def test_secrets_are_never_put_back_into_a_form() -> None:
    form = schema_form.pages([{"properties": {"token": {"type": "string"}}}], prefix="s", secret=True)
    assert schema_form.values(form, QueryDict("s.token=hunter22")) == {"token": "hunter22"}
    assert form[0].fields[0].value == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.2, "< 1 s"), (38, "38 s"), (252, "4 m 12 s"), (7500, "2 h 05 m"), (400_000, "4 d")],
)
def test_lengths_have_one_style(seconds: float | None, text: str) -> None:
    assert readings.length(seconds) == text


CONDITIONAL = forms.modern(
    {
        "properties": {"kind": {"enum": ["vm", "db"], "title": "Kind", "default": "vm"}},
        "dependencies": {
            "kind": {
                "oneOf": [
                    {"properties": {"kind": {"const": "vm"}, "cores": {"type": "integer", "default": 2}}},
                    {
                        "required": ["engine"],
                        "properties": {
                            "kind": {"const": "db"},
                            "engine": {"enum": ["pg", "my"], "ui:enumNames": ["PostgreSQL", "MySQL"]},
                        },
                    },
                ]
            }
        },
    }
)


def names(form: list[schema_form.FormPage]) -> list[str]:
    return [one.name for form_page in form for one in form_page.fields]


def test_a_form_asks_what_the_default_brings_in() -> None:
    assert names(schema_form.pages([CONDITIONAL])) == ["kind", "cores"]


def test_a_form_asks_what_was_chosen_brings_in_and_forgets_the_rest() -> None:
    form, typed = schema_form.grown([CONDITIONAL], QueryDict("p.kind=%22db%22&p.cores=4&p.engine=%22pg%22"))
    assert names(form) == ["kind", "engine"]
    assert typed == {"kind": "db", "engine": "pg"}
    assert form[0].fields[1].choices == [('"pg"', "PostgreSQL"), ('"my"', "MySQL")]
    assert form[0].fields[1].required


def test_hints_of_backstages_forms_are_followed() -> None:
    schema = {
        "ui:order": ["b", "a"],
        "properties": {
            "a": {"type": "string", "ui:widget": "textarea", "ui:options": {"rows": 7}, "ui:placeholder": "x"},
            "b": {"enum": [1, 2], "ui:widget": "radio", "ui:help": "Choose."},
            "c": {"type": "string", "ui:widget": "hidden", "default": "h"},
            "d": {"type": "string", "ui:field": "SomethingUnknown"},
            "e": {"oneOf": [{"const": "x", "title": "The X"}]},
            "f": {"type": "string", "format": "data-url"},
        },
    }
    form = schema_form.pages([schema])
    assert [(one.name, one.kind) for one in form[0].fields] == [
        ("b", "radio"),
        ("a", "area"),
        ("d", "text"),
        ("e", "choice"),
        ("f", "file"),
    ]
    assert form[0].fields[1].attrs == {"placeholder": "x", "rows": 7}
    assert form[0].fields[0].hint == "Choose"
    assert [one.name for one in form[0].hidden] == ["c"]
    assert schema_form.values(form, QueryDict("p.c=h")) == {"c": "h"}
