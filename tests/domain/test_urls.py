"""URLs made of values: a host stays a host, a value stays one piece of a path."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain.expressions import Unresolved
from procedures.domain.rendering import RenderingRefused, render_url, url_problem


def scope(value: object) -> dict[str, object]:
    return {"parameters": {"x": value}, "steps": {"one": {"output": Unresolved("one")}}}


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))))
def test_a_value_in_a_path_never_leaves_its_place(value: str) -> None:
    made = render_url("https://example.com/a/${{ parameters.x }}/z?q=${{ parameters.x }}#f", scope(value))
    parts = urlsplit(made)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "example.com", "f")
    assert unquote(parts.path.split("/")[2]) == value
    assert unquote(parts.query.removeprefix("q=")) == value


@pytest.mark.parametrize(
    "host",
    [
        "evil.example/",
        "a@b",
        "evil.example#",
        "a?b",
        "a b",
        "",
        "a\nb",
        "-x",
        "evil.example:80@",
        "a\\b",
        "[::1",
        "é.example",
    ],
)
def test_a_value_that_is_no_host_name_is_refused(host: str) -> None:
    with pytest.raises(RenderingRefused, match="host"):
        render_url("https://${{ parameters.x }}/a", scope(host))


def test_a_host_name_with_a_port_is_a_host() -> None:
    assert (
        render_url("https://${{ parameters.x }}/a", scope("web-1.example.com:8443"))
        == "https://web-1.example.com:8443/a"
    )


def test_what_a_step_decides_may_stand_in_the_path_and_not_in_the_host() -> None:
    made = render_url("https://example.com/${{ steps.one.output.id }}", scope(""))
    assert made == "https://example.com/{decided at run time by step one}"
    with pytest.raises(RenderingRefused, match="decided at run time"):
        render_url("https://${{ steps.one.output.id }}/", scope(""))


@pytest.mark.parametrize(
    "text", ["${{ parameters.x }}", "file:///etc/passwd", "//example.com", "gopher://x", "https://u:p@example.com/", 7]
)
def test_what_is_no_plain_url_is_refused_by_name(text: object) -> None:
    assert url_problem(text)
