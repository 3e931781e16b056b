"""The discussion on the review page and in its API: plain forms, one at the chosen line, everything as text."""

from __future__ import annotations

import pytest

from procedures.models import Environment, ReviewComment
from tests.web.test_reviews import get, greet, send, texts
from tests.web.town import Town

pytestmark = pytest.mark.once
UGLY = "<img src=x onerror=alert(1)> \u202e\x1b[2J {{ me.password }} **no** [x](javascript:alert(1))"


@pytest.fixture
def easy(town: Town) -> Town:
    Environment.objects.update(min_strength="session")
    return town


def test_a_line_is_chosen_commented_answered_and_settled_without_javascript(easy: Town) -> None:
    version = send(easy, greet())
    aisha, mira = easy.client("aisha"), easy.client("mira")
    assert get(aisha, version).count('name="on"') == 1, "one form for the whole version, none per line"
    html = get(aisha, version, "?on=procedure.yaml:10")
    assert html.count('name="on"') == 2
    assert "On line 10 of procedure.yaml" in texts(html)
    place = f"/reviews/{version.id}/comments/"
    answer = aisha.post(place, {"on": "procedure.yaml:10", "body": "Why echo?"})
    thread = ReviewComment.objects.get()
    assert answer["Location"] == f"/reviews/{version.id}/#t-{thread.pk}"
    assert mira.post(place, {"thread": str(thread.pk), "body": "To be heard."}).status_code == 302
    page = texts(get(mira, version))
    assert "Aisha Khan just now Why echo?" in page
    assert "Mira Lindqvist author · just now To be heard." in page
    assert aisha.post(f"{place}{thread.pk}/resolve/").status_code == 302
    assert "Settled by Aisha Khan" in texts(get(mira, version))
    assert aisha.post(f"{place}{thread.pk}/reopen/").status_code == 302
    assert aisha.post(f"{place}{thread.pk}/burn/").status_code == 404


def test_a_line_outside_the_diff_brings_up_its_file(easy: Town) -> None:
    send(easy, greet())
    easy.accept("greet")
    version = send(easy, greet(word="other"))
    html = get(easy.client("aisha"), version, "?on=README.md:1")
    assert "Greets." in html
    assert "On line 1 of README.md" in texts(html)


def test_what_was_said_of_earlier_bytes_is_shown_as_such(easy: Town) -> None:
    first = send(easy, greet())
    aisha = easy.client("aisha")
    aisha.post(f"/reviews/{first.id}/comments/", {"on": "procedure.yaml:11", "body": "Not hi, please."})
    second = send(easy, greet(word="hello"))
    page = texts(get(aisha, second))
    assert "from v1 procedure.yaml:11 , line then said - {id: one" in page
    assert "Not hi, please." in page
    late = aisha.post(f"/reviews/{first.id}/comments/", {"on": "procedure.yaml:11", "body": "typed in the old tab"})
    assert late.status_code == 409
    assert "v2" in late.content.decode()
    assert "typed in the old tab" in late.content.decode(), "nothing typed is lost"


def test_a_comment_is_text_wherever_it_is_shown(easy: Town) -> None:
    version = send(easy, greet())
    aisha = easy.client("aisha")
    aisha.post(f"/reviews/{version.id}/comments/", {"on": "procedure.yaml:1", "body": UGLY})
    html = get(aisha, version)
    assert "<img src=x" not in html
    assert "javascript:alert(1))" in html
    assert 'href="javascript' not in html
    assert not set(html) & set("\u202e\x1b")
    assert r"\u202e\x1b[2J" in html


def test_whoever_has_no_say_sees_the_threads_and_no_form(easy: Town) -> None:
    easy.move_in("quinn", "Quinn Ash", ["run", "view"])
    version = send(easy, greet())
    easy.client("aisha").post(f"/reviews/{version.id}/comments/", {"on": "procedure.yaml:1", "body": "Hm."})
    quinn = easy.client("quinn")
    html = get(quinn, version, "?on=procedure.yaml:1")
    assert "Hm." in html
    assert "?on=" not in html
    assert quinn.post(f"/reviews/{version.id}/comments/", {"body": "me too"}).status_code == 403
    assert easy.client("stranger").post(f"/reviews/{version.id}/comments/", {"body": "me"}).status_code == 404
    assert ReviewComment.objects.count() == 1


def test_the_api_lists_and_takes_remarks(easy: Town) -> None:
    version = send(easy, greet())
    aisha = easy.client("aisha")
    place = f"/api/v1/versions/{version.id}/comments/"
    made = aisha.post(place, {"path": "procedure.yaml", "line": 1, "body": "A"}, content_type="application/json")
    assert made.status_code == 201
    thread = made.json()["thread"]
    told = aisha.post(place, {"thread": thread, "body": "B"}, content_type="application/json")
    assert told.json()["thread"] == thread
    assert aisha.post(f"/api/v1/threads/{thread}/resolve/").json() == {"thread": thread, "open": False}
    found = aisha.get(place).json()["results"]
    assert [(t["line"], t["open"], [c["body"] for c in t["comments"]]) for t in found] == [(1, False, ["A", "B"])]
    for bad in ({"body": "x", "line": 1}, {"body": "x", "thread": thread, "line": 2}, {"body": ""}, {}):
        assert aisha.post(place, bad, content_type="application/json").status_code in {400, 422}, bad
    assert easy.client("stranger").get(place).status_code == 404
