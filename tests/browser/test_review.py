"""A review from end to end in a real browser: seen, talked about, sent back, answered, mended, accepted."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from procedures.models import Environment, Review, ReviewComment, Version
from tests.browser.conftest import Portal
from tests.web.test_reviews import greet, send, slipped_in

pytestmark = pytest.mark.once


def test_a_reviewer_asks_for_changes_at_a_line_and_accepts_what_the_author_mends(portal: Portal) -> None:
    Environment.objects.update(min_strength="session")
    send(portal.town, greet())
    portal.town.accept("greet")
    first = send(portal.town, greet("development, production"))
    page = portal.page("aisha", javascript=False)
    page.goto(f"{portal.url}/reviews/{first.id}/")
    expect(page.locator(".touch tr", has_text="Environments")).to_contain_text("it may now run in production")
    expect(page.locator(".touch tr", has_text="Environments")).to_contain_text("Wider")
    page.click(".diff tr.add a")
    page.fill("#on textarea", "Why production?\nNobody asked for it.")
    page.click("#on button")
    expect(page.locator(".talk .said")).to_have_text("Why production?\nNobody asked for it.")
    page.select_option("#vd", "request_changes")
    page.click("text=Use this choice")
    page.fill("#cm", "See line 8.")
    page.click("button.full:has-text('Ask for changes')")
    expect(page.locator("aside")).to_contain_text("Changes wanted")

    author = portal.page("mira", width=390)
    author.goto(f"{portal.url}/reviews/{first.id}/")
    author.click(".talk summary:has-text('Answer')")
    author.fill(".talk details textarea", "An oversight; the next version leaves it out.")
    author.click(".talk details button")
    expect(author.locator(".talk .said").last).to_have_text("An oversight; the next version leaves it out.")
    second = send(portal.town, greet(word="bye"))

    page.goto(f"{portal.url}/reviews/{first.id}/")
    expect(page.locator(".pill").first).to_have_text("Withdrawn")
    page.click("text=Look at v3")
    expect(page.locator(".talk .tag")).to_have_text("from v2")
    expect(page.locator(".talk header").first).to_contain_text("line then said environments: [development, production]")
    page.click(".talk button:has-text('Settle')")
    expect(page.locator(".talk .st")).to_have_text("Settled by Aisha Khan")
    page.click("button:has-text('Accept as')")
    expect(page.locator(".pill").first).to_have_text("Accepted")
    second.refresh_from_db()
    assert second.state == "accepted"
    assert Review.objects.filter(version=first, verdict="request_changes", lifted_at__isnull=True).count() == 1
    assert ReviewComment.objects.filter(version=second).count() == 0


def test_a_reviewer_lifts_the_own_request_and_the_version_is_accepted_as_it_stands(portal: Portal) -> None:
    Environment.objects.update(min_strength="session")
    version = send(portal.town, greet())
    page = portal.page("aisha", javascript=False)
    page.goto(f"{portal.url}/reviews/{version.id}/?verdict=request_changes")
    page.click("button.full:has-text('Ask for changes')")
    page.click("text=Lift my request for changes")
    page.click("button:has-text('Accept as')")
    expect(page.locator(".pill").first).to_have_text("Accepted")
    assert Version.objects.get(pk=version.pk).state == "accepted"


def test_no_review_page_is_wider_than_the_window_however_ugly_its_names(portal: Portal) -> None:
    name = "d/" + "ملف🚀" * 40 + "\u202e.txt"
    version = send(portal.town, greet(word="w" * 400))
    slipped_in(version, name, b"z" * 5_000 + b"\n")
    for width in (1440, 900, 390):
        page = portal.page("aisha", width=width)
        for query in ("", "?on=procedure.yaml:10#on", "?rows=all"):
            page.goto(f"{portal.url}/reviews/{version.id}/{query}")
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (width, query)


def test_another_choice_is_shown_before_it_is_decided_and_the_comment_stays(portal: Portal) -> None:
    Environment.objects.update(min_strength="session")
    version = send(portal.town, greet())
    for javascript in (True, False):
        page = portal.page("aisha", javascript=javascript)
        page.goto(f"{portal.url}/reviews/{version.id}/")
        page.select_option("#vd", "reject")
        page.fill("#cm", "Not like this 🚫")
        page.click("button:has-text('Accept as')")
        expect(page.locator("[role=alert]")).to_contain_text("nothing is decided yet")
        assert not Review.objects.exists()
        expect(page.locator("#cm")).to_have_value("Not like this 🚫")
        page.select_option("#vd", "request_changes")
        page.click("text=Use this choice")
        expect(page.locator("#cm")).to_have_value("Not like this 🚫")
    page.click("button.full:has-text('Ask for changes')")
    expect(page.locator("aside")).to_contain_text("Changes wanted")
    assert Review.objects.get().verdict == "request_changes"
