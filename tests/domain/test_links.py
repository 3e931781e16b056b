"""Links in outputs: values stay values, and what is no web or mail address is no link (H6, H29)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain import links
from procedures.domain.expressions import Unresolved
from procedures.domain.rendering import RenderingRefused

HOSTILE = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "//evil.example",
    "https:evil.example",
    "https://",
    "https://portal.example@evil.example/",
    "https://a\\@evil.example/",
    "https://exa\u202emple.com/",
    "https://example.com/ onmouseover=x",
    "https://[::1",
    "mailto:",
    "",
    "https://example.com/" + "a" * 3000,
)


@pytest.mark.parametrize("url", HOSTILE)
def test_what_is_no_plain_address_is_no_link(url: str) -> None:
    assert links.safe(url) == ""


@pytest.mark.parametrize("url", ["https://example.com/a?b=c#d", "http://localhost:8000/", "mailto:ops@example.com"])
def test_addresses_are_links(url: str) -> None:
    assert links.safe(url) == url


@given(st.text(max_size=40).filter(lambda text: text.isprintable()))
def test_a_value_inside_a_link_stays_inside_it(value: str) -> None:
    made = links.rendered("https://grafana.example/d?var=${{ parameters.x }}&z=1", {"parameters": {"x": value}})
    assert made.startswith("https://grafana.example/d?var=")
    assert made.endswith("&z=1")
    assert made.count("&") == 1
    assert "#" not in made


def test_a_link_that_a_step_made_whole_is_taken_and_judged() -> None:
    scope = {"steps": {"a": {"output": {"url": "javascript:alert(1)"}}}}
    assert links.safe(links.rendered("${{ steps.a.output.url }}", scope)) == ""


def test_a_step_chooses_no_host_of_a_link() -> None:
    with pytest.raises(RenderingRefused):
        links.rendered("https://${{ steps.a.output.host }}/", {"steps": {"a": {"output": Unresolved("a")}}})
