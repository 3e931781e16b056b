"""H7: values keep their types, are never parsed again, and the evaluator does nothing but evaluate."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain import expressions
from procedures.domain.expression_filters import FILTERS
from procedures.domain.expressions import ExpressionRefused, Unresolved
from procedures.domain.secrets import Secret

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@given(TEXT)
def test_h7_every_string_arrives_as_itself(s: str) -> None:
    assert expressions.render("${{ parameters.s }}", {"parameters": {"s": s}}) == s


@given(TEXT, TEXT)
def test_h7_a_string_inside_a_text_is_never_parsed_again(a: str, b: str) -> None:
    scope = {"parameters": {"a": "${{ parameters.b }}" + a, "b": b}}
    assert expressions.render("<${{ parameters.a }}>", scope) == f"<${{{{ parameters.b }}}}{a}>"


@pytest.mark.parametrize("value", ["1_0", "None", "true", "['-f','/etc']", "{{ 7*7 }}", "1e5", ""])
def test_h7_strings_that_look_like_something_else_stay_strings(value: str) -> None:
    got = expressions.render("${{ parameters.v }}", {"parameters": {"v": value}})
    assert (type(got), got) == (str, value)


@pytest.mark.parametrize("value", [5, True, None, [1, "a"], {"k": [2]}])
def test_h7_a_value_that_is_one_expression_keeps_its_type(value: object) -> None:
    assert expressions.render("${{ parameters.v }}", {"parameters": {"v": value}}) == value


@pytest.mark.parametrize(
    "text",
    [
        "${{ ''.__class__ }}",
        "${{ parameters._x }}",
        "${{ parameters['_x'] }}",
        "${{ range(9) }}",
        "${{ 'a' * 200000000 }}",
        "${{ 2 ** 99 }}",
        "${{ parameters.f() }}",
        "${{ x|attr('y') }}",
        "${{ cycler }}",
        "${{ [1 }}",
        "${{",
        "${{ }}",
        "${{ {% set x = 1 %} }}",
        "${{ 1 if }}",
        "${{ lambda: 1 }}",
        "${{ parameters.v|map('upper') }}",
        "${{ 'a' ~ x }}",
        "${{ parameters.v is defined }}",
        "${{ parameters.v[0:2] }}",
    ],
)
def test_h7_what_is_not_on_the_white_list_is_refused(text: str) -> None:
    with pytest.raises(ExpressionRefused):
        expressions.render(text, {"parameters": {"v": "a", "f": "b"}})


def test_h7_size_is_bounded() -> None:
    long = "a" * 60_000
    with pytest.raises(ExpressionRefused, match="larger than 1 MB"):
        expressions.render("${{ parameters.v|replace('a', parameters.v) }}", {"parameters": {"v": long[:2000]}})


def test_a_secret_makes_the_whole_text_a_secret() -> None:
    got = expressions.render("Bearer ${{ secrets.t }}", {"secrets": {"t": Secret("s3")}})
    assert isinstance(got, Secret)
    assert (got.reveal(), str(got)) == (b"Bearer s3", "***")


def test_nothing_unresolved_decides() -> None:
    scope = {"steps": {"a": {"output": Unresolved("a")}}}
    assert expressions.render("x ${{ steps.a.output.y }}", scope) == Unresolved("a")
    with pytest.raises(ExpressionRefused, match="not known yet"):
        expressions.evaluate("${{ steps.a.output.ok == 'yes' }}", scope)


def test_conditions_compare_and_combine() -> None:
    scope = {"environment": "production", "parameters": {"n": 3, "list": ["a"]}}
    text = "${{ environment == 'production' and parameters.n > 2 and 'a' in parameters.list and not false }}"
    assert expressions.evaluate(text, scope) is True
    assert expressions.evaluate("${{ parameters.n == '3' }}", scope) is False


def test_names_used_are_dotted_paths() -> None:
    found = expressions.names_used({"a": ["${{ steps.x.output['k'] }}", "${{ parameters.p|default(environment) }}"]})
    assert found == {("steps", "x", "output", "k"), ("parameters", "p"), ("environment",)}


REPOSITORY = "github.com?owner=acme&repo=pay"
FILTERED: dict[str, tuple[str, object, object]] = {
    "lower": ("lower", "ÄB", "äb"),
    "upper": ("upper", "äb", "ÄB"),
    "trim": ("trim", " a b\n", "a b"),
    "replace": ("replace('a', 'aa')", "banana", "baanaanaa"),
    "default": ("default('x')", "", "x"),
    "dump": ("dump", {"b": 1, "a": "ü"}, '{"a": "ü", "b": 1}'),
    "pick": ("pick('k')", {"k": [1]}, [1]),
    "length": ("length", ["a", "b"], 2),
    "join": ("join(', ')", ["a", "b"], "a, b"),
    "string": ("string", True, "true"),
    "capitalize": ("capitalize", "aB", "Ab"),
    "title": ("title", "a b", "A B"),
    "first": ("first", ["a", "b"], "a"),
    "last": ("last", "ab", "b"),
    "parseEntityRef": ("parseEntityRef", "Group:ops/a", {"kind": "group", "namespace": "ops", "name": "a"}),
    "parseRepoUrl": ("parseRepoUrl", REPOSITORY, {"host": "github.com", "owner": "acme", "repo": "pay"}),
    "projectSlug": ("projectSlug", REPOSITORY, "acme/pay"),
}


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_each_filter_makes_what_it_says(name: str) -> None:
    if name == "now":
        text = expressions.render("${{ '' | now }} ${{ 'day' | now }}", {})
        assert re.fullmatch(r"(20..-..-..)T..:..:..Z \1", str(text))
        return
    words, given, made = FILTERED[name]
    assert expressions.render(f"${{{{ parameters.v | {words} }}}}", {"parameters": {"v": given}}) == made


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("lower", 5),
        ("pick('k')", "text"),
        ("replace('', 'x')", "a"),
        ("join", [1]),
        ("first", 5),
        ("parseEntityRef", "a:/b"),
        ("parseRepoUrl", "github.com?owner=a"),
        ("parseRepoUrl", "h?repo=a&repo=b"),
    ],
)
def test_a_filter_refuses_what_it_is_not_for(words: str, given: object) -> None:
    with pytest.raises(ExpressionRefused):
        expressions.render(f"${{{{ parameters.v | {words} }}}}", {"parameters": {"v": given}})
