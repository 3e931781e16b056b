"""Parameters: types kept, defaults applied, nothing unknown, a pointer for each problem."""

from __future__ import annotations

import pytest

from procedures.domain import parameters, rendering
from procedures.domain.definition import Step
from procedures.domain.errors import InvalidInput
from procedures.domain.rendering import RenderingRefused

SCHEMA = {
    "required": ["service"],
    "properties": {
        "service": {"type": "string", "pattern": "^[a-z]+$"},
        "grace": {"type": "integer", "default": 30, "maximum": 300},
    },
}


def test_defaults_are_applied_and_types_kept() -> None:
    assert parameters.resolve(SCHEMA, {"service": "web"}) == {"service": "web", "grace": 30}


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({}, "/parameters/service"),
        ({"service": 5}, "/parameters/service"),
        ({"service": "WEB"}, "/parameters/service"),
        ({"service": "a", "x": 1}, "/parameters/x"),
        ({"service": "a", "grace": "5"}, "/parameters/grace"),
        ({"service": "a", "grace": 301}, "/parameters/grace"),
        ({"service": "a\x00b"}, "/parameters/service"),
        ({"service": "\ud800"}, "/parameters/service"),
        ({"service": "a" * 70_000}, "/parameters/service"),
        ({"service": "a", "grace": 2**60}, "/parameters/grace"),
        ({"service": "a", "grace": float("nan")}, "/parameters/grace"),
        ([], "/parameters"),
        ("x", "/parameters"),
        ({"service": None}, "/parameters/service"),
        ({"a/b": 1, "service": "a"}, "/parameters/a~1b"),
    ],
)
def test_each_problem_names_its_field(given: object, pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parameters.resolve(SCHEMA, given)
    assert pointer in [p for p, _ in caught.value.problems]


def test_a_pattern_cannot_hang_the_portal() -> None:
    schema = {"properties": {"s": {"type": "string", "pattern": "^(a+)+$"}}}
    with pytest.raises(InvalidInput):
        parameters.resolve(schema, {"s": "a" * 5000 + "!"})


def test_h8_a_constraint_holds_for_what_is_left_out_too() -> None:
    constraint = {"properties": {"service": {"enum": ["web"]}}}
    assert parameters.check_constraint(constraint, {}) == [
        ("/parameters/service", "your grant limits it, so it must be given")
    ]
    assert parameters.check_constraint(constraint, {"service": "db"})
    assert parameters.check_constraint(constraint, {"service": "web", "other": 1})
    assert parameters.check_constraint(constraint, {"service": "web"}) == []
    deep = {"properties": {"options": {"type": "object", "properties": {"mode": {"enum": ["safe"]}}}}}
    assert parameters.check_constraint(deep, {"options": {}}) == [("/parameters/options/mode", "is required")]
    assert parameters.check_constraint(constraint, {"service": "web", "file": "x"}, free=["file"]) == []


def step(**input: object) -> Step:
    return Step(id="s", name="s", action="local:command", input=input)


@pytest.mark.parametrize(
    "argv",
    [
        ["${{ parameters.v }}"],
        ["sh", "-c", "${{ parameters.v }}"],
        ["bash", "-ec", "${{ parameters.v }}"],
        ["ls", "-la${{ parameters.v }}"],
        ["env", "sh", "-c", "${{ parameters.v }}"],
        [],
        "ls",
    ],
)
def test_an_expression_never_becomes_a_program_or_part_of_a_word(argv: object) -> None:
    with pytest.raises(RenderingRefused):
        rendering.render_step(step(argv=argv), {"parameters": {"v": "x"}})


def test_a_value_that_looks_like_an_option_needs_two_dashes_before_it() -> None:
    scope = {"parameters": {"v": "-rf"}}
    with pytest.raises(RenderingRefused):
        rendering.render_step(step(argv=["rm", "${{ parameters.v }}"]), scope)
    assert rendering.render_step(step(argv=["rm", "--", "${{ parameters.v }}"]), scope).input["argv"] == [
        "rm",
        "--",
        "-rf",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "LD_PRELOAD",
        "PATH",
        "BASH_ENV",
        "IFS",
        "PYTHONPATH",
        "GIT_SSH_COMMAND",
        "PARAM_X",
        "OPSPORTAL_OUTPUT",
        "1X",
        "a-b",
    ],
)
def test_dangerous_environment_names_are_refused(name: str) -> None:
    with pytest.raises(RenderingRefused):
        rendering.render_step(step(argv=["true"], env={name: "x"}), {"parameters": {}})


@pytest.mark.parametrize("rule", [{"pattern": "^tok-"}, {"maxLength": 3}, {"enum": ["a", "b"]}, {"format": "email"}])
def test_what_is_wrong_with_a_secret_is_said_without_it(rule: dict[str, object]) -> None:
    schema = {"properties": {"token": {"type": "string", **rule}}}
    with pytest.raises(InvalidInput) as refused:
        parameters.resolve(schema, {"token": "canary-77b1"}, prefix="/secrets", secret=True)
    assert [pointer for pointer, _ in refused.value.problems] == ["/secrets/token"]
    assert "canary" not in str(refused.value.problems)
