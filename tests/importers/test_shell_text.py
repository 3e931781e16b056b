"""Pasted text in shell programs becomes a variable: what was printed is still printed, and nothing else runs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procedures.importers.shell_text import Paste, Rewritten, rewrite

MARK = re.compile(r"\{\{.*?\}\}")
PROGRAMS = [
    "echo {{v}}",
    "echo '{{v}}' end",
    'echo "it is {{v}}."',
    "X={{v}}; echo got:$X",
    "X='{{v}}'\necho \"$X\"",
    'echo "$(printf %s "{{v}}")"',
    "echo $(echo {{v}})",
    "echo `echo {{v}}` # {{v}}",
    "cat <<EOF\n{{v}} in a text\nEOF\necho after {{v}}",
    "cat <<-EOF\n\t{{v}}\n\tEOF\necho 'it is '{{v}}",
    'if [ "{{v}}" = plain ]; then echo yes; else echo no; fi',
    "case '{{v}}' in plain) echo one;; *) echo other;; esac",
    "for x in a {{v}} b; do echo $x; done",
    "[ -z {{v}} ] && echo none || echo some",
    "echo a\\'b {{v}} c\\'d",
    "printf '%s\\n' pre{{v}}post",
]
FORMS = ["{}", '"{}"', """'"{}"'""", '${{PARAM_V:+"{}"}}']
HOSTILE = [
    "$(touch owned)",
    "`touch owned`",
    "; touch owned",
    "'; touch owned; '",
    '"; touch owned; "',
    "x\ntouch owned",
]


def rewritten(program: str, variable: str = "PARAM_V") -> Rewritten:
    return rewrite(program, [Paste(m.start(), m.end(), variable) for m in MARK.finditer(program)])


def printed(program: str, folder: Path, value: str = "") -> str:
    done = subprocess.run(
        ["/bin/sh", "-c", program],
        capture_output=True,
        check=False,
        timeout=10,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PARAM_V": value},
    )
    return done.stdout.decode()


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("value", ["plain", "", "42", "a-b_c.d/e"])
def test_a_program_prints_what_it_printed_when_the_value_was_pasted(program: str, value: str, tmp_path: Path) -> None:
    found = rewritten(program)
    assert not found.problems
    assert "{{" not in found.text
    assert printed(found.text, tmp_path, value) == printed(MARK.sub(value, program), tmp_path)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_runs_nothing(program: str, value: str, tmp_path: Path) -> None:
    printed(rewritten(program).text, tmp_path, value)
    assert not list(tmp_path.iterdir())


def test_the_hostile_values_are_hostile_when_they_are_pasted(tmp_path: Path) -> None:
    printed(MARK.sub(HOSTILE[0], "echo {{v}}"), tmp_path)
    assert list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("{{v}} --now", "Line 1: PARAM_V would name the program"),
        ("a | {{v}}", "name the program"),
        ("eval {{v}}", "what eval runs"),
        ("true\nsh -c 'echo {{v}}'", "Line 2: PARAM_V would become a part of what sh runs"),
        ('bash -ec "echo {{v}}"', "what bash runs"),
        ("python3 -c 'print({{v}})'", "what python3 runs"),
        ("sed -i 's/a/{{v}}/' f", "what sed runs"),
        ("ssh host 'ls {{v}}'", "what ssh runs"),
        ("cat <<'EOF'\n{{v}}\nEOF", "Line 2: PARAM_V stands in a here-document"),
        ("echo $(( {{v}} + 1 ))", "calculated"),
        ("echo ${X:-{{v}}}", "inside another variable"),
        ("echo \\{{v}}", "backslash"),
        ('echo "`echo {{v}} "{{v}}"`"', "backticks"),
    ],
)
def test_where_only_program_text_would_do_it_is_a_problem(program: str, told: str) -> None:
    assert any(told in problem for problem in rewritten(program).problems)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab'\"`$(){}#<\\\n ;|E-", max_size=40), st.text(alphabet="ab'\"`$(){}#<\\\n ;|E-", max_size=40))
def test_any_text_is_rewritten_and_everything_but_the_pastes_stays(before: str, after: str) -> None:
    found = rewrite(before + "{{v}}" + after, [Paste(len(before), len(before) + 5, "PARAM_V")])
    assert found.text.startswith(before)
    assert found.text.endswith(after)
    middle = found.text[len(before) : len(found.text) - len(after)]
    assert found.problems or middle in {form.format("${PARAM_V}") for form in FORMS} | {"$PARAM_V"}
