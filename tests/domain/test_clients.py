"""Where a browser may be sent, and what a program may call itself (RFC 8252, RFC 9700)."""

from __future__ import annotations

import pytest

from procedures.domain import clients

GOOD = ("https://app.example.com/cb", "http://localhost:8123/callback", "http://127.0.0.1/", "http://[::1]:9/cb?x=1")
BAD = {
    "javascript:alert(1)": "host",
    "data:text/html,x": "host",
    "file:///etc/passwd": "host",
    "cursor://app/cb": "neither https",
    "http://evil.example/cb": "another computer",
    "http://localhost.evil.example/cb": "another computer",
    "http://127.0.0.1.evil.example/cb": "another computer",
    "https://app.example.com/cb#here": "fragment",
    "https://app.example.com/cb#": "fragment",
    "https://good.example@evil.example/cb": "user",
    "https://:pw@evil.example/cb": "user",
    "https://evil.example\\@good.example/cb": "ASCII",
    "https://app.example.com/c b": "ASCII",
    "https://app.example.com/\u202ebc": "ASCII",
    "https://аpp.example.com/cb": "ASCII",
    "https://app.example.com;script-src/cb": "letters",
    "https://*/cb": "letters",
    "https:///cb": "host",
    "https://app.example.com:99999/cb": "host",
    "https://app.example.com/cb?code=mine": "adds itself",
    "https://app.example.com/cb?iss=x&state=": "adds itself",
    "https://a.example/" + "x" * 500: "500",
    "": "ASCII",
}


@pytest.mark.parametrize("uri", GOOD)
def test_a_browser_may_be_sent_over_https_or_to_this_computer(uri: str) -> None:
    assert clients.redirect_problem(uri) == ""


@pytest.mark.parametrize(("uri", "why"), BAD.items())
def test_a_browser_is_sent_nowhere_else(uri: str, why: str) -> None:
    assert why in clients.redirect_problem(uri)
    assert why in clients.redirects_problem([GOOD[0], uri])
    assert not clients.is_registered([uri], uri)


def test_what_is_asked_for_is_what_was_registered_to_the_letter_but_the_port_of_this_computer() -> None:
    registered = ["https://app.example.com/cb", "http://localhost/cb"]
    for asked in (*registered, "http://localhost:40001/cb"):
        assert clients.is_registered(registered, asked), asked
    for asked in (
        "https://app.example.com/cb/",
        "https://app.example.com/cb?x=1",
        "https://app.example.com:444/cb",
        "https://APP.example.com/cb",
        "https://app.example.com/x/../cb",
        "https://app.example.com.evil.example/cb",
        "http://localhost:40001/other",
        "http://localhost:40001/cb?x=1",
        "http://127.0.0.1:40001/cb",
        "https://localhost:40001/cb",
        "",
    ):
        assert not clients.is_registered(registered, asked), asked


def test_a_program_registers_one_to_five_addresses() -> None:
    assert clients.redirects_problem([]) == clients.redirects_problem([GOOD[0]] * 6) == "name 1 to 5 redirect URIs"
    assert clients.redirects_problem(GOOD) == ""


def test_the_answer_is_added_to_what_the_address_says_already() -> None:
    assert clients.answered("https://a.example/cb?x=%20y", code="a&b", iss="http://p") == (
        "https://a.example/cb?x=%20y&code=a%26b&iss=http%3A%2F%2Fp"
    )


def test_who_gets_it_is_named_as_a_person_reads_it_and_as_a_policy_says_it() -> None:
    assert clients.receiver("http://127.0.0.1:40001/cb") == "a program on this computer"
    assert clients.receiver("https://app.example.com:8443/cb") == "app.example.com:8443"
    assert clients.form_target("https://app.example.com:8443/cb?x") == "https://app.example.com:8443"
    assert clients.form_target("http://[::1]:9/cb") == "http:"


@pytest.mark.parametrize(
    "name",
    [
        "OpsPortal",
        "0psP0rta1",
        "Ops-Portal Security",
        "o p s p o r t a l",
        "OРSPОRТАL",
        "OpsPortaI",
        "ＯｐｓＰｏｒｔａｌ",
    ],
)
def test_no_program_calls_itself_this_portal(name: str) -> None:
    assert clients.name_problem(clients.name_of(name))


def test_a_name_is_one_short_line_with_nothing_hidden() -> None:
    assert clients.name_of("Claude\u202e Code\u200b\n\x1b[8m") == "Claude Code [8m"
    assert clients.name_of(None) == clients.name_of(" \u2066") == ""
    assert len(clients.name_of("x" * 500)) == clients.NAME
    assert clients.name_problem("Claude Code") == clients.name_problem("") == ""
