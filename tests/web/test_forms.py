"""Forms as people walk them without JavaScript: pages, nested fields, rows, files, hints, mistakes at their place."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.test import Client

from procedures.domain import options
from procedures.domain.clock import now
from procedures.models import Person, Run
from procedures.services import versions
from procedures.web import form_hints, schema_form
from tests.factories.portal import World, new_world
from tests.web.town import Town

pytestmark = pytest.mark.ordinary

PAGES = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: walk}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [development]
  timeout: 1m
  secrets: {schema: {properties: {token: {type: string, title: Token}}}}
  parameters:
    - title: Where
      required: [service]
      properties:
        service: {type: string, title: Service, minLength: 3}
        loud: {type: boolean, title: Loud, default: true}
        key: {type: string, format: data-url, title: Key file}
    - title: How much
      properties:
        size: {enum: [s, m, xl], title: Size, default: m}
        net:
          type: object
          title: Network
          required: [port]
          properties: {port: {type: integer, title: Port, maximum: 99}}
        disks:
          type: array
          title: Disk
          items:
            type: object
            required: [name]
            properties: {name: {type: string, title: Name}, gb: {type: integer, title: GB}}
    - title: Why
      properties: {ticket: {type: string, title: Ticket, default: none}}
  steps:
    - {id: one, action: 'local:command', timeout: 5s, input: {argv: ['true']}}
"""


@pytest.fixture
def world(db: None) -> World:
    return new_world()


def walker(world: World) -> tuple[Person, Client]:
    adam = world.person("adam")
    world.may(adam, "author")
    files = {"procedure.yaml": PAGES.encode(), "README.md": b"x"}
    world.review(world.mira, versions.submit_version(actor=adam, files=files, note="", at=now()), "operations")
    quinn = world.person("quinn")
    world.may(quinn, "run", "view", procedure="walk")
    client = Client(HTTP_HOST="localhost")
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    return quinn, client


def hidden(page: str) -> dict[str, Any]:
    """What a browser would send of a page that nobody touched."""
    found: dict[str, Any] = {}
    for tag in re.findall(r"<(?:input|textarea)[^>]*>", page):
        name, value = re.search(r'\bname="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if not name or name[1].endswith(".upload"):
            continue
        if ('type="checkbox"' not in tag and 'type="radio"' not in tag) or "checked" in tag:
            found[name[1]] = (value[1] if value else "").replace("&quot;", '"').replace("&amp;", "&")
    for name, body in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', body)
        found[name] = chosen[1].replace("&quot;", '"') if chosen else ""
    return {key: value for key, value in found.items() if key not in {"q", "csrfmiddlewaretoken", "reason"}}


def go(client: Client, page: str, **changes: Any) -> Any:
    data = {**hidden(page), **{key.replace("__", "."): value for key, value in changes.items()}}
    return client.post("/procedures/walk/", {key: value for key, value in data.items() if value is not None})


def test_pages_are_walked_with_next_and_back_and_nothing_is_lost(world: World) -> None:
    _, client = walker(world)
    first = client.get("/procedures/walk/").content.decode()
    assert ("Service" in first, "Size" in first, "Look and run" in first) == (True, False, True)
    second = go(client, first, p__service="checkout", p__loud=None, go="next").content.decode()
    assert ('name="p.size"' in second, 'id="p.service"' in second) == (True, False)
    assert '<input type="hidden" name="p.service" value="checkout">' in second
    back = go(client, second, p__size='"xl"', go="back").content.decode()
    assert 'value="checkout"' in back
    again = go(client, back, go="next").content.decode()
    assert re.search(r'value="&quot;xl&quot;"\s+selected', again)
    third = go(client, again, go="next").content.decode()
    last = go(client, third, p__ticket="CHG-1", go="next").content.decode()
    assert all(text in last for text in ("checkout", "xl", "CHG-1", "Token", "Reason"))
    done = go(client, last, reason="to see", environment="development")
    assert done.status_code == 302, done.content.decode()
    assert Run.objects.get().parameters == {"service": "checkout", "loud": False, "size": "xl", "ticket": "CHG-1"}


def test_a_page_with_a_mistake_is_not_left_forwards_and_says_where(world: World) -> None:
    _, client = walker(world)
    first = client.get("/procedures/walk/").content.decode()
    stays = go(client, first, p__service="x", go="next")
    assert stays.status_code == 422
    page = stays.content.decode()
    assert 'id="p.service"' in page
    assert re.search(r'id="p.service"[^>]*aria-invalid="true"', page)


def test_mistakes_of_other_pages_do_not_hold_somebody_on_this_one(world: World) -> None:
    _, client = walker(world)
    first = client.get("/procedures/walk/").content.decode()
    second = go(client, first, p__service="checkout", go="next").content.decode()
    stays = go(client, second, p__net__port="100", go="next")
    assert stays.status_code == 422
    assert re.search(r'id="p.net.port"[^>]*aria-invalid="true"', stays.content.decode())
    assert go(client, stays.content.decode(), go="back").status_code == 200


def test_run_with_a_mistake_shows_the_page_that_has_it(world: World) -> None:
    _, client = walker(world)
    first = client.get("/procedures/walk/").content.decode()
    straight = go(client, first, p__service="no", at="3", seen="0", reason="x", environment="development")
    assert straight.status_code == 422
    assert 'id="p.service"' in straight.content.decode()
    assert not Run.objects.exists()


def test_rows_grow_and_shrink_and_keep_what_was_typed(world: World) -> None:
    _, client = walker(world)
    page = go(client, client.get("/procedures/walk/").content.decode(), p__service="checkout", go="next")
    for _ in range(3):
        page = go(client, page.content.decode(), grow="p.disks")
    text = page.content.decode()
    assert text.count('name="shrink"') == 3
    page = go(client, text, p__disks__0__name="a", p__disks__1__name="b", p__disks__2__name="c", shrink="p.disks.1")
    text = page.content.decode()
    assert (text.count('name="shrink"'), 'value="a"' in text, 'value="b"' in text, 'value="c"' in text) == (
        2,
        True,
        False,
        True,
    )
    bad = go(client, text, p__disks__1__name="", go="next")
    assert bad.status_code == 422
    assert re.search(r'id="p.disks.1.name"[^>]*aria-invalid="true"', bad.content.decode())
    third = go(client, text, p__disks__1__gb="20", p__net__port="22", go="next").content.decode()
    last = go(client, third, go="next").content.decode()
    go(client, last, reason="x", environment="development")
    assert Run.objects.get().parameters["disks"] == [{"name": "a"}, {"name": "c", "gb": 20}]
    assert Run.objects.get().parameters["net"] == {"port": 22}


def test_a_file_is_taken_without_javascript(world: World) -> None:
    _, client = walker(world)
    first = client.get("/procedures/walk/").content.decode()
    sent = SimpleUploadedFile("id key.pub", b"ssh-ed25519 AAAA")
    second = go(client, first, p__service="checkout", p__key__upload=sent, go="next").content.decode()
    assert base64.b64encode(b"ssh-ed25519 AAAA").decode() in second
    third = go(client, second, go="next").content.decode()
    assert "id key.pub, 16 bytes" in go(client, third, go="next").content.decode()


def test_a_secret_travels_on_no_page(world: World) -> None:
    _, client = walker(world)
    first = client.get("/procedures/walk/").content.decode()
    page = go(client, first, p__service="checkout", s__token="hunter22", go="next").content.decode()
    assert "hunter22" not in page
    assert 's.token"' not in page


def test_as_in_an_earlier_run_fills_every_page(world: World) -> None:
    quinn, client = walker(world)
    run = world.ask(quinn, procedure="walk", parameters={"service": "abc", "size": "s", "disks": [{"name": "d1"}]})
    first = client.get(f"/procedures/walk/?from={run.id}").content.decode()
    assert 'value="abc"' in first
    second = go(client, first, go="next").content.decode()
    assert 'value="d1"' in second
    assert re.search(r'value="&quot;s&quot;"\s+selected', second)


KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "password": {"type": "string", "ui:widget": "password"},
    "area": {"type": "string", "ui:options": {"widget": "textarea"}},
    "date": {"type": "string", "format": "date"},
    "url": {"type": "string", "ui:options": {"inputType": "url"}},
    "tel": {"type": "string", "ui:options": {"inputType": "tel"}},
    "color": {"type": "string", "ui:widget": "color"},
    "number": {"type": "integer", "ui:widget": "updown"},
    "range": {"type": "integer", "ui:widget": "range", "minimum": 1, "maximum": 5},
    "yes": {"type": "boolean"},
    "yesno": {"type": "boolean", "ui:widget": "radio"},
    "choice": {"type": "string", "enum": ["a"], "ui:widget": "select"},
    "radio": {"type": "string", "enum": ["a"], "ui:widget": "radio"},
    "many": {"type": "array", "items": {"enum": ["a", "b"]}},
    "checks": {"type": "array", "items": {"enum": ["a", "b"]}, "ui:widget": "checkboxes"},
    "lines": {"type": "array", "items": {"type": "number"}},
    "group": {"type": "object", "properties": {"a": {"type": "string"}}},
    "rows": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
    "json": {"type": "object"},
    "file": {"type": "string", "format": "data-url"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_hint_gives_its_control(kind: str) -> None:
    assert form_hints.kind(KINDS[kind]) == kind


@pytest.mark.parametrize("name", [*options.PICKERS, "SomethingUnknown", "<script>"])
def test_pickers_and_unknown_fields_are_text_boxes(name: str) -> None:
    assert form_hints.kind({"type": "string", "ui:field": name}) == "text"


def test_an_input_type_that_is_no_input_is_a_text_box() -> None:
    for bad in ("file", "hidden", "submit", "image", '"><script>', 7, None):
        assert form_hints.kind({"type": "string", "ui:options": {"inputType": bad}}) == "text"


def test_what_the_author_fixed_cannot_be_changed() -> None:
    for hint in ({"ui:disabled": True}, {"ui:readonly": True}, {"readOnly": True}, {"ui:options": {"readonly": True}}):
        form = schema_form.pages([{"properties": {"a": {"type": "string", "default": "kept", **hint}}}])
        assert schema_form.values(form, QueryDict("p.a=changed")) == {"a": "kept"}


def test_an_order_may_leave_room_for_the_rest() -> None:
    assert form_hints.order(list("abcd"), ["d", "*", "a"]) == ["d", "b", "c", "a"]
    assert form_hints.order(list("abc"), ["c", "x"]) == ["c", "a", "b"]
    assert form_hints.order(list("ab"), "nonsense") == ["a", "b"]


def test_titles_and_help_may_stand_in_ui_options() -> None:
    rules = {"type": "string", "ui:options": {"title": "T", "help": "H.", "placeholder": "P", "description": "D."}}
    one = schema_form.pages([{"properties": {"a": rules}}])[0].fields[0]
    assert (one.title, one.hint, one.attrs["placeholder"]) == ("T", "D · H", "P")


def test_names_for_choices_may_be_too_few() -> None:
    rules = {"enum": ["a", "b"], "enumNames": ["A"]}
    assert form_hints.choices(rules, "choice") == [('"a"', "A"), ('"b"', "b")]


def test_rows_end_somewhere() -> None:
    schema = {"properties": {"r": KINDS["rows"]}}
    form, _ = schema_form.grown([schema], QueryDict("p.r.999.a=x"))
    assert len(form[0].fields[0].rows) == 50


def test_a_refusal_leads_back_to_the_page_it_came_from_and_to_no_other_place(town: Town) -> None:
    client, ours = town.client("aisha"), "http://localhost/access/answers/who/"
    for referer, back in ((ours, True), ("", False), ("https://evil.example/", False), (f"{ours}?as_of=x", False)):
        page = client.get("/access/answers/who/?as_of=x", headers={"referer": referer}).content.decode()
        assert (f'href="{referer}">Back</a>' in page) == back, referer
    assert "evil.example" not in page
