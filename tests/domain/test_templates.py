"""Skeleton files are filled in by the closed evaluator: values stay values, and nothing is reached but them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procedures.domain.expression_filters import FILTERS
from procedures.domain.templates import TemplateRefused, plain_operators, render

VALUES = {"values": {"name": "payments", "on": True, "langs": ["go", "java"], "none": None, "ports": {"http": 80}}}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("name: ${{ values.name }}\n", "name: payments\n"),
        ("{{ .Values.image }} ${{values.name}}", "{{ .Values.image }} payments"),
        ("a{%- if values.on %} b {%- endif %}c", "a bc"),
        ("{% if values.name === 'x' %}1{% elif values.on && values.name !== 'x' %}2{% else %}3{% endif %}", "2"),
        (
            "{% for l in values.langs %}${{ loop.index }}:${{ l }}{% if not loop.last %},{% endif %}{% endfor %}",
            "1:go,2:java",
        ),
        ("{% for k, v in values.ports %}${{ k }}=${{ v }}{% endfor %}", "http=80"),
        ("{% for x in values.none %}a{% else %}nothing{% endfor %}", "nothing"),
        ("[${{ values.none }}${{ values.missing }}${{ values.missing.deep }}]", "[]"),
        ("${{ values.langs }} ${{ values.ports | dump }}", 'go,java {"http": 80}'),
        ("{% set full = values.name + '-' + 'svc' %}${{ full | upper }}", "PAYMENTS-SVC"),
        ("{% raw %}${{ github.sha }}{% endraw %}", "${{ github.sha }}"),
        ("{% if values.missing is defined %}a{% else %}b{% endif %}{# gone #}", "b"),
        ("${{ 'x' if values.on else 'y' }}${{ values.name | replace('pay', '') | title }}", "xMents"),
    ],
)
def test_a_template_reads_as_in_backstage(source: str, text: str) -> None:
    assert render(source, VALUES) == text


def test_cookiecutters_braces_are_for_those_who_ask() -> None:
    assert render("{{ cookiecutter.a }} ${{ x }}", {"cookiecutter": {"a": "1"}}, dollar=False) == "1 $"


@pytest.mark.parametrize(
    "source",
    [
        "${{ values.name.__class__ }}",
        "${{ values['__class__'] }}",
        "${{ values.name.upper() }}",
        "${{ cycler.__init__.__globals__.os }}",
        "${{ 'a' * 200000000 }}",
        "${{ 2 ** 99 }}",
        "${{ values.langs[0:1] }}",
        "${{ values.name | attr('x') }}",
        "${{ values.name is sameas 1 }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% macro m() %}{% endmacro %}",
        "{% set __x = 1 %}",
        "{% set a.b = 1 %}",
        "{% for x in values.langs recursive %}{{ loop(x) }}{% endfor %}",
        "{% if values.on %}",
        "${{ " + "(" * 4000 + "1" + ")" * 4000 + " }}",
        "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
    ],
)
def test_nothing_is_reached_but_values(source: str) -> None:
    with pytest.raises(TemplateRefused):
        render(source, VALUES)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in l %}{% for b in l %}{% for c in l %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% set x = [1] %}{% for a in l %}{% set x = [x, x] %}{% endfor %}${{ x }}",
        "{% set x = {'a': 1} %}{% for a in l %}{% set x = {'a': x, 'b': x} %}{% endfor %}${{ x }}",
        "{% set x = 'xxxxxxxx' %}{% for a in l %}{% set x = x ~ x %}{% endfor %}${{ x }}",
        "{% set x = 'xxxxxxxx' %}{% for a in l %}{% set x = x + x %}{% endfor %}${{ x }}",
        "{% set x = 'xxxxxxxx' %}{% for a in l %}{% set x = x | replace('x', x) %}{% endfor %}${{ x }}",
        "{% for a in l %}${{ long }}{% endfor %}",
    ],
)
def test_a_template_ends_soon_and_stays_small(source: str) -> None:
    begun = time.monotonic()
    with pytest.raises(TemplateRefused):
        render(source, {"l": list(range(500)), "long": "x" * 60_000})
    assert time.monotonic() - begun < 4


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_what_a_value_holds_is_never_parsed(text: str) -> None:
    assert render("${{ values.s }}", {"values": {"s": text}}) == text


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    for source in (text, "${{" + text + "}}", "{%" + text + "%}"):
        try:
            render(source, VALUES)
        except TemplateRefused:
            continue


def test_two_short_texts_make_no_long_one() -> None:
    with pytest.raises(ValueError, match="1 MB"):
        FILTERS["replace"]("a" * 60_000, "a", "b" * 60_000)
    with pytest.raises(ValueError, match="1 MB"):
        FILTERS["join"](["a"] * 60_000, "b" * 60_000)


def test_operators_in_quotes_stay() -> None:
    assert plain_operators("a === 'x === y' && b") == "a == 'x === y'  and  b"
