"""The engine's pages by keyboard alone: an order, a focus to be seen, menus that can be left, counts that are told."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from procedures.models import Run
from tests.browser import engine_places, engine_runs
from tests.browser.conftest import Portal
from tests.factories.transitions import unevidenced

pytestmark = pytest.mark.once
MOST = 400
# What holds the focus: its place among all elements, what it is called, and whether anything shows that it does.
HELD = """() => {
  const now = document.activeElement, css = getComputedStyle(now), box = now.getBoundingClientRect();
  return {
    place: [...document.querySelectorAll('*')].indexOf(now), name: now.outerHTML.slice(0, 120),
    over: now === document.body,
    // Within a field for a moment the browser shows by itself which part has the focus.
    seen: now.type === 'datetime-local' || css.outlineStyle !== 'none' && parseFloat(css.outlineWidth) > 0,
    inside: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
  };
}"""
STOPS = """() => [...document.querySelectorAll('a[href],button,input,select,textarea,summary,[tabindex="0"]')].filter(
  one => !one.disabled && one.type !== 'hidden' && one.checkVisibility({visibilityProperty: true})
    && (one.type !== 'radio' || one.checked)).length"""


def walked(page: Page) -> int:
    """Tab from the top to the end of the page; how many stops there were. Each is seen, and none leads back."""
    last, count = -1, 0
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    while count < MOST:
        page.keyboard.press("Tab")
        held = page.evaluate(HELD)
        if held["over"] or held["place"] < last:
            return count
        assert held["seen"], f"no focus is seen at {held['name']}"
        assert held["inside"], f"the focus is out of sight at {held['name']}"
        last, count = held["place"], count + 1
    pytest.fail("Tab never came to the end of the page.")


def test_every_control_of_a_page_is_reached_in_its_order_and_the_focus_is_seen(portal: Portal) -> None:
    portal.town.accept("hello")
    runs = engine_runs.runs_of(portal.town, "live")
    pages = engine_places.schedules_of(portal.town) | engine_places.stops_of(portal.town)
    pages |= {name: runs[name] for name in ("run-asks", "run-paused", "run-pausing")}
    pages |= {"inventory": ("aisha", "/environments/development/inventories/fleet/"), "runners": ("aisha", "/runners/")}
    shown = {who: portal.page(who) for who in ("mira", "aisha")}
    for name in ("schedules", "schedule", "stops", "inventory", "runners", "run-asks", "run-paused", "run-pausing"):
        who, path = pages[name]
        page = shown[who]
        page.goto(portal.url + path, wait_until="load")
        assert walked(page) >= page.evaluate(STOPS) > 10, name


def test_menus_and_dialogs_open_and_are_left_by_keyboard(portal: Portal) -> None:
    portal.town.accept("hello")
    path = engine_runs.runs_of(portal.town, "live")["run-asks"][1]
    page = portal.page("mira")
    page.goto(portal.url + path)
    for menu in ("cancel", "pause", "me"):
        opener = page.locator(f"[popovertarget={menu}]").first
        opener.focus()
        page.keyboard.press("Enter")
        expect(page.locator(f"#{menu}")).to_be_visible()
        page.keyboard.press("Tab")
        assert page.evaluate("id => document.getElementById(id).contains(document.activeElement)", menu), menu
        page.keyboard.press("Escape")
        expect(page.locator(f"#{menu}")).to_be_hidden()
        expect(opener).to_be_focused()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette input")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    page.set_viewport_size({"width": 390, "height": 900})
    page.locator("[popovertarget=rail]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#rail")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#rail")).to_be_hidden()


def test_a_menu_that_is_open_when_the_run_goes_on_leads_back_to_what_opened_it(portal: Portal) -> None:
    portal.town.accept("hello")
    path = engine_runs.runs_of(portal.town, "live")["run-asks"][1]
    page = portal.page("mira")
    page.goto(portal.url + path)
    page.locator("[popovertarget=cancel]").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    with unevidenced():
        Run.objects.filter(pk=path.strip("/").rpartition("/")[2]).update(state="running", waiting_gate="")
    expect(page.locator("#told")).to_contain_text("Running")
    page.keyboard.press("Escape")
    expect(page.locator("[popovertarget=cancel]")).to_be_focused()


def test_the_live_filter_tells_how_many_match_in_a_line_that_stays(portal: Portal) -> None:
    portal.town.accept("hello")
    engine_places.targets_of(portal.town)
    engine_places.matching()
    page = portal.page("mira")
    page.goto(f"{portal.url}/procedures/hello/")
    told = page.locator("#told")
    page.locator("[name='p.name']").focus()
    page.keyboard.type("x")
    expect(told).to_have_text("No target matches.")
    page.evaluate("window.first = document.querySelector('#told')")
    page.keyboard.press("Control+a")
    page.keyboard.type("web")
    expect(told).to_have_text("500 targets match")
    assert told.get_attribute("role") == "status"
    assert page.evaluate("window.first.isConnected")
    expect(page.locator("[name='p.name']")).to_be_focused()


def test_a_run_tells_how_it_stands_in_a_line_that_stays(portal: Portal) -> None:
    portal.town.accept("hello")
    path = engine_runs.runs_of(portal.town, "over")["run-batches"][1]
    page = portal.page("mira")
    page.goto(portal.url + path)
    told = page.locator("#told")
    expect(told).to_have_text("Failed")
    assert told.get_attribute("role") == "status"
