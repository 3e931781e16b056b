"""Writing a procedure in the browser: yours alone, saved whole, never over somebody's work, handed in as any bundle."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from procedures.domain import patches
from procedures.domain.clock import now
from procedures.models import Manuscript, Person, Version
from procedures.services.manuscripts import unpacked
from tests.factories.portal import World, new_world
from tests.factories.repositories import git
from tests.web.town import BACKEND

pytestmark = pytest.mark.once
EDIT = "/procedures/tidy/edit/"


@pytest.fixture
def world(db: None) -> World:
    return new_world()


@pytest.fixture
def author(world: World) -> Client:
    """Wilma, who may author anything."""
    return writer(world, "wilma")


def writer(world: World, name: str) -> Client:
    world.may(world.person(name), "author")
    return of(name)


def of(name: str) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(Person.objects.get(username=name), backend=BACKEND)
    return client


def fields(html: str) -> dict[str, str]:
    """The form as a browser without JavaScript would send it back untouched."""
    found = {"revision": re.findall(r'name="revision"\s+value="(\d+)"', html)[0]}
    for row in Manuscript.objects.filter(name="tidy"):
        paths = sorted(row.files, key=lambda p: (p != "procedure.yaml", p != "README.md", p))
        for number, path in enumerate(paths):
            found |= {f"path.{number}": path, f"was.{number}": path}
            content = unpacked(row)[path]
            if b"\0" not in content:
                found[f"text.{number}"] = content.decode().replace("\n", "\r\n")
    return found


def opened(client: Client) -> dict[str, str]:
    return fields(client.get(EDIT).content.decode())


def kept() -> dict[str, bytes]:
    return unpacked(Manuscript.objects.get(name="tidy"))


def test_a_new_procedure_lints_clean_and_is_handed_in_by_the_existing_service(author: Client) -> None:
    assert author.get("/procedures/edit/?name=tidy")["Location"] == EDIT
    html = author.get(EDIT).content.decode()
    assert "No finding" in html
    assert "The form, as requesters see it" in html
    answer = author.post(EDIT, {**fields(html), "submit": "1", "note": "first\r\nwords"})
    version = Version.objects.get(procedure__name="tidy")
    assert answer["Location"] == f"/reviews/{version.id}/"
    assert (version.state, version.note, version.submitter.username) == ("in_review", "first\nwords", "wilma")
    assert not Manuscript.objects.exists()


def test_text_comes_back_as_it_was_typed_with_lf_alone(author: Client) -> None:
    form = opened(author)
    form["text.0"] += "\r\n# ünïcode </textarea><script>alert(1)</script>\r\n"
    assert author.post(EDIT, form).status_code == 302
    assert kept()["procedure.yaml"].endswith("# ünïcode </textarea><script>alert(1)</script>\n".encode())
    assert b"\r" not in kept()["procedure.yaml"]
    assert "<script>alert(1)" not in author.get(EDIT).content.decode()


def test_files_are_added_renamed_deleted_and_uploaded_without_javascript(author: Client) -> None:
    form = opened(author)
    name = {path: key for key, path in form.items() if key.startswith("path.")}
    form[name["work.sh"]] = "do.sh"
    form[name["README.md"].replace("path", "drop")] = "1"
    form["add"] = "tests/more.yaml"
    upload = SimpleUploadedFile("logo.png", b"\x89PNG\0\xff")
    assert author.post(EDIT, {**form, "upload": upload}).status_code == 302
    assert set(kept()) == {"procedure.yaml", "do.sh", "tests/works.yaml", "tests/more.yaml", "logo.png"}
    assert author.post(EDIT, opened(author)).status_code == 302
    assert kept()["logo.png"] == b"\x89PNG\0\xff", "what is no text survives a save that cannot show it"


def test_hostile_names_are_refused_and_nothing_is_kept(author: Client) -> None:
    form = opened(author)
    before = kept()
    for path in ["../x", "/etc/passwd", "a/../../b", "a\\b", "a//b", "", "procedure.yaml"]:
        answer = author.post(EDIT, {**form, "path.1": path})
        assert answer.status_code == 422, path
        assert kept() == before


def test_a_name_that_hides_something_is_kept_and_named_by_lint(author: Client) -> None:
    author.post(EDIT, {**opened(author), "add": "a\u202eb.sh"})
    html = author.get(EDIT).content.decode()
    assert "hidden-name" in html


def test_more_than_five_mebibytes_are_refused(author: Client) -> None:
    upload = SimpleUploadedFile("big.bin", b"\0" * (5 * 1024 * 1024 + 1))
    assert author.post(EDIT, {**opened(author), "upload": upload}).status_code == 422
    assert "big.bin" not in kept()


def test_two_tabs_never_overwrite_each_other_and_both_are_shown(author: Client) -> None:
    first, second = opened(author), opened(author)
    first["text.1"], second["text.1"] = "from the first tab", "from the second tab"
    assert author.post(EDIT, first).status_code == 302
    answer = author.post(EDIT, second)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "from the first tab" in html
    assert "from the second tab" in html
    assert kept()["README.md"] == b"from the first tab"
    again = {**second, "revision": re.findall(r'name="revision"\s+value="(\d+)"', html)[0]}
    assert author.post(EDIT, again).status_code == 302
    assert kept()["README.md"] == b"from the second tab"


def test_nobody_else_sees_or_touches_what_somebody_writes(author: Client, world: World) -> None:
    author.post(EDIT, {**opened(author), "text.1": "the secret plan"})
    other = writer(world, "otto")
    assert "the secret plan" not in other.get(EDIT).content.decode()
    assert Manuscript.objects.filter(name="tidy").count() == 2
    other.post(EDIT, {"discard": "1"})
    assert Manuscript.objects.get(name="tidy").owner.username == "wilma"


def test_whoever_may_not_author_gets_nothing(world: World) -> None:
    world.person("stranger")
    client = of("stranger")
    for answer in (
        client.get(EDIT),
        client.post(EDIT, {"revision": "1"}),
        client.post(f"{EDIT}check/", {}),
        client.get(f"{EDIT}change.patch"),
    ):
        assert answer.status_code == 403
    assert not Manuscript.objects.exists()


def test_the_accepted_files_are_where_one_begins(author: Client, world: World) -> None:
    world.accepted("hello")
    html = author.get("/procedures/hello/edit/").content.decode()
    assert "Hello, %s!" in html
    row = Manuscript.objects.get(name="hello")
    assert row.base_digest == Version.objects.get(procedure__name="hello", state="accepted").digest


def test_lint_is_asked_for_what_stands_there_and_keeps_nothing(author: Client) -> None:
    form = opened(author)
    form["text.0"] = form["text.0"].replace("local:script", "local:magic")
    answer = author.post(f"{EDIT}check/", form)
    html = answer.content.decode()
    assert "There is no action local:magic." in html
    assert 'data-line="' in html
    assert "local:magic" not in kept()["procedure.yaml"].decode()


def test_a_definition_in_any_state_is_shown_and_never_an_error_of_ours(author: Client) -> None:
    form = opened(author)
    for text in ["", "a: [", "spec: 5", "spec: {parameters: 7}", "- x", "\0", "x" * 300_000]:
        assert author.post(f"{EDIT}check/", {**form, "text.0": text}).status_code == 200, text[:20]


def test_an_error_stops_the_handing_in_but_not_the_saving(author: Client) -> None:
    form = opened(author)
    form["text.0"] = form["text.0"].replace("work.sh", "gone.sh")
    answer = author.post(EDIT, {**form, "submit": "1"})
    assert answer.status_code == 422
    assert b"gone.sh" in kept()["procedure.yaml"]
    assert not Version.objects.filter(procedure__name="tidy").exists()


def from_git(author: Client) -> None:
    author.post(EDIT, {**opened(author), "submit": "1"})
    origin = {"source": "repo", "folder": "procedures/tidy", "commit": "a" * 40}
    Version.objects.filter(procedure__name="tidy").update(origin=origin)


def test_where_a_git_source_is_the_change_is_a_patch_that_git_am_takes(author: Client, tmp_path: Path) -> None:
    from_git(author)
    form = opened(author)
    before = kept()
    name = {path: key for key, path in form.items() if key.startswith("path.")}
    form[name["README.md"].replace("path", "text")] = "one\r\ntwo without an end"
    form[name["work.sh"].replace("path", "drop")] = "1"
    form["add"] = "tests/more.yaml"
    author.post(EDIT, form)
    text = author.get(f"{EDIT}change.patch").content
    repository = tmp_path / "repo"
    for path, content in before.items():
        place = repository / "procedures/tidy" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "before")
    (tmp_path / "change.patch").write_bytes(text)
    git(repository, "am", "-q", str(tmp_path / "change.patch"))
    folder = repository / "procedures/tidy"
    after = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert after == kept()
    assert git(repository, "log", "-1", "--format=%an") == "Wilma"


def test_without_a_source_there_is_no_patch(author: Client) -> None:
    opened(author)
    assert author.get(f"{EDIT}change.patch").status_code == 404


def test_an_author_s_name_cannot_write_the_head_of_the_mail() -> None:
    given = {"folder": "", "author": "Eve <x>\nSubject: owned", "address": "e@example.com", "title": "t\nFrom: owned"}
    text = patches.mail({}, {"a": b"x\n"}, **given, at=datetime(2026, 1, 1, tzinfo=UTC))
    head = text.split("\n\n")[0].split("\n")
    assert sum(line.startswith("From: ") for line in head) == 1
    assert sum(line.startswith("Subject: ") for line in head) == 1


def test_what_is_no_text_is_refused_by_name_in_a_patch() -> None:
    with pytest.raises(patches.NotAPatch, match="logo"):
        patches.mail({}, {"logo.png": b"\0"}, folder="", author="a", address="a@b", title="t", at=now())
