"""H6: the filter is parsed first; a parameter is one literal to the right of = or !=, whatever it contains."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain import filters
from procedures.domain.filters import FilterRefused

WEB = {"name": "web-01", "tags": {"role": "web", "service": "checkout"}}
DB = {"name": "db-01", "tags": {"role": "db", "service": "ledger"}}
HOSTILE = [
    "web + role=db",
    "checkout or role=db",
    "checkout) or (role=db",
    "*",
    "checkout,role=db",
    "a\nrole=db",
    '" or role=db',
    "${{ parameters.x }}",
    "not x",
    "checkout\x0brole=db",
    "=",
    "!=db",
    "~*",
    "",
    " ",
    "' or ''='",
    "role=db",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_h6_a_hostile_value_matches_only_itself(value: str) -> None:
    bound = filters.parse("role=web service=${{ parameters.service }}").bind({"parameters": {"service": value}})
    assert not bound.matches(DB)
    assert not bound.matches(WEB)
    assert bound.matches({"name": "x", "tags": {"role": "web", "service": value}})


@pytest.mark.parametrize(
    "text",
    [
        "role~${{ parameters.x }}",
        "role=${{ parameters.x }}y",
        "role=y${{ parameters.x }}",
        'role="${{ parameters.x }}"',
        "${{ parameters.x }}=web",
        "${{ parameters.x }}",
        "role=",
        "=web",
        "(role=web",
        "role=web)",
        "",
        "role",
        "a=b c",
        "role=web; id",
        "(" * 50 + "a=b" + ")" * 50,
    ],
)
def test_h6_a_parameter_anywhere_else_is_refused(text: str) -> None:
    with pytest.raises(FilterRefused):
        filters.parse(text)


@pytest.mark.parametrize("value", [True, None, ["web"], {"a": 1}, 1.5])
def test_h6_only_texts_and_whole_numbers_can_be_values(value: object) -> None:
    with pytest.raises(FilterRefused):
        filters.parse("role=${{ parameters.v }}").bind({"parameters": {"v": value}})


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("role=web", True),
        ("role!=web", False),
        ("not role=db", True),
        ("role=db or service=checkout", True),
        ("name~web-*", True),
        ("name~db-*", False),
        ("(role=db or role=web) and service=checkout", True),
        ("*", True),
        ('service="checkout"', True),
        ("missing=x", False),
        ("missing!=x", True),
    ],
)
def test_the_language_says_what_it_reads_like(text: str, matches: bool) -> None:
    assert filters.parse(text).bind({}).matches(WEB) is matches


@pytest.mark.parametrize(
    ("text", "wild"),
    [("*", True), ("role!=db", True), ("name~*", True), ("role=web", False), ("role=web or name~*", True)],
)
def test_wildcards_are_known(text: str, wild: bool) -> None:
    assert filters.parse(text).is_wildcard is wild


KEYS = st.sampled_from(["role", "service", "name", "zone"])
TESTS = st.one_of(
    st.builds("{}={}".format, KEYS, st.sampled_from(["web", '"a b"', "${{ parameters.a }}", "${{ parameters.b }}"])),
    st.builds("{}!={}".format, KEYS, st.sampled_from(["db", "${{ parameters.a }}", "${{ parameters.b }}"])),
    st.builds("{}~{}".format, KEYS, st.sampled_from(["w*", '"?b"'])),
    st.just("*"),
)
FILTERS = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("({} {})".format, inner, inner),
        st.builds("not {}".format, inner),
    ),
    max_leaves=8,
)
VALUES = st.one_of(st.text(max_size=60), st.sampled_from(HOSTILE), st.integers(-99, 99))


def shape(node: Any) -> Any:
    """A filter without its values."""
    test = (node.test.key, node.test.op) if node.test else None
    return (node.kind, test, tuple(shape(part) for part in node.parts))


def values(node: Any) -> list[str]:
    return [node.test.value] if node.test else [value for part in node.parts for value in values(part)]


@given(text=FILTERS, a=VALUES, b=VALUES)
def test_h6_no_value_ever_changes_the_shape_of_a_filter(text: str, a: str | int, b: str | int) -> None:
    parsed = filters.parse(text)
    bound = parsed.bind({"parameters": {"a": a, "b": b}})
    assert shape(bound.root) == shape(parsed.root)
    put = {"${{ parameters.a }}": str(a), "${{ parameters.b }}": str(b)}
    assert values(bound.root) == [put.get(value, value) for value in values(parsed.root)]
