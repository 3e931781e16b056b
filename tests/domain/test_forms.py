"""Forms with conditions: what is asked, what applies, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain import forms, parameters
from procedures.domain.errors import InvalidInput

# The shape in which Backstage's templates write a choice that brings in other fields.
BACKSTAGE: dict[str, Any] = {
    "required": ["host"],
    "properties": {"host": {"title": "Host", "enum": ["github", "gitlab"]}},
    "dependencies": {
        "host": {
            "oneOf": [
                {"properties": {"host": {"enum": ["github"]}, "owner": {"type": "string"}}, "required": ["owner"]},
                {
                    "properties": {
                        "host": {"const": "gitlab"},
                        "group": {"type": "string", "default": "main"},
                        "private": {"type": "boolean", "default": True},
                    }
                },
            ]
        },
        "owner": ["reason"],
    },
}
CONDITION: dict[str, Any] = {
    "properties": {"size": {"enum": ["s", "xl"], "default": "s"}},
    "if": {"properties": {"size": {"const": "xl"}}, "required": ["size"]},
    "then": {"properties": {"budget": {"type": "string", "minLength": 3}}, "required": ["budget"]},
    "else": {"properties": {"note": {"type": "string", "default": "small"}}},
}


def resolved(schema: dict[str, Any], **given: Any) -> dict[str, Any]:
    return parameters.resolve(forms.modern(schema), given)


def pointers(schema: dict[str, Any], **given: Any) -> set[str]:
    with pytest.raises(InvalidInput) as refused:
        resolved(schema, **given)
    return {pointer for pointer, _ in refused.value.problems}


def names(schema: dict[str, Any], **given: Any) -> set[str]:
    return set(forms.active(forms.modern(schema), given)[0])


def test_a_choice_brings_in_its_own_fields_and_no_others() -> None:
    assert names(BACKSTAGE) == {"host"}
    assert names(BACKSTAGE, host="github") == {"host", "owner"}
    assert names(BACKSTAGE, host="gitlab") == {"host", "group", "private"}
    assert names(BACKSTAGE, host="elsewhere") == {"host"}


def test_defaults_of_the_chosen_branch_apply_and_of_the_other_do_not() -> None:
    assert resolved(BACKSTAGE, host="gitlab") == {"host": "gitlab", "group": "main", "private": True}


def test_a_field_of_the_other_branch_is_refused_by_name() -> None:
    assert "/parameters/owner" in pointers(BACKSTAGE, host="gitlab", owner="x")


def test_what_a_branch_requires_is_required() -> None:
    assert "/parameters/owner" in pointers(BACKSTAGE, host="github")
    assert "/parameters/reason" in pointers(BACKSTAGE, host="github", owner="me")


def test_the_base_field_keeps_its_choices_whatever_a_branch_says_of_it() -> None:
    properties, _ = forms.active(forms.modern(BACKSTAGE), {"host": "github"})
    assert properties["host"]["enum"] == ["github", "gitlab"]


def test_if_then_else_follow_the_value_and_the_default() -> None:
    assert resolved(CONDITION) == {"size": "s", "note": "small"}
    assert resolved(CONDITION, size="xl", budget="abc") == {"size": "xl", "budget": "abc"}
    assert "/parameters/budget" in pointers(CONDITION, size="xl")
    assert "/parameters/note" in pointers(CONDITION, size="xl", budget="abc", note="x")


def test_conditions_nest_inside_all_of() -> None:
    schema = {"properties": {"a": {"type": "string"}}, "allOf": [CONDITION]}
    assert resolved(schema, size="xl", budget="abc", a="1") == {"size": "xl", "budget": "abc", "a": "1"}
    assert names(schema, size="xl") == {"a", "size", "budget"}


def test_one_of_without_a_constant_takes_what_fits() -> None:
    letters = {"required": ["a"], "properties": {"a": {"type": "string"}}}
    numbers = {"required": ["b"], "properties": {"b": {"type": "integer"}}}
    assert resolved({"oneOf": [letters, numbers]}, b=3) == {"b": 3}
    assert pointers({"oneOf": [letters, numbers]}, b="x")


def test_nested_objects_get_their_defaults_and_their_conditions() -> None:
    schema = {"properties": {"net": {"type": "object", "properties": {"port": {"type": "integer", "default": 22}}}}}
    assert resolved(schema, net={}) == {"net": {"port": 22}}


def test_every_property_that_may_ever_be_asked_is_known() -> None:
    assert set(forms.every_property(forms.modern(BACKSTAGE))) == {"host", "owner", "group", "private"}
    assert set(forms.every_property(forms.modern(CONDITION))) == {"size", "budget", "note"}


@pytest.mark.parametrize(
    "schema",
    [
        {"additionalProperties": True},
        {"additionalProperties": {"type": "string"}},
        {"patternProperties": {".*": {}}},
        {"then": {"unevaluatedProperties": True}},
        {"oneOf": [{"additionalProperties": {}}]},
        {"dependentSchemas": {"a": {"additionalProperties": True}}},
    ],
)
def test_a_form_that_lets_undeclared_names_in_is_open(schema: dict[str, Any]) -> None:
    assert forms.is_open(schema)


def test_a_closed_form_is_not_open() -> None:
    assert not forms.is_open(forms.modern(BACKSTAGE))
    assert not forms.is_open({"additionalProperties": False})


@given(st.text(min_size=1, max_size=20), st.sampled_from(["github", "gitlab", "elsewhere"]))
def test_an_undeclared_name_is_always_refused(name: str, host: str) -> None:
    if name in {"host", "owner", "group", "private", "reason"}:
        return
    with pytest.raises(InvalidInput):
        resolved(BACKSTAGE, **{"host": host, name: "x"})


WORDS = st.sampled_from(["properties", "oneOf", "if", "then", "dependencies", "required", "x"])
LEAVES = st.none() | st.booleans() | st.text(max_size=5)


@given(st.recursive(LEAVES, lambda inner: st.dictionaries(WORDS, inner, max_size=3)))
def test_whatever_stands_in_a_schema_it_is_read_without_a_traceback(schema: Any) -> None:
    forms.modern(schema)
