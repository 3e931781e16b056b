"""Imported jobs are run: they say what the originals said, and a value stays data wherever it was pasted."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procedures.importers.rundeck.scripts import finder
from procedures.importers.rundeck.shell import rewritten
from procedures.importers.rundeck.variables import Known, Option, Variables
from tests.fixtures.counterparts import need
from tests.importers.rundeck_running import as_imported, as_rundeck, carried, job
from tests.importers.rundeck_samples import TEN, Ran


@pytest.fixture(scope="module", autouse=True)
def bubblewrap() -> None:
    need("bwrap")


def test_values_that_a_filter_took_reach_a_later_step() -> None:
    taking = {
        "exec": "echo colour=red; echo size = big",
        "plugins": {"LogFilter": [{"type": "key-value-data", "config": {}}]},
    }
    taking["plugins"]["LogFilter"][0]["config"]["regex"] = r"^(\S+?)\s*=\s*(.+)$"  # type: ignore[index]
    commands = [taking, {"exec": 'echo "it is ${data.colour} and ${data.size}"'}]
    one = carried(job(sequence={"commands": commands})).procedures[0]
    assert not one.marked
    assert as_imported(one, {}) == [("colour=red\nsize = big\n", 0), ("it is red and big\n", 0)]


def test_an_export_is_a_step_that_hands_a_value_on() -> None:
    commands = [
        {
            "type": "export-var",
            "nodeStep": False,
            "configuration": {"export": "who", "group": "export", "value": "x ${option.a}"},
        },
        {"script": "echo @export.who@"},
    ]
    one = carried(job(sequence={"commands": commands}, options=[{"name": "a", "required": True}])).procedures[0]
    assert as_imported(one, {"a": "b; c"})[-1] == ("x b; c\n", 0)


def test_several_values_arrive_joined() -> None:
    options = [{"name": "p", "multivalued": True, "delimiter": ",", "value": "1,2"}]
    one = carried(
        job(sequence={"commands": [{"exec": "echo ${option.p}; echo $RD_OPTION_P"}]}, options=options)
    ).procedures[0]
    assert as_imported(one, {}) == [("1,2\n1,2\n", 0)]


def test_a_handler_that_succeeds_lets_the_job_go_on_where_it_says_so() -> None:
    step = {"exec": "echo a; exit 7", "errorhandler": {"exec": "echo b"}}
    one = carried(job(sequence={"commands": [step]})).procedures[0]
    assert as_imported(one, {}) == [("a\nb\n", 7)]
    step["errorhandler"] = {"exec": "echo b", "keepgoingOnSuccess": True}
    assert as_imported(carried(job(sequence={"commands": [step]})).procedures[0], {}) == [("a\nb\n", 0)]


def ran(sample: Ran) -> dict[str, Any]:
    step: dict[str, Any] = {"exec" if sample.command else "script": sample.text}
    step |= {"args": sample.args} if sample.args else {}
    step |= {"scriptInterpreter": sample.interpreter} if sample.interpreter else {}
    step |= {"errorhandler": {"exec": sample.handler}} if sample.handler else {}
    options = [{"name": name, "required": True} for name in sample.values]
    return {"name": sample.name, "description": "", "options": options, "sequence": {"commands": [step]}}


@pytest.mark.parametrize("sample", TEN, ids=lambda sample: sample.name)
def test_the_imported_script_says_what_the_original_said(sample: Ran) -> None:
    given = ran(sample)
    one = carried(json.dumps([given])).procedures[0]
    assert not one.marked
    assert as_imported(one, sample.values) == [as_rundeck(given, sample.values)]


HOSTILE = [
    "; touch /tmp/owned;",
    "$(touch /tmp/owned)",
    "`touch /tmp/owned`",
    "'; touch /tmp/owned; '",
    'a"; touch /tmp/owned; "',
    "*",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_is_data_in_every_place(value: str) -> None:
    text = (
        '#!/bin/bash\nprintf \'%s|\' "@option.x@" \'q@option.x@\' "$(printf %s "@option.x@")" @unquotedoption.x@ '
        ">/dev/null\n"
        "cat <<'E'\n@option.x@\nE\necho \"@option.x@\"\n"
    )
    options = [{"name": "x", "required": True}]
    one = carried(
        job(sequence={"commands": [{"script": text}, {"exec": "printf '%s\\n' ${option.x}"}]}, options=options)
    ).procedures[0]
    assert as_imported(one, {"x": value}) == [(f"{value}\n{value}\n", 0), (f"{value}\n", 0)]


PLACES = """\
printf '%s|' "a @option.x@" 'b @option.x@' "$(printf %s "c @option.x@")" "`printf %s "d @option.x@"`" \\
  ${no:-"e @option.x@"}
cat <<A; cat <<'B'; cat <<-"C"
f @option.x@
A
g @option.x@ $HOME `h` \\
B
\ti @option.x@
\tC
: $((1 << 2)) # @option.x@ ' "
"""
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=40)


@settings(max_examples=25, deadline=None)
@given(VALUES)
def test_any_value_is_itself_in_quotes_and_here_documents(value: str) -> None:
    known = Known(options={"x": Option("x")})
    script = rewritten(PLACES, finder(Variables(known, on_targets=False, raw=True), is_command=False))
    env = {"PARAM_X": value, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/h"}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, timeout=10)
    line = value.rstrip("\n")
    words = f"a {value}|b {value}|c {line}|d {line}|e {value}|"
    assert done.stderr == b""
    assert done.stdout.decode() == f"{words}f {value}\ng {value} $HOME `h` \\\ni {value}\n"


def test_a_value_in_a_text_that_another_program_reads_is_reported() -> None:
    found = carried(job(sequence={"commands": [{"script": 'mysql -u "@option.a@" shop'}]}, options=[{"name": "a"}]))
    assert not found.procedures[0].marked
    assert any(key.fate == "reported" and "that mysql reads in its own way" in key.said for key in found.keys)
